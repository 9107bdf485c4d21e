"""Seconds on a call's clock from arrivals that may be missing, out of order or absurd."""

from __future__ import annotations

from eventstore.realtime.session_clock import LONGEST_PAUSE_US, SessionClock

#: A time without any event that is longer counts as this long, in seconds: no session outlives it.
LONGEST_PAUSE = LONGEST_PAUSE_US / 1e6
#: Where the clock stops, in seconds.
LONGEST_CALL = 86_400.0


class CallClock:
    """Counts from the first event whose arrival is known, as `SessionClock` does.

    Attributes:
        now: the latest moment, in seconds.
        shortened: seconds that were left out of pauses.
    """

    def __init__(self) -> None:
        self._clock = SessionClock()
        self.now = 0.0
        self.shortened = 0.0

    @property
    def timed(self) -> bool:
        """Whether any arrival is known."""
        return self._clock.timed

    def moment(self, at: int | None) -> float:
        """An event's moment in seconds; that of the event before where its arrival is unknown.

        Args:
            at: its arrival in microseconds since 1970. Events must come in the log's order.
        """
        before = self._clock.shift
        moment = self._clock.moment(at) / 1e6
        self.shortened += max(0, before - self._clock.shift) / 1e6
        self.now = min(moment, LONGEST_CALL)
        return self.now
