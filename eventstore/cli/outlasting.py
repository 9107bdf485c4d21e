"""Go on while the database is away. Called by commands that run until they are stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from eventstore.cli.terminal.output import say
from eventstore.errors import ClosedError, DatabaseUnavailableError, ForkError, MissingKeyError
from eventstore.store.database.outages import is_outage

#: Seconds between two tries, at most.
LONGEST = 30.0


class Outlasting:
    """Notes that the database is away, and says how long to wait until it is tried again.

    Args:
        stop: is set when the command shall end.
        interval: seconds between two looks while all is well.
    """

    def __init__(self, stop: Event, interval: float) -> None:
        self._stop, self._interval, self._pause = stop, interval, 0.0

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Take the errors of a database that is away; tell the first, and that it is back."""
        try:
            yield
        except (MissingKeyError, ClosedError, ForkError):
            raise
        except DatabaseUnavailableError as error:
            if not is_outage(error):
                raise
            if not self._pause:
                say(f"{error}; trying again until it is back")
            self._pause = min(max(2 * self._pause, self._interval), LONGEST)
        else:
            if self._pause and not self._stop.is_set():
                say("The database is back.")
            self._pause = 0.0

    def wait(self) -> bool:
        """Wait until the next look is due; return True if the command shall end instead."""
        return self._stop.wait(self._pause or self._interval)


def run(once: Callable[[], None], stop: Event, interval: float) -> None:
    """Do something again and again until it is stopped, also where the database goes away."""
    outlasting = Outlasting(stop, interval)
    while True:
        with outlasting.trying():
            once()
        if outlasting.wait():
            return
