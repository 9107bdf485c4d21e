"""Retries work while the database is away, with growing pauses.

Called by the command `project --follow`, which runs until it is stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event

from eventstore.cli.terminal.output import say
from eventstore.errors import ClosedError, DatabaseUnavailableError, ForkError, MissingKeyError
from eventstore.store.database.outages import is_outage

#: The longest pause between two tries, in seconds.
LONGEST = 30.0


class Outlasting:
    """Notes outages of the database, and waits until the next try is due.

    Args:
        stop: Is set when the command must end.
        interval: Seconds between two rounds of work while the database answers.
    """

    def __init__(self, stop: Event, interval: float) -> None:
        self._stop, self._interval, self._pause = stop, interval, 0.0

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Catch errors of a database that is away, and print when an outage begins and ends."""
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
        """Wait until the next try is due, and return True if the command must end instead."""
        return self._stop.wait(self._pause or self._interval)


def run(once: Callable[[], None], stop: Event, interval: float) -> None:
    """Call a function again and again until `stop` is set, also through outages.

    Args:
        once: One round of work.
        stop: Is set when the command must end.
        interval: Seconds between two rounds.
    """
    outlasting = Outlasting(stop, interval)
    while True:
        with outlasting.trying():
            once()
        if outlasting.wait():
            return
