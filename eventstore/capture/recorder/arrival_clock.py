"""The clock that the frames of one recorded session are stamped by.

The wall clock may be set back, or jump, in the middle of a call. So it is looked at once, when the
session begins; from there on a monotonic clock counts. A jump of the wall clock against it is told,
so that the log can say why its times differ from those of other logs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from eventstore.times import now as wall_now

#: A difference that is no jump: clocks are steered by less than this, in microseconds.
_JUMP_US = 1_000_000
#: How often the wall clock is looked at, in microseconds.
_LOOK_US = 1_000_000
#: How many jumps of one session are told at most.
_MOST_TOLD = 10


class ArrivalClock:
    """Tells the times of one session.

    Args:
        wall: gives the wall clock's time, in microseconds since 1970 UTC.
        steady: gives the time of a clock that never jumps, in nanoseconds.
    """

    __slots__ = ("_ahead", "_began", "_look_at", "_steady", "_told", "_wall", "_zero")

    def __init__(
        self,
        wall: Callable[[], int] = wall_now,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._began, self._zero = wall(), steady()
        self._ahead = self._told = 0
        self._look_at = self._began + _LOOK_US

    def now(self) -> int:
        """The time, in microseconds since 1970 UTC; it never goes back."""
        return self._began + (self._steady() - self._zero) // 1000

    def jumped(self, at: int) -> int | None:
        """Look, once a second, whether the wall clock has jumped.

        Args:
            at: what `now` told.

        Returns:
            By how much, in microseconds, since the last jump that was told; None for no jump.
        """
        if at < self._look_at:
            return None
        self._look_at = at + _LOOK_US
        ahead = self._wall() - at
        jump = ahead - self._ahead
        if abs(jump) < _JUMP_US or self._told >= _MOST_TOLD:
            return None
        self._ahead = ahead
        self._told += 1
        return jump
