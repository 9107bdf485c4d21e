"""A picture of a call: both waveforms on one time axis, with turns, speech and interruptions."""

from __future__ import annotations

import heapq
import io
import warnings
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from eventstore.errors import EventStoreError
from eventstore.realtime.values import mapping, sequence, text
from eventstore.sound.call_audio import sound_reader
from eventstore.sound.erased_meanwhile import check_not_erased_since
from eventstore.sound.peaks import Peaks, peaks
from eventstore.sound.selection import Selection, select
from eventstore.sound.timeline.timeline import Side, Timeline, TimelineTurn, build_timeline
from eventstore.store.queries.masked_state import masked_state
from eventstore.store.sessions.log import Log

PlotFormat = Literal["png", "svg"]
PLOT_FORMATS: tuple[PlotFormat, ...] = ("png", "svg")

_COLUMNS = 2000
# Turns that are drawn, the longest ones: more have no room.
_TURNS = 500
_COLORS = {"user": "#17748c", "assistant": "#a85a1b"}
_CUT = "#c1272d"
_INCHES = (12.0, 4.2)
# Characters of a turn's words that the whole width has room for.
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
) -> None:
    """Draw a session's sound: all of it, or what is selected as for `write_audio`.

    Args:
        target: a file, or a binary stream.
        format: `png` or `svg`.
        item, response, side: that alone. At most one of them.
        start, end: seconds since the session's first event.

    Raises:
        NotFoundError: no such session, item or response, or no sound of it in the log.
        ErasedError, ErasedMeanwhileError: the session, or its audio, was erased meanwhile.
        InvalidInputError: a bad argument.
        EventStoreError: matplotlib is not installed.
        OSError: the target cannot be written.
    """
    figures = _matplotlib()
    version = log.revision(session_id)
    timeline = build_timeline(log.events(session_id))
    chosen = select(timeline, item=item, response=response, side=side, start=start, end=end)
    loudness = _peaks(chosen, log, session_id)
    figure = figures.Figure(figsize=_INCHES, dpi=150, layout="constrained")
    _draw(figure, chosen, loudness, _turns(timeline, chosen), _words(log, session_id))
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font does not have
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


def _peaks(chosen: Selection, log: Log, session_id: str) -> Peaks:
    return peaks(chosen, _COLUMNS, sound_reader(log, session_id))


def _turns(timeline: Timeline, chosen: Selection) -> list[TimelineTurn]:
    within = [
        turn
        for turn in timeline.turns
        if turn.side in chosen.sides and turn.end > chosen.start and turn.start < chosen.end
    ]
    longest = heapq.nlargest(_TURNS, within, key=lambda turn: turn.end - turn.start)
    return sorted(longest, key=lambda turn: turn.start)


def _words(log: Log, session_id: str) -> dict[str, str]:
    """What was heard in each item."""
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
