"""What the package logs, as lines for people: a command prints nothing raw that came from outside.

Without a handler, Python itself would print a log's lines as they are; they may hold a name out of
a file or a database, and so what steers a terminal. Called by main.py, for every command.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from eventstore.cli.terminal.output import say


class _Said(logging.Handler):
    """Prints what is logged on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # who read along may have gone
            say(record.getMessage())


_SAID = _Said()


def say_what_is_logged() -> None:
    """Print what the package logs from now on; calling it again does nothing."""
    logging.getLogger("eventstore").addHandler(_SAID)
