"""A playhead over a session's cues: play, pause, step, seek, change speed. Pure.

What is shown is always the first `position` pieces. Each function takes the clock's `now`, in
seconds, from wherever the caller has it, and returns a new playhead.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

from eventstore.replay.player.cue_lines import PlacedCue, placed_cues
from eventstore.replay.player.cues import Cue

SLOWEST, FASTEST = 0.25, 64.0
#: Going back within this time of a turn's beginning, at speed 1, goes to the turn before.
GRACE_MS = 1000.0


class CueTrack(NamedTuple):
    """What is played, and the places in it to jump to.

    Attributes:
        due_ms: when each piece is due, in milliseconds; never falls.
        timed: whether there are times at all.
        turns, errors, interruptions: places of pieces, from 0, in order.
    """

    pieces: tuple[PlacedCue, ...]
    due_ms: tuple[float, ...]
    timed: bool
    turns: tuple[int, ...]
    errors: tuple[int, ...]
    interruptions: tuple[int, ...]

    @property
    def total_ms(self) -> float:
        """When the last piece is due."""
        return self.due_ms[-1] if self.due_ms else 0.0


@dataclass(frozen=True)
class Playhead:
    """Where a replay is.

    Attributes:
        position: how many pieces are shown.
        moment_ms: the session's time, as of `since`.
        since: the clock's time, in seconds.
        speed: 1 for the session's own pace.
    """

    track: CueTrack
    position: int = 0
    moment_ms: float = 0.0
    since: float = 0.0
    playing: bool = False
    speed: float = 1.0

    @property
    def at_end(self) -> bool:
        """Whether all is shown."""
        return self.position == len(self.track.pieces)


def cue_track(cues: Iterable[Cue]) -> CueTrack:
    """Take a session's cues for playing."""
    told = tuple(placed_cues(cues))
    found = [piece.cue for piece in told]
    due = accumulate((cue.offset_ms or 0.0 for cue in found), max, initial=0.0)
    return CueTrack(
        told,
        tuple(due)[1:],
        any(cue.offset_ms is not None for cue in found),
        tuple(_turns(found)),
        tuple(place for place, cue in enumerate(found) if _is_error(cue)),
        tuple(_interruptions(found)),
    )


def _turns(cues: Iterable[Cue]) -> Iterator[int]:
    """Where the floor goes from the user to the assistant, or back."""
    floor: str | None = None
    heard: set[str] = set()
    for place, cue in enumerate(cues):
        if cue.speaker not in ("user", "assistant") or cue.kind == "interrupted":
            continue
        # A late transcript, or an answer that goes on behind one, takes no floor.
        if cue.speaker != floor and cue.id not in heard:
            yield place
            floor = cue.speaker
        if cue.id is not None:
            heard.add(cue.id)


def _is_error(cue: Cue) -> bool:
    ended = cue.kind == "response_ended" and not cue.text.startswith("cancelled")
    return ended or cue.kind in ("error", "unreadable")


def _interruptions(cues: Iterable[Cue]) -> Iterator[int]:
    """Where answers were cut off; what is told of one in two cues counts once."""
    told = False
    for place, cue in enumerate(cues):
        if cue.kind in ("interrupted", "truncated"):
            if not told:
                yield place
            told = True
        elif cue.kind in ("saying", "said") and cue.speaker == "assistant":
            told = False


def start(played: CueTrack, now: float, speed: float = 1.0) -> Playhead:
    """Begin: playing, or, where there are no times, standing at the first piece."""
    if not played.timed:
        return Playhead(played, position=min(1, len(played.pieces)), since=now, speed=speed)
    return advance(Playhead(played, since=now, playing=True, speed=speed), now)


def advance(head: Playhead, now: float) -> Playhead:
    """Let the time until now pass: what has come due is shown. At the end it stops."""
    if not head.playing:
        return replace(head, since=now)
    moment = head.moment_ms + max(0.0, now - head.since) * 1000 * head.speed
    position = max(head.position, bisect_right(head.track.due_ms, moment))
    ended = position == len(head.track.pieces)
    moment = min(moment, head.track.total_ms)
    return replace(head, position=position, moment_ms=moment, since=now, playing=not ended)


def due_in(head: Playhead) -> float | None:
    """Seconds from `head.since` until the next piece is due; None while it stands still."""
    if not head.playing or head.at_end:
        return None
    return max(0.0, head.track.due_ms[head.position] - head.moment_ms) / 1000 / head.speed


def pause(head: Playhead, now: float) -> Playhead:
    """Stand still."""
    return replace(advance(head, now), playing=False)


def play(head: Playhead, now: float) -> Playhead:
    """Go on; from the beginning where all was shown. Without times it stands still."""
    head = advance(head, now)
    if not head.track.timed:
        return head
    if head.at_end:
        head = replace(head, position=0, moment_ms=0.0)
    return advance(replace(head, playing=True), now)


def toggle(head: Playhead, now: float) -> Playhead:
    """Pause, or go on."""
    head = advance(head, now)
    return pause(head, now) if head.playing else play(head, now)


def step(head: Playhead, count: int, now: float) -> Playhead:
    """Pause so many pieces further, or back where negative."""
    head = pause(head, now)
    return _at_position(head, head.position + count)


def seek(head: Playhead, moment_ms: float, now: float) -> Playhead:
    """Go to a moment, in milliseconds since the session's beginning."""
    head = advance(head, now)
    moment = min(max(0.0, moment_ms), head.track.total_ms)
    position = bisect_right(head.track.due_ms, moment)
    return advance(replace(head, position=position, moment_ms=moment), now)


def faster(head: Playhead, now: float) -> Playhead:
    """Play twice as fast."""
    return _at_speed(advance(head, now), 2)


def slower(head: Playhead, now: float) -> Playhead:
    """Play half as fast."""
    return _at_speed(advance(head, now), 0.5)


def next_of(head: Playhead, places: tuple[int, ...], now: float) -> Playhead | None:
    """Go to the next of these places that is not shown yet; None where there is none."""
    head = advance(head, now)
    following = bisect_left(places, head.position)
    if following == len(places):
        return None
    return advance(_at_position(head, places[following] + 1), now)


def previous_turn(head: Playhead, now: float) -> Playhead:
    """Go to this turn's beginning, from there to the turn before, from the first to the start."""
    head = advance(head, now)
    turns = head.track.turns
    current = bisect_left(turns, head.position) - 1
    if current < 0:
        return advance(_at_position(head, 0), now)
    begun = _at_position(head, turns[current] + 1)
    passed = head.moment_ms - begun.moment_ms
    # While it plays on, nobody is quick enough to press twice at the very beginning.
    if passed <= GRACE_MS * head.speed if head.playing else head == begun:
        current -= 1
    return advance(_at_position(head, turns[current] + 1 if current >= 0 else 0), now)


def _at_position(head: Playhead, position: int) -> Playhead:
    position = min(max(0, position), len(head.track.pieces))
    moment = head.track.due_ms[position - 1] if position else 0.0
    return replace(head, position=position, moment_ms=moment)


def _at_speed(head: Playhead, factor: float) -> Playhead:
    speed = head.speed * factor
    # A speed that was given may lie outside: it can come back, and go no further.
    allowed = speed <= max(FASTEST, head.speed) and speed >= min(SLOWEST, head.speed)
    return replace(head, speed=speed) if allowed else head
