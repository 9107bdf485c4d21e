"""Move a playhead over a session's cues: play, pause, step, seek, change speed. Pure.

The first `position` pieces are shown; a piece is a cue on its line. Each function takes the time of
the caller's clock as `now`, in seconds, and returns a new playhead. Called by the player in the
terminal (cli/terminal/terminal_player.py).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

from eventstore.replay.player.cue import Cue
from eventstore.replay.player.cue_lines import PlacedCue, placed_cues

SLOWEST, FASTEST = 0.25, 64.0
#: Going back within this time after a turn's beginning goes to the turn before. At speed 1.
GRACE_MS = 1000.0


class CueTrack(NamedTuple):
    """The cues of a session, and the places to jump to.

    Attributes:
        pieces: The cues on their lines, in order.
        due_ms: When each piece is due, in milliseconds since the session's beginning, rising.
        timed: True if any cue has a time.
        turns, errors, interruptions: The indexes of pieces to jump to, in order.
    """

    pieces: tuple[PlacedCue, ...]
    due_ms: tuple[float, ...]
    timed: bool
    turns: tuple[int, ...]
    errors: tuple[int, ...]
    interruptions: tuple[int, ...]

    @property
    def total_ms(self) -> float:
        """Return when the last piece is due, in milliseconds."""
        return self.due_ms[-1] if self.due_ms else 0.0


@dataclass(frozen=True)
class Playhead:
    """The state of a replay.

    Attributes:
        track: What is played.
        position: How many pieces are shown.
        moment_ms: The time in the session at `since`, in milliseconds.
        since: The clock's time of the last change, in seconds.
        playing: True if time passes.
        speed: 1 for the session's own pace, 2 for twice as fast.
    """

    track: CueTrack
    position: int = 0
    moment_ms: float = 0.0
    since: float = 0.0
    playing: bool = False
    speed: float = 1.0

    @property
    def at_end(self) -> bool:
        """Return True if all pieces are shown."""
        return self.position == len(self.track.pieces)


def cue_track(cues: Iterable[Cue]) -> CueTrack:
    """Return the track of a session's cues."""
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
    """Yield the indexes of cues with which the speaker changes between user and assistant."""
    floor: str | None = None
    heard: set[str] = set()
    for place, cue in enumerate(cues):
        if cue.speaker not in ("user", "assistant") or cue.kind == "interrupted":
            continue
        # A transcript that comes late, and an answer that goes on after it, begin no turn.
        if cue.speaker != floor and cue.id not in heard:
            yield place
            floor = cue.speaker
        if cue.id is not None:
            heard.add(cue.id)


def _is_error(cue: Cue) -> bool:
    ended = cue.kind == "response_ended" and not cue.text.startswith("cancelled")
    return ended or cue.kind in ("error", "unreadable")


def _interruptions(cues: Iterable[Cue]) -> Iterator[int]:
    """Yield the indexes of cues that cut an answer off. Two cues for one answer count once."""
    told = False
    for place, cue in enumerate(cues):
        if cue.kind in ("interrupted", "truncated"):
            if not told:
                yield place
            told = True
        elif cue.kind in ("saying", "said") and cue.speaker == "assistant":
            told = False


def start(played: CueTrack, now: float, speed: float = 1.0) -> Playhead:
    """Return a playhead at the beginning: it plays, or stands at the first piece without times."""
    if not played.timed:
        return Playhead(played, position=min(1, len(played.pieces)), since=now, speed=speed)
    return advance(Playhead(played, since=now, playing=True, speed=speed), now)


def advance(head: Playhead, now: float) -> Playhead:
    """Let the time until `now` pass, and show the pieces that are due. At the end it stops."""
    if not head.playing:
        return replace(head, since=now)
    moment = head.moment_ms + max(0.0, now - head.since) * 1000 * head.speed
    position = max(head.position, bisect_right(head.track.due_ms, moment))
    ended = position == len(head.track.pieces)
    moment = min(moment, head.track.total_ms)
    return replace(head, position=position, moment_ms=moment, since=now, playing=not ended)


def due_in(head: Playhead) -> float | None:
    """Return the seconds from `head.since` until the next piece is due, or None if it stands."""
    if not head.playing or head.at_end:
        return None
    return max(0.0, head.track.due_ms[head.position] - head.moment_ms) / 1000 / head.speed


def pause(head: Playhead, now: float) -> Playhead:
    """Pause the replay."""
    return replace(advance(head, now), playing=False)


def play(head: Playhead, now: float) -> Playhead:
    """Play on, or from the beginning if all was shown. Without times nothing changes."""
    head = advance(head, now)
    if not head.track.timed:
        return head
    if head.at_end:
        head = replace(head, position=0, moment_ms=0.0)
    return advance(replace(head, playing=True), now)


def toggle(head: Playhead, now: float) -> Playhead:
    """Pause if it plays, otherwise play on."""
    head = advance(head, now)
    return pause(head, now) if head.playing else play(head, now)


def step(head: Playhead, count: int, now: float) -> Playhead:
    """Pause, and go forward by `count` pieces, or back if `count` is negative."""
    head = pause(head, now)
    return _at_position(head, head.position + count)


def seek(head: Playhead, moment_ms: float, now: float) -> Playhead:
    """Go to a time, in milliseconds since the session's beginning."""
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
    """Go to the next of these indexes that is not shown yet. Return None if there is none."""
    head = advance(head, now)
    following = bisect_left(places, head.position)
    if following == len(places):
        return None
    return advance(_at_position(head, places[following] + 1), now)


def previous_turn(head: Playhead, now: float) -> Playhead:
    """Go back to the beginning of the turn; from there to the turn before, or to the start."""
    head = advance(head, now)
    turns = head.track.turns
    current = bisect_left(turns, head.position) - 1
    if current < 0:
        return advance(_at_position(head, 0), now)
    begun = _at_position(head, turns[current] + 1)
    passed = head.moment_ms - begun.moment_ms
    # While it plays, time passes between two presses of the key. So a short time after the turn's
    # beginning still counts as the beginning.
    if passed <= GRACE_MS * head.speed if head.playing else head == begun:
        current -= 1
    return advance(_at_position(head, turns[current] + 1 if current >= 0 else 0), now)


def _at_position(head: Playhead, position: int) -> Playhead:
    position = min(max(0, position), len(head.track.pieces))
    moment = head.track.due_ms[position - 1] if position else 0.0
    return replace(head, position=position, moment_ms=moment)


def _at_speed(head: Playhead, factor: float) -> Playhead:
    speed = head.speed * factor
    # A speed that was given at the start may be beyond the limits. It may change only towards them.
    allowed = speed <= max(FASTEST, head.speed) and speed >= min(SLOWEST, head.speed)
    return replace(head, speed=speed) if allowed else head
