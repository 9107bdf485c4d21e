"""Count the time that has passed in a session, by the arrivals of its events.

Called by everything that measures time within a session: its length, `--at +2`, the pace of a
replay, the sound's time line. Arrivals are times of a wall clock, which may be set back or jump
during a call. Recorders also swap events that arrive together. The order of events is certain, but
their times are not. So this clock follows the order: its time never goes back, and a pause stays a
pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: The longest pause between two events, in microseconds. A longer one is a jump of the clock.
LONGEST_PAUSE_US = 3_600_000_000
#: How much earlier than the one before an arrival may be. More means that the clock was set back.
DISORDER_US = 1_000_000


def correction(step: int) -> int:
    """Return the microseconds to add to the arrivals from an event on, because the clock jumped.

    Args:
        step: The event's arrival minus that of the event before it, in microseconds.

    Returns:
        0 if the clock did not jump. Otherwise the correction that makes the step 0 if the clock was
        set back, or `LONGEST_PAUSE_US` if it jumped forward. The true time is unknown.
    """
    if step < -DISORDER_US:
        return -step
    return min(0, LONGEST_PAUSE_US - step)


class SessionClock:
    """Counts the time since the first event whose arrival is known.

    Attributes:
        timed: True if an arrival was known.
        now: The time that has passed, in microseconds. It never decreases.
        shift: The microseconds that are added to arrivals now, because the clock jumped.
    """

    __slots__ = ("_last", "_zero", "now", "shift", "timed")

    def __init__(self) -> None:
        self.timed = False
        self.now = self.shift = 0
        self._zero = self._last = 0

    def moment(self, at: int | None) -> int:
        """Advance the clock to the next event of the log, and return the time that has passed.

        Args:
            at: The event's arrival in microseconds since 1970 UTC, or None if unknown.

        Returns:
            Microseconds. An event without an arrival has the time of the event before it.
        """
        if at is None:
            return self.now
        if not self.timed:
            self.timed, self._zero, self._last = True, at, at
        self.shift += correction(at - self._last)
        self._last = at
        self.now = max(self.now, at + self.shift - self._zero)
        return self.now

    def steady(self, at: int | None) -> int | None:
        """Advance the clock to the next event, and return its arrival without jumps, or None."""
        if at is None:
            return None
        moment = self.moment(at)
        return self._zero + moment


def offsets(arrivals: Iterable[int | None]) -> Iterator[int | None]:
    """Yield the time that has passed at each event of a session, in microseconds.

    Args:
        arrivals: The arrivals of all events in the order of the log, in microseconds since 1970
            UTC, or None.

    Yields:
        The time since the first known arrival, which never decreases; None before that arrival.
    """
    clock = SessionClock()
    for at in arrivals:
        moment = clock.moment(at)
        yield moment if clock.timed else None
