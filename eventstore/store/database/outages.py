"""Tell errors of the whole database from errors of the one session that is being worked on.

Whatever works through several sessions uses `attempt` for each of them: capture/, archive/,
exports/, the commands, and the workers that project and price.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

from eventstore.common.unforeseen import as_store_error
from eventstore.errors import (
    ClosedError,
    DatabaseUnavailableError,
    EventStoreError,
    ForkError,
    MissingSessionKeyError,
    SchemaError,
    StorageUnavailableError,
    TimeLimitError,
)
from eventstore.store.database.connections.drivers import driver_errors, error_classes

Result = TypeVar("Result")

#: SQLite's error codes that every other statement would meet as well: busy, locked, readonly,
#: ioerr, full, cantopen, protocol, notadb.
_SQLITE_WIDE = frozenset({5, 6, 8, 10, 13, 14, 15, 26})
#: PostgreSQL's errors of a single statement, in classes that otherwise mean an outage.
_POSTGRES_OWN = (
    "ProgramLimitExceeded",
    "StatementTooComplex",
    "TooManyColumns",
    "QueryCanceled",
    "DeadlockDetected",
    "SerializationFailure",
    "LockNotAvailable",
    "DataCorrupted",
    "IndexCorrupted",
)
_POSTGRES_WIDE = ("OperationalError", "InterfaceError", "InternalError")


def is_outage(error: BaseException) -> bool:
    """Return True if an error is of the whole database, so that all other work would fail too.

    Examples of outages are a database that is away, full or locked. A row that the database
    refuses, a session without its key, or a statement that is too large is not an outage.
    """
    if isinstance(error, SchemaError | ClosedError | ForkError):
        return True
    if isinstance(error, TimeLimitError | MissingSessionKeyError | StorageUnavailableError):
        return False
    if not isinstance(error, DatabaseUnavailableError):
        return False
    for cause in _causes(error):
        if isinstance(cause, sqlite3.Error):
            return (getattr(cause, "sqlite_errorcode", 0) & 0xFF) in _SQLITE_WIDE
        if isinstance(cause, driver_errors()):
            wide, own = error_classes(*_POSTGRES_WIDE), error_classes(*_POSTGRES_OWN)
            return isinstance(cause, wide) and not isinstance(cause, own)
    return True


def _causes(error: BaseException) -> Iterator[BaseException]:
    while error.__cause__ is not None:
        error = error.__cause__
        yield error


def attempt(name: str, work: Callable[[], Result]) -> Result | EventStoreError:
    """Call a function for one of several things, and return its error instead of raising it.

    Args:
        name: What the function works on, for people, such as `session sess_123`.
        work: The function.

    Returns:
        What the function returns, or the error that it raised.

    Raises:
        EventStoreError: The whole database is away, full or locked; the other things would fail
            too.
    """
    try:
        return work()
    except Exception as error:
        if is_outage(error):
            raise
        return as_store_error(name, error)
