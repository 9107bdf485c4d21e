"""Which errors are of the whole database, and which of the one thing that was being done."""

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

#: SQLite's codes of what every other statement would meet too: busy, locked, readonly, ioerr, full,
#: cantopen, protocol, notadb.
_SQLITE_WIDE = frozenset({5, 6, 8, 10, 13, 14, 15, 26})
#: PostgreSQL's errors that are of one statement, though their class is that of outages.
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
    """Return True if an error is of the whole database, so that work on the rest would fail too.

    A database that is away, full or locked is; a row that it refuses, a session whose key is
    missing, or a statement that is too large for it is not.
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
    """Do one of several things, so that the others go on where it fails.

    Args:
        name: of what it is done with, for people, such as `session sess_123`.
        work: does it.

    Returns:
        What it gives, or why it failed.

    Raises:
        EventStoreError: the whole database is away, full or locked: the others would fail as well.
    """
    try:
        return work()
    except Exception as error:
        if is_outage(error):
            raise
        return as_store_error(name, error)
