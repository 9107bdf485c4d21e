"""Seconds on a call's clock from arrivals that may be missing, out of order or absurd."""

from __future__ import annotations

#: A time without any event that is longer counts as this long, in seconds: no session outlives it.
LONGEST_PAUSE = 3600.0
#: Where the clock stops, in seconds.
LONGEST_CALL = 86_400.0
#: Recorders put events out of order by less than this; more is a clock that was set back.
_DISORDER = 10.0


class CallClock:
    """Counts from the first event whose arrival is known.

    Attributes:
        timed: whether any arrival is known.
        now: the latest moment, in seconds.
        shortened: seconds that were left out of pauses.
    """

    def __init__(self) -> None:
        self.timed = False
        self.now = 0.0
        self.shortened = 0.0
        self._zero = self._last = 0

    def moment(self, at: int | None) -> float:
        """An event's moment in seconds; that of the event before where its arrival is unknown.

        Args:
            at: its arrival in microseconds since 1970. Events must come in the log's order.
        """
        if at is None:
            return self.now
        if not self.timed:
            self.timed, self._zero, self._last = True, at, at
        step = (at - self._last) / 1e6
        if step < -_DISORDER:
            self._zero += at - self._last
        elif step > LONGEST_PAUSE:
            surplus = at - self._last - round(LONGEST_PAUSE * 1e6)
            self._zero += surplus
            self.shortened += surplus / 1e6
        self._last = at
        self.now = min(max(0.0, (at - self._zero) / 1e6), LONGEST_CALL)
        return self.now
