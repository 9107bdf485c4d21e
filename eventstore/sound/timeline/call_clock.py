"""Count the seconds of a call from arrival times that may be missing, out of order or absurd.

Used by session_sound.py.
"""

from __future__ import annotations

from eventstore.realtime.session_clock import LONGEST_PAUSE_US, SessionClock

#: The longest time between two events, in seconds. A longer one counts as this long, since no
#: session lasts longer.
LONGEST_PAUSE = LONGEST_PAUSE_US / 1e6
#: The clock stops here, in seconds.
LONGEST_CALL = 86_400.0


class CallClock:
    """Counts seconds from the first event whose arrival is known, as `SessionClock` does.

    Attributes:
        now: The time of the latest event, in seconds.
        shortened: How many seconds were left out of pauses that were too long.
    """

    def __init__(self) -> None:
        self._clock = SessionClock()
        self.now = 0.0
        self.shortened = 0.0

    @property
    def timed(self) -> bool:
        """Return True if the arrival of any event is known."""
        return self._clock.timed

    def moment(self, at: int | None) -> float:
        """Return the time of the next event, in seconds on the call's clock.

        An event without an arrival time gets the time of the event before it.

        Args:
            at: The event's arrival, in microseconds since 1970 UTC. Events must be given in the
                order of the log.
        """
        before = self._clock.shift
        moment = self._clock.moment(at) / 1e6
        self.shortened += max(0, before - self._clock.shift) / 1e6
        self.now = min(moment, LONGEST_CALL)
        return self.now
