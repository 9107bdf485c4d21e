"""How much time has passed in a session, by the arrivals of its events.

Arrivals are times of a wall clock, which may be set back or jump in the middle of a call, and
recorders put events out of order by a little. The order of the events is certain; their times are
not. Whatever measures time within a session (its length, `--at +2`, the pace of a replay, the
sound's time line) counts by the order first: time never goes back, and a pause stays a pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: A time without any event that is longer counts as this long: no session outlives it.
LONGEST_PAUSE_US = 3_600_000_000
#: Recorders put events out of order by less than this; more is a clock that was set back.
DISORDER_US = 1_000_000


def correction(step: int) -> int:
    """Return what to add to the arrivals from an event on, in microseconds.

    Args:
        step: the event's arrival less that of the event before it, in microseconds.

    Returns:
        0 for a step that a call can take; else what makes up for a clock that was set back, or
        shortens a pause that no session outlives. What passed while the clock was set back is not
        known, and counts as no time.
    """
    if step < -DISORDER_US:
        return -step
    return min(0, LONGEST_PAUSE_US - step)


class SessionClock:
    """Counts the time that has passed since the first event whose arrival is known.

    Attributes:
        timed: whether any arrival is known.
        now: the time that has passed, in microseconds; never falls.
        shift: what is added to arrivals now, in microseconds, since clocks jumped.
    """

    __slots__ = ("_last", "_zero", "now", "shift", "timed")

    def __init__(self) -> None:
        self.timed = False
        self.now = self.shift = 0
        self._zero = self._last = 0

    def moment(self, at: int | None) -> int:
        """Take in the next event, in the log's order.

        Args:
            at: its arrival in microseconds since 1970 UTC; None where it is unknown.

        Returns:
            The time that has passed, in microseconds; that of the event before where the arrival
            is unknown.
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
        """Take in the next event; its arrival as a clock that never jumps would have told it."""
        if at is None:
            return None
        moment = self.moment(at)
        return self._zero + moment


def offsets(arrivals: Iterable[int | None]) -> Iterator[int | None]:
    """The time that has passed at each event of a session, in microseconds; it never falls.

    Args:
        arrivals: of all events in the log's order, in microseconds since 1970 UTC; None for those
            that are unknown.

    Returns:
        For each event the time since the first known arrival; None before that.
    """
    clock = SessionClock()
    for at in arrivals:
        moment = clock.moment(at)
        yield moment if clock.timed else None
