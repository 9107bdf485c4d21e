"""Prints the package's log records on standard error, without control characters.

Without a handler, Python itself would print log records as they are. They may contain a name from a
file or a database, and so control sequences for a terminal. Called by `main.py` for every command.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from eventstore.cli.terminal.output import say


class _Said(logging.Handler):
    """Prints log records on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # the reader of a pipe may be gone
            say(record.getMessage())


_SAID = _Said()


def say_what_is_logged() -> None:
    """Print the package's log records from now on. A second call does nothing."""
    logging.getLogger("eventstore").addHandler(_SAID)
