"""Compute when a recorded frame is due in this connection. Pure: clocks are numbers.

Called by connection.py; the pace itself is read by cassette.py and the command `replay --serve`.
"""

from __future__ import annotations

from eventstore.errors import InvalidInputError

#: By default, how long a client may stay after the end of a recording whose client closed the
#: connection itself. In seconds.
MAX_LINGER = 600.0


#: The paces that have a name. Other paces are numbers.
INSTANT, RECORDED = "instant", "recorded"
_FASTEST = 1000.0


def speed_of(pace: str | float) -> float | None:
    """Return how many times as fast as recorded a pace is, or None for at once.

    Args:
        pace: `instant`, `recorded`, or a number over 0 and up to 1000.

    Raises:
        InvalidInputError: The pace is none of these.
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
    """Maps the times of a recording to times of this connection, in seconds of its own clock.

    An answer is due as long after the client's frame as it was in the recording. Each further frame
    keeps its distance to the frame before it.

    Args:
        speed: 2 for twice as fast; None for at once.
        now: The connection's clock at its start.
    """

    def __init__(self, speed: float | None, now: float) -> None:
        self._speed = speed
        self._here = now
        self._there: int | None = None
        self._answers = False

    def due(self, at: int | None, now: float) -> float:
        """Return when a recorded frame is to be sent, by the connection's clock.

        Args:
            at: When it was recorded, in microseconds since 1970 UTC. None returns `now`.
            now: The connection's clock. A time before it is not returned.
        """
        if self._speed is None or at is None:
            return now
        if self._there is None:
            self._here, self._there = now, at
        due = self._here + (at - self._there) / 1e6 / self._speed
        if self._answers and due < now:
            # The client sent its frame so early that the answer is overdue. The frames after it
            # keep their recorded distance, and are not sent faster to catch up.
            self._here, self._there = now, at
        self._answers = False
        return max(now, due)

    def delayed(self, seconds: float) -> None:
        """Move all further frames by a delay of the server, in seconds."""
        self._here += seconds

    def answered(self, at: int | None, arrived: float, now: float) -> None:
        """Count time from the arrival of a client's frame.

        Args:
            at: When the frame was recorded, in microseconds since 1970 UTC. None counts from the
                next frame.
            arrived: The connection's clock when the frame arrived.
            now: The connection's clock when the frames before it were sent.
        """
        if at is None:
            self._here, self._there = now, None
        else:
            self._here, self._there, self._answers = arrived, at, True
