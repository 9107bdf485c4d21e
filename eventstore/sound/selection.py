"""Select a part of a call's sound: an item, a response, a side or a span of time.

Called by call_audio.py, plot.py and exports/waveform.py.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from eventstore.brief import brief
from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.sound.rendering import ReadSounds, sounding_stretches
from eventstore.sound.speech_end import MOST_AFTER, speech_end
from eventstore.sound.timeline.layout import SIDES, Side, Stretch, Timeline, TimelineTurn

Track = list[Stretch]


class Selection(NamedTuple):
    """A selected part of a call's sound.

    Attributes:
        sides: The side that each channel belongs to.
        channels: The tracks of each channel. All of them sound at once.
        start, end: The span, in seconds on the call's clock.
    """

    sides: tuple[Side, ...]
    channels: list[list[Track]]
    start: float
    end: float


def select(
    timeline: Timeline,
    *,
    item: str | None = None,
    response: str | None = None,
    side: Side | None = None,
    start: float | None = None,
    end: float | None = None,
    read: ReadSounds | None = None,
) -> Selection:
    """Select from a timeline: the whole call has two channels; an item, response or side has one.

    Args:
        item, response: The id of an item or of a response.
        side: `user` or `assistant`. At most one of `item`, `response` and `side` may be given.
        start, end: The span, in seconds on the call's clock. It is cut to what is selected.
        read: Reads the bytes of chunks, to find where an item or a response of a GPT-Live session
            ends. Without it, it ends where the server says that its last word began.

    Raises:
        NotFoundError: The timeline has no sound of it.
        InvalidInputError: An argument is wrong, or several contradict each other.
    """
    if sum(one is not None for one in (item, response, side)) > 1:
        raise InvalidInputError("choose an item, a response or a side, one of them")
    if not (timeline.streamed or timeline.created or timeline.output or timeline.fixtures):
        raise NotFoundError(
            "no sound in the log of this session; over WebRTC and SIP it goes another way"
        )
    user, assistant = [timeline.streamed, timeline.created], [timeline.output, timeline.fixtures]
    begin = min(timeline.begin, timeline.start)
    whole = Selection(SIDES, [user, assistant], begin, timeline.end)
    if side is not None:
        if side not in SIDES:
            raise InvalidInputError(f"no side {side!r}: use user or assistant")
        channels = [user if side == "user" else assistant]
        chosen = whole._replace(sides=(side,), channels=channels)
    elif item is not None:
        chosen = _of_item(timeline, item, read)
    elif response is not None and timeline.live:
        turns = [turn for turn in timeline.turns if turn.response_id == response]
        chosen = _cut_out(timeline, turns, f"response {response}", read)
    elif response is not None:
        turns = [turn for turn in timeline.turns if turn.response_id == response]
        track = [one for one in timeline.output if one.response_id == response]
        chosen = _spanning(turns, track, f"response {response}")
    else:
        chosen = whole
    return _within(chosen, start, end)


def _of_item(timeline: Timeline, item: str, read: ReadSounds | None) -> Selection:
    turns = [turn for turn in timeline.turns if turn.item_id == item]
    if timeline.live:
        return _cut_out(timeline, turns, f"item {item}", read)
    own = [one for one in (*timeline.created, *timeline.output) if one.item_id == item]
    if not own and any(turn.side == "user" for turn in turns):
        own = timeline.streamed
    return _spanning(turns, own, f"item {item}")


def _cut_out(
    timeline: Timeline, turns: list[TimelineTurn], what: str, read: ReadSounds | None
) -> Selection:
    """Cut turns of a GPT-Live session out of their side's sound, by their places."""
    is_user = any(turn.side == "user" for turn in turns)
    chosen = _spanning(turns, timeline.streamed if is_user else timeline.output, what)
    ((track,),) = chosen.channels
    if not any(sounding_stretches(track, chosen.start, chosen.end)):
        raise NotFoundError(f"the log has no sound of {what}")
    if read is None:
        return chosen
    others = (turn for turn in timeline.turns if turn.side in chosen.sides and turn not in turns)
    next_ = min((one.start for one in others if one.start > chosen.start), default=math.inf)
    latest = min(chosen.end + MOST_AFTER, max(chosen.end, next_))
    return chosen._replace(end=speech_end(track, chosen.start, chosen.end, latest, read))


def _spanning(turns: list[TimelineTurn], track: Track, what: str) -> Selection:
    start = min((turn.start for turn in turns), default=0.0)
    end = max((turn.end for turn in turns), default=0.0)
    if not track or start >= end:
        raise NotFoundError(f"nothing was heard of {what}; list items with: eventstore state")
    return Selection((turns[0].side,), [[track]], start, end)


def _within(chosen: Selection, start: float | None, end: float | None) -> Selection:
    for moment in (start, end):
        if moment is None:
            continue
        if not isinstance(moment, int | float) or not math.isfinite(moment):
            raise InvalidInputError(f"no moment in seconds: {brief(moment)}")
    begins = chosen.start if start is None else max(start, chosen.start)
    ends = chosen.end if end is None else min(end, chosen.end)
    if begins >= ends:
        raise InvalidInputError(
            f"no sound in that span: it is from {chosen.start:.3f} to {chosen.end:.3f} seconds"
        )
    return chosen._replace(start=begins, end=ends)
