"""Define a cue, and put cues into the order of their times. Called by cues.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Literal, NamedTuple

CueKind = Literal[
    "opened",
    "said",
    "saying",
    "speaking",
    "tool_call",
    "tool_result",
    "interrupted",
    "truncated",
    "response_ended",
    "deleted",
    "error",
    "unreadable",
    "metadata",
    "scored",
    "closed",
    "backchannel",
    "context",
    "delegation",
    "decision",
    "backend",
    "moment",
]


class Cue(NamedTuple):
    """One thing that happened in a conversation.

    Attributes:
        seq: The sequence number of the event that says so.
        at: When, in microseconds since 1970 UTC; None if that is not known.
        offset_ms: When, in milliseconds since the session's first cue with a time; in a GPT-Live
            session, on its own timeline. It never falls, unless a GPT-Live session is followed:
            then some cues come late, with the time at which it happened.
        kind: What happened. `saying` is a piece of speech as it was generated, `said` a whole turn.
            A `backchannel` comes once, and only as that. Only GPT-Live sessions have the last six
            kinds.
        speaker: `user`, `assistant`, `system` or `tool`; None for what nobody says. In GPT-Live
            sessions also `backend`, and the kind of a context.
        text: The words, or what a person should read.
        id: The id of the item or response that it is about.
        overlaps: True if the other one spoke meanwhile, in a GPT-Live session.
    """

    seq: int
    at: int | None
    offset_ms: float | None
    kind: CueKind
    speaker: str | None
    text: str
    id: str | None = None
    overlaps: bool = False


class CueOrder:
    """Puts cues of which some are told late into the order of their times.

    A cue waits until no earlier one can come. A cue that comes even later gets the time of the last
    one that was handed on, so that the times never fall.
    """

    #: How much later than its beginning a cue is told at most, in milliseconds.
    LATE_MS = 3000
    #: How many cues wait at most, such as those of a recording in which no time passes.
    MOST = 10_000

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Cue]] = []
        self._number = 0
        self._last = self._handed_on = 0.0

    def after(self, cues: Iterable[Cue], now_ms: float) -> Iterator[Cue]:
        """Take cues, and yield those that are due at a moment of the session."""
        for cue in cues:
            # A cue without a time stays behind the cue before it.
            self._last = self._last if cue.offset_ms is None else cue.offset_ms
            self._number += 1
            heappush(self._waiting, (self._last, self._number, cue))
        while self._waiting and (
            self._waiting[0][0] <= now_ms - self.LATE_MS or len(self._waiting) > self.MOST
        ):
            yield self._first()

    def rest(self) -> Iterator[Cue]:
        """Yield the cues that still wait."""
        while self._waiting:
            yield self._first()

    def _first(self) -> Cue:
        cue = heappop(self._waiting)[2]
        if cue.offset_ms is not None:
            self._handed_on = max(self._handed_on, cue.offset_ms)
            cue = cue._replace(offset_ms=self._handed_on)
        return cue
