"""Run a transaction again that PostgreSQL ended because it stood in the way of another one.

PostgreSQL ends one of two transactions that wait for each other (SQLSTATE 40P01), and, above the
isolation level that it has by default, one of two that changed the same row (40001). Nothing of the
transaction is written then, and it succeeds if it is run again as a whole. Called by whatever
writes to the log or the read models: store/sessions/, store/usage/ and archive/.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError
from eventstore.store.database.transaction import Transaction, write

Result = TypeVar("Result")

_CONFLICTS = frozenset({"40001", "40P01"})
#: The pauses before each further attempt, in seconds. Each is varied at random, so that two
#: transactions that stood in each other's way do not meet again.
_PAUSES = (0.01, 0.03, 0.1, 0.3)


def retried(work: Callable[[], Result], may_repeat: Callable[[], bool] | None = None) -> Result:
    """Call a function, and call it again if its transaction stood in the way of another one.

    Args:
        work: The function. It runs a whole transaction, or several that may be run again.
        may_repeat: Returns False if the function cannot be called again. By default it can.

    Raises:
        DatabaseUnavailableError: The function raised it, and calling it again a few times did not
            help.
    """
    for pause in _PAUSES:
        try:
            return work()
        except DatabaseUnavailableError as error:
            if not _is_conflict(error) or (may_repeat is not None and not may_repeat()):
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 (nothing to guess)
    return work()


def write_retried(engine: Engine, work: Callable[[Transaction], Result]) -> Result:
    """Call a function within a writing transaction, and again as `retried` does."""

    def in_transaction() -> Result:
        with write(engine) as tx:
            return work(tx)

    return retried(in_transaction)


def run_retried(engine: Engine, sql: str, parameters: Sequence[Any]) -> int:
    """Run one statement that writes, as `write_retried` does; return how many rows it changed."""
    return write_retried(engine, lambda tx: tx.run(sql, parameters))


def _is_conflict(error: BaseException) -> bool:
    """Return True if a transaction was ended because it stood in the way of another one."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "sqlstate", None) in _CONFLICTS:
            return True
        cause = cause.__cause__
    return False
