"""The clock that gives the frames of one recorded session their arrival times.

The wall clock can be set back, or jump, in the middle of a call. So an `ArrivalClock` reads the
wall clock once, when the session begins, and counts by a monotonic clock from there on. It
reports jumps of the wall clock, so that the log can say why its times differ from those of other
logs. Each `SessionRecorder` and `RemoteSession` has one; a sideband reads it too.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from eventstore.times import now as wall_now

#: Microseconds: a smaller difference is not a jump, because operating systems steer clocks by less.
_JUMP_US = 1_000_000
#: Microseconds from one comparison with the wall clock to the next.
_COMPARE_US = 1_000_000
#: How many jumps of one session are reported at most.
_MOST_REPORTED = 10


class ArrivalClock:
    """Give the arrival times of one session, which never go back.

    Args:
        wall: Returns the wall clock's time in microseconds since 1970 UTC.
        steady: Returns the time of a monotonic clock in nanoseconds.
    """

    __slots__ = ("_ahead", "_began", "_compare_at", "_reported", "_steady", "_steady_zero", "_wall")

    def __init__(
        self,
        wall: Callable[[], int] = wall_now,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._began, self._steady_zero = wall(), steady()
        self._ahead = self._reported = 0
        self._compare_at = self._began + _COMPARE_US

    def now(self) -> int:
        """Return the time in microseconds since 1970 UTC; it never goes back."""
        return self._began + (self._steady() - self._steady_zero) // 1000

    def arrival(self, note_jump: Callable[[int, int], None]) -> int:
        """Return the time of a frame that arrives now, after it has reported a jump.

        Args:
            note_jump: Called with a jump of the wall clock, in microseconds, and the time.
        """
        at = self.now()
        jump = self.jumped(at)
        if jump is not None:
            note_jump(jump, at)
        return at

    def jumped(self, at: int) -> int | None:
        """Return how far the wall clock has jumped; it is compared at most once a second.

        Args:
            at: What `now` returned.

        Returns:
            Microseconds since the last jump that was reported: positive if the wall clock was set
            forward, negative if back. None if there was no jump, or enough were reported.
        """
        if at < self._compare_at:
            return None
        self._compare_at = at + _COMPARE_US
        ahead = self._wall() - at
        jump = ahead - self._ahead
        if abs(jump) < _JUMP_US or self._reported >= _MOST_REPORTED:
            return None
        self._ahead = ahead
        self._reported += 1
        return jump
