"""Limit how long the queries of a transaction may take. Called by transaction.py."""

from __future__ import annotations

import time
from typing import Any

# How many steps SQLite's virtual machine makes between two looks at the clock: about a millisecond.
_STEPS = 20_000


def limit_time(connection: Any, begin: str | None, seconds: float, postgresql: bool) -> str | None:
    """Limit the time of the transaction that begins, and return the statement that begins it.

    Args:
        connection: The driver's connection. For SQLite, it stops queries when the time is over.
        begin: The statement that would begin the transaction without a limit.
        seconds: How long: on SQLite for the transaction, on PostgreSQL for each of its statements.
        postgresql: True if the database is PostgreSQL.
    """
    if postgresql:
        return f"{begin}; SET LOCAL statement_timeout = {max(1, int(seconds * 1000))}"
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    return begin
