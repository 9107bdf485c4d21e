"""Draw a picture of a call: both waveforms on one time axis, with turns, words and interruptions.

Called by `EventStore.plot_audio`. Needs matplotlib, which the extra `plot` brings.
"""

from __future__ import annotations

import heapq
import io
import warnings
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from eventstore.errors import EventStoreError
from eventstore.realtime.values import mapping, sequence, text
from eventstore.sound.call_audio import sound_source
from eventstore.sound.erased_meanwhile import check_not_erased_since
from eventstore.sound.peaks import Peaks, peaks
from eventstore.sound.selection import Selection, select
from eventstore.sound.timeline.layout import Side, Timeline, TimelineTurn
from eventstore.store.queries.masked_state import masked_state
from eventstore.store.sessions.log import Log

PlotFormat = Literal["png", "svg"]
PLOT_FORMATS: tuple[PlotFormat, ...] = ("png", "svg")

_COLUMNS = 2000
# At most so many turns are drawn, the longest ones, since more have no room.
_TURNS = 500
_COLORS = {"user": "#17748c", "assistant": "#a85a1b"}
_CUT = "#c1272d"
_INCHES = (12.0, 4.2)
# So many characters fit into the whole width of the picture.
_CHARACTERS = 215


def plot_audio(
    log: Log,
    session_id: str,
    target: Path | BinaryIO,
    format: PlotFormat,
    *,
    item: str | None = None,
    response: str | None = None,
    side: Side | None = None,
    start: float | None = None,
    end: float | None = None,
    recording: Path | BinaryIO | None = None,
) -> None:
    """Draw the sound of a session, or the same part of it that `write_audio` would write.

    Args:
        target: A file, or a binary stream.
        format: `png` or `svg`.
        item, response, side: Draw only this item, response or side. At most one of the three may
            be given.
        start, end: Draw only this span, in seconds since the session's first event; in a GPT-Live
            session, in seconds of its timeline.
        recording: A downloaded recording of a GPT-Live session: its sound is drawn instead of the
            log's.

    Raises:
        NotFoundError: There is no such session, item or response, or the log has no sound of it.
        ErasedError: The session was erased meanwhile.
        ErasedMeanwhileError: The session's audio was erased meanwhile.
        InvalidInputError: An argument is wrong.
        EventStoreError: Matplotlib is not installed.
        OSError: The target cannot be written.
    """
    figures = _matplotlib()
    version = log.revision(session_id)
    with sound_source(log, session_id, recording) as (timeline, read):
        chosen = select(
            timeline, item=item, response=response, side=side, start=start, end=end, read=read
        )
        loudness = peaks(chosen, _COLUMNS, read)
    figure = figures.Figure(figsize=_INCHES, dpi=150, layout="constrained")
    _draw(figure, chosen, loudness, _turns(timeline, chosen), _words_of_items(log, session_id))
    if timeline.live:
        figure.axes[-1].set_xlabel("seconds of the session's timeline")
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # matplotlib warns of letters that its font lacks
        figure.savefig(picture, format=format)
    check_not_erased_since(log, session_id, version)
    if isinstance(target, Path):
        target.write_bytes(picture.getvalue())
    else:
        target.write(picture.getvalue())


def _matplotlib() -> Any:
    try:
        import matplotlib.figure
    except ImportError as error:
        raise EventStoreError(
            "pictures need matplotlib; install it with: pip install 'realtime-eventstore[plot]'"
        ) from error
    return matplotlib.figure


def _turns(timeline: Timeline, chosen: Selection) -> list[TimelineTurn]:
    within = [
        turn
        for turn in timeline.turns
        if turn.side in chosen.sides and turn.end > chosen.start and turn.start < chosen.end
    ]
    longest = heapq.nlargest(_TURNS, within, key=lambda turn: turn.end - turn.start)
    return sorted(longest, key=lambda turn: turn.start)


def _words_of_items(log: Log, session_id: str) -> dict[str, str]:
    """Return the words of each item, by its id: what was heard, otherwise what was said."""
    words = {}
    for conversation in masked_state(log, session_id)["conversations"]:
        for item in conversation["items"]:
            parts = map(mapping, sequence(item.get("content")))
            said = [text(part.get("transcript")) or text(part.get("text")) for part in parts]
            heard = text(mapping(item.get("eventstore")).get("heard"))
            line = heard if heard is not None else " ".join(filter(None, said))
            words[item.get("id")] = "".join(c if c.isprintable() else " " for c in line).strip()
    return words


def _draw(
    figure: Any,
    chosen: Selection,
    loudness: Peaks,
    turns: list[TimelineTurn],
    words: dict[str, str],
) -> None:
    rows = figure.subplots(len(chosen.sides), 1, sharex=True, squeeze=False)[:, 0]
    moments = np.linspace(chosen.start, chosen.end, loudness.shape[1], endpoint=False)
    cuts = [turn.end for turn in turns if turn.cut]
    loudest = max(float(np.abs(loudness).max()), 0.01)
    for axes, side, (low, high) in zip(
        rows, chosen.sides, loudness.transpose(0, 2, 1), strict=True
    ):
        axes.fill_between(moments, low, high, color=_COLORS[side], linewidth=0.4)
        axes.set_ylim(-1.15 * loudest, 1.6 * loudest)
        axes.set_ylabel(side)
        axes.set_yticks([])
        axes.spines[["top", "left", "right"]].set_visible(False)
        for turn in turns:
            if turn.side == side:
                _draw_turn(axes, turn, chosen, words.get(turn.item_id or "", ""))
        for moment in cuts:
            axes.axvline(
                moment, color=_CUT, linewidth=1, linestyle=(0, (4, 3)), label="interrupted"
            )
    if cuts:
        lines = rows[0].get_lines()[-1:]
        rows[0].legend(
            handles=lines, loc="lower right", bbox_to_anchor=(1, 1), frameon=False, fontsize=8
        )
    rows[-1].set_xlim(chosen.start, chosen.end)
    rows[-1].set_xlabel("seconds since the session's first event")


def _draw_turn(axes: Any, turn: TimelineTurn, chosen: Selection, words: str) -> None:
    start, end = max(turn.start, chosen.start), min(turn.end, chosen.end)
    axes.axvspan(start, end, color=_COLORS[turn.side], alpha=0.13, linewidth=0)
    room = int((end - start) / (chosen.end - chosen.start) * _CHARACTERS)
    if len(words) > room:
        words = words[: max(0, room - 1)].rstrip() + "…" if room > 3 else ""
    axes.text(
        start, 0.97, f" {words}", fontsize=6.5, va="top", clip_on=True, parse_math=False,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip
