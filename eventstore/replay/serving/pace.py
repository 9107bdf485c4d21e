"""When a recorded frame is due in a connection of now. Pure: clocks are numbers."""

from __future__ import annotations

from eventstore.errors import InvalidInputError

#: Seconds that a client may stay behind the end of a recording whose client closed, by default.
LINGER = 600.0


#: Names of paces; others are numbers.
INSTANT, RECORDED = "instant", "recorded"
_FASTEST = 1000.0


def speed_of(pace: str | float) -> float | None:
    """Return how many times as fast as recorded a pace is; None for at once.

    Args:
        pace: `instant`, `recorded`, or a number over 0, up to 1000.

    Raises:
        InvalidInputError: it is none of these.
    """
    if pace in (INSTANT, RECORDED):
        return None if pace == INSTANT else 1.0
    try:
        speed = float(pace)
    except (TypeError, ValueError):
        speed = 0.0
    if not 0 < speed <= _FASTEST:
        told = (
            f"pace {str(pace)[:40]!r}: use {INSTANT}, {RECORDED}, or a number up to {_FASTEST:.0f}"
        )
        raise InvalidInputError(told)
    return speed


class Pace:
    """Maps the recording's times to this connection's, in seconds of its own clock.

    What answers a client's frame is due as long after it as it was then. What follows keeps its
    distance to what came before.

    Args:
        speed: 2 for twice as fast; None for at once.
        now: the connection's clock at its start.
    """

    def __init__(self, speed: float | None, now: float) -> None:
        self._speed = speed
        self._here = now
        self._there: int | None = None
        self._answers = False

    def due(self, at: int | None, now: float) -> float:
        """When a frame that was recorded `at` is to be sent; `now` where that is past or unknown.

        Args:
            at: in microseconds since 1970 UTC.
            now: the connection's clock.
        """
        if self._speed is None or at is None:
            return now
        if self._there is None:
            self._here, self._there = now, at
        due = self._here + (at - self._there) / 1e6 / self._speed
        if self._answers and due < now:
            # The client was early: what follows is not to be hurried for it.
            self._here, self._there = now, at
        self._answers = False
        return max(now, due)

    def delayed(self, seconds: float) -> None:
        """Something held the server up: what follows keeps its distance to it."""
        self._here += seconds

    def answered(self, at: int | None, arrived: float, now: float) -> None:
        """A client's frame that was recorded `at` has arrived: count from there.

        Args:
            at: in microseconds since 1970 UTC; None counts from the next frame on.
            arrived: the connection's clock when it came.
            now: the clock when the frames before it were sent.
        """
        if at is None:
            self._here, self._there = now, None
        else:
            self._here, self._there, self._answers = arrived, at, True
