"""Translate errors of the database drivers to one line that says what to do.

transaction.py and everything else that calls a driver uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from eventstore.brief import brief
from eventstore.errors import (
    DatabaseUnavailableError,
    EventStoreError,
    InvalidInputError,
    TimeLimitError,
)
from eventstore.store.database.connections.drivers import driver_errors, error_classes
from eventstore.store.database.connections.undecodable import DECODE_ERROR

_NO_VERSION = "Could not determine version from string "


@contextmanager
def connecting() -> Iterator[None]:
    """Translate the error for another database that speaks PostgreSQL's protocol.

    SQLAlchemy asks the server for its version when the first connection is opened in the block. It
    raises an AssertionError if the answer is not that of PostgreSQL.
    """
    try:
        yield
    except AssertionError as error:
        if not str(error).startswith(_NO_VERSION):
            raise
        told = str(error).removeprefix(_NO_VERSION).strip("'")
        raise InvalidInputError(
            f"no support for this database, {brief(told)}; use PostgreSQL or SQLite"
        ) from error


@contextmanager
def translated() -> Iterator[None]:
    """Translate the drivers' errors that the block raises; see `unavailable`."""
    try:
        yield
    except EventStoreError:
        raise
    except driver_errors(SQLAlchemyError) as error:
        raise unavailable(error) from error


def raise_translated(error: BaseException) -> None:
    """Raise what an error of a driver, or of its refusal of a value, means for the caller.

    Nothing is raised for any other error.

    Raises:
        InvalidInputError: The driver refused a value.
        DatabaseUnavailableError: The database failed; see `unavailable`.
    """
    if _is_refusal(error):
        raise InvalidInputError(_REFUSAL) from error
    if isinstance(error, driver_errors()):
        raise unavailable(error) from error


def unavailable(error: BaseException) -> DatabaseUnavailableError:
    """Return the DatabaseUnavailableError to raise for an error of a driver or of SQLAlchemy.

    The result is a TimeLimitError if the query was stopped because of its time limit.
    """
    if isinstance(error, DBAPIError):
        error = error.orig or error
    message = _message(error)
    if isinstance(error, error_classes("QueryCanceled")) or message == "interrupted":
        return TimeLimitError("it takes too long; narrow it by metadata, session or time")
    for sign, advice in _ADVICE:
        if sign in message:
            return DatabaseUnavailableError(f"the database failed: {message}; {advice}")
    return DatabaseUnavailableError(f"the database failed: {message}")


_REFUSAL = (
    "a value that was given is none that a database keeps: it holds a NUL character or half a"
    " character, or is too large a number"
)


def _is_refusal(error: BaseException) -> bool:
    """Return True if the driver refused a parameter because of its value.

    A retry would then fail again. psycopg raises a DataError, and sqlite3 the errors of Python's
    own conversions.
    """
    if isinstance(error, OverflowError):
        return "SQLite" in str(error)
    return isinstance(error, error_classes(UnicodeEncodeError, "DataError"))


def is_server_away(error: BaseException) -> bool:
    """Return True if an error says that PostgreSQL ended, or that a connection to it broke.

    PostgreSQL also raises its operational errors for a single transaction: for a deadlock (40P01),
    for example, or a lock that was not given (55P03). Then the server and all connections are well.
    """
    if not isinstance(error, error_classes("OperationalError")):
        return False
    sqlstate = getattr(error, "sqlstate", None)  # None if the driver itself found it out
    return sqlstate is None or sqlstate.startswith("08") or sqlstate in _ENDING


#: SQLSTATEs of a server that ends, has crashed or starts, and of a database that was dropped.
_ENDING = frozenset({"57P01", "57P02", "57P03", "57P04"})


def _message(error: BaseException) -> str:
    """Return a driver's message without the values of rows that PostgreSQL adds."""
    if isinstance(error, error_classes("DataError")):
        sqlstate = getattr(error, "sqlstate", None)
        return f"it refuses a value: {type(error).__name__} (SQLSTATE {sqlstate})"
    if str(error).startswith(DECODE_ERROR):
        return DECODE_ERROR  # The rest of the message may be what somebody said.
    diagnosis = getattr(error, "diag", None)  # psycopg's errors have one
    primary = diagnosis.message_primary if diagnosis is not None else None
    return " ".join((primary or str(error)).split()) or type(error).__name__


_ADVICE = (
    ("deadlock", "nothing was written; try again"),
    ("could not serialize", "nothing was written; try again"),
    ("statement pooling", "set pool_mode = transaction for this database in pgbouncer"),
    ("prepared statement", "behind a pooler, put prepare_threshold=none into the URL"),
    ("full", "nothing was written; free some space and try again"),
    ("No space left", "nothing was written; free some space and try again"),
    ("disk I/O error", "nothing was written; check the disk and try again"),
    ("readonly", "the file or its folder cannot be written"),
    ("unable to open", "check the path, and that its folder exists and can be written"),
    ("not a database", "the file is no SQLite database; name another"),
    ("lock timeout", "another process or thread uses the table; try again"),
    ("locked", "another process or thread holds it; try again"),
    ("connection", "check that the server runs and the URL is right"),
    ("no such table", "run: eventstore init"),
    ("does not exist", "check the URL, or run: eventstore init"),
)
