"""Tell where the events of a Live session lie on its own timeline. Pure.

The server tells it of speech, of context and of delegations. Other events lie as long after the
last one that was told as they arrived after it. Called by the cues of a replay, and by queries of a
session's state at a moment.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.live.live_items import place_on_timeline, span_of
from eventstore.realtime.session_clock import SessionClock

#: Types whose place on the timeline the server tells.
PLACED_TYPES = frozenset(
    {
        "session.input_transcript.delta",
        "session.output_transcript.delta",
        "session.instructions.appended",
        "session.thinking.appended",
        "session.commentary.appended",
        "session.delegation.created",
    }
)
STARTED = "session.started"


class LiveClock:
    """Counts the milliseconds since the beginning of a Live session's timeline.

    Attributes:
        started: True if the timeline has begun.
        placed: True if the server told where the last event lies.
        now: Where the last event begins, in milliseconds; 0 before the timeline has begun.
    """

    __slots__ = ("_arrivals", "_end", "_since", "now", "placed", "started")

    def __init__(self) -> None:
        self._arrivals = SessionClock()
        self._end, self._since = 0.0, 0
        self.now = 0.0
        self.started = self.placed = False

    def moment(self, at: int | None, type_: str, body: dict[str, Any] | None) -> float:
        """Advance the clock to the next event of the log, and return where it begins.

        Args:
            at: When the event arrived, in microseconds since 1970 UTC, or None if unknown.
            type_: The event's type.
            body: The parsed event; it is only read for `PLACED_TYPES`.
        """
        arrival = self._arrivals.moment(at)
        start, end = _place(type_, body or {})
        self.placed = start is not None
        if start is not None:
            self.started, self.now = True, float(start)
            self._end, self._since = float(start if end is None else end), arrival
        elif type_ == STARTED and not self.started:
            self.started, self.now = True, 0.0
            self._end, self._since = 0.0, arrival
        elif self.started:
            self.now = max(self.now, self._end + (arrival - self._since) / 1000)
        return self.now

    def later(self, ms: float) -> float:
        """Return where on the timeline it is so many milliseconds after the last event came."""
        return max(self.now, self._end) + ms


def _place(type_: str, body: dict[str, Any]) -> tuple[int | None, int | None]:
    if type_ not in PLACED_TYPES:
        return None, None
    if type_ == "session.delegation.created":
        return place_on_timeline(body.get("offset_ms")), None
    return span_of(body)
