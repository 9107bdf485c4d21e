"""Transactions on the driver's own connection: the hot path's way to the database.

SQL is written once, with `?` for parameters; PostgreSQL's driver gets `%s`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from eventstore.errors import (
    DatabaseUnavailableError,
    EventStoreError,
    InvalidInputError,
    TimeLimitError,
)

if TYPE_CHECKING:
    from eventstore.encryption.cipher import Cipher
    from eventstore.store.keys import KeyRing
    from eventstore.store.places import Places

Row = tuple[Any, ...]


class Transaction:
    """One open transaction. Use `write` or `read` to get one.

    Attributes:
        keys: of the store's sessions.
        places: where bytes outside of the database may be read.
    """

    def __init__(self, dialect: str, connection: Any, keys: KeyRing, places: Places) -> None:
        self.dialect = dialect
        self.connection = connection
        self.keys = keys
        self.places = places
        self.postgresql = dialect == "postgresql"

    def cipher(self, session_id: str) -> Cipher | None:
        """What to encrypt a session's content with: see `KeyRing.to_write`."""
        return self.keys.to_write(self, session_id)

    def decipher(self, session_id: str) -> Cipher:
        """What to decrypt a session's content with: see `KeyRing.to_read`."""
        self.keys.fit(self)
        return self.keys.to_read(session_id)

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Execute; the number of rows changed."""
        return int(self.connection.execute(self._sql(sql), parameters).rowcount)

    def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute once for each row."""
        self.connection.cursor().executemany(self._sql(sql), rows)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        found: list[Row] = self.connection.execute(self._sql(sql), parameters).fetchall()
        return found

    def rows_with_bytes(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """`rows`, with columns of bytes: PostgreSQL sends them as they are, not as text."""
        if not self.postgresql:
            return self.rows(sql, parameters)
        cursor = self.connection.execute(_percent(sql), parameters, binary=True)
        found: list[Row] = cursor.fetchall()
        return found

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """The first row of a query, None where it has none."""
        found: Row | None = self.connection.execute(self._sql(sql), parameters).fetchone()
        return found

    def _sql(self, sql: str) -> str:
        return _percent(sql) if self.postgresql else sql


@lru_cache(maxsize=1024)
def _percent(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def write(engine: Engine) -> AbstractContextManager[Transaction]:
    """A transaction that commits at the end, or rolls back where the block raises.

    Raises:
        DatabaseUnavailableError: the database is away, full, locked or read-only.
        InvalidInputError: a value that no database keeps, such as text with a NUL character.
    """
    # psycopg begins by itself, with the first statement.
    begin = None if engine.dialect.name == "postgresql" else "BEGIN IMMEDIATE"
    return _Using(engine, begin, commits=True)


def read(engine: Engine) -> AbstractContextManager[Transaction]:
    """A transaction that sees one state of the database throughout.

    Raises:
        DatabaseUnavailableError: the database is away or locked.
    """
    postgresql = engine.dialect.name == "postgresql"
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if postgresql else "BEGIN"
    return _Using(engine, begin, commits=False)


@contextmanager
def autocommit(engine: Engine) -> Iterator[Transaction]:
    """A transaction of one statement, which commits itself: PostgreSQL's shortest way.

    Raises:
        DatabaseUnavailableError: the database is away, full or read-only.
    """
    with _Using(engine, None, commits=False, ends=False) as tx:
        tx.connection.autocommit = True
        try:
            yield tx
        finally:
            tx.connection.autocommit = False


class _Using:
    """A connection for one transaction. A class, since generators cost microseconds."""

    __slots__ = ("_begin", "_commits", "_ends", "_engine", "_held", "_lock")

    def __init__(self, engine: Engine, begin: str | None, commits: bool, ends: bool = True) -> None:
        self._engine, self._begin, self._commits, self._ends = engine, begin, commits, ends

    def __enter__(self) -> Transaction:
        # A database in memory is one connection: its transactions wait for each other.
        self._lock = self._engine.get_execution_options()[LOCK]
        if self._lock is not None:
            self._lock.acquire()
        try:
            held = self._held = _take(self._engine)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        options = self._engine.get_execution_options()
        if options[TIME_LIMIT] is not None and self._engine.dialect.name == "sqlite":
            _interrupt_after(held.connection, options[TIME_LIMIT])
        if self._begin is not None:
            try:
                held.connection.execute(self._begin)
            except (sqlite3.Error, psycopg.Error) as error:
                self._give_back(error)
                raise unavailable(error) from error
        return Transaction(
            self._engine.dialect.name, held.connection, options[KEYS], options[PLACES]
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        connection = self._held.connection
        if error is None and self._commits:
            try:
                connection.commit()
            except (sqlite3.Error, psycopg.Error) as failed:
                error = failed
        if self._ends and (error is not None or not self._commits):
            # The first error is the one to tell.
            with suppress(sqlite3.Error, psycopg.Error):
                connection.rollback()
        self._give_back(error)
        if error is not None and _is_refusal(error):
            raise InvalidInputError(_REFUSAL) from error
        if error is not None and isinstance(error, sqlite3.Error | psycopg.Error):
            raise unavailable(error) from error

    def _give_back(self, error: BaseException | None) -> None:
        try:
            self._release(error)
        finally:
            if self._lock is not None:
                self._lock.release()

    def _release(self, error: BaseException | None) -> None:
        if error is None:
            resting = self._engine.get_execution_options()[RESTING]
            if len(resting) < _MAX_RESTING:
                resting.append(self._held)
                return
        elif isinstance(error, _SPOILING):
            # The connection may be broken: the pool shall not hand it out again.
            self._held.proxy.invalidate()
            if isinstance(error, psycopg.OperationalError):
                close_all(self._engine)  # a server that went took the others with it
        self._held.proxy.close()


_REFUSAL = (
    "a value that was given is none that a database keeps: it holds a NUL character or half a"
    " character, or is too large a number"
)


def _is_refusal(error: BaseException) -> bool:
    """Return True if a driver refused a parameter for its value, so that trying again is no use.

    psycopg says so by a DataError, sqlite3 by the errors of Python's own conversions.
    """
    if isinstance(error, OverflowError):
        return "SQLite" in str(error)
    return isinstance(error, UnicodeEncodeError | psycopg.DataError)


# PostgreSQL's internal errors are among them for one: that its session is read-only, which it
# stays where the database may be written again.
_SPOILING = (sqlite3.OperationalError, psycopg.OperationalError, psycopg.InternalError)


class _Held(NamedTuple):
    """A connection out of the engine's pool."""

    proxy: PoolProxiedConnection
    connection: Any


#: Name of the engine's option that holds its connections at rest, to be taken by the next
#: transaction: the pool takes ten times as long, which is a tenth of an append of one frame.
RESTING = "eventstore_resting"
_MAX_RESTING = 4

#: Name of the engine's option with what one transaction after the other has to hold, or None.
LOCK = "eventstore_lock"

#: Name of the engine's option with the seconds that a transaction may take, or None. PostgreSQL
#: is told with each connection, and takes it for each statement.
TIME_LIMIT = "eventstore_time_limit"
# Steps of SQLite's machine between two looks at the clock: about a millisecond.
_STEPS = 20_000

#: Name of the engine's option with the keys of its sessions.
KEYS = "eventstore_keys"

#: Name of the engine's option with the places outside of the database that may be opened.
PLACES = "eventstore_places"


def _interrupt_after(connection: sqlite3.Connection, seconds: float) -> None:
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)


def _take(engine: Engine) -> _Held:
    with suppress(IndexError):
        held: _Held = engine.get_execution_options()[RESTING].pop()
        return held
    try:
        proxy = engine.raw_connection()
    except (SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
        raise _unavailable(error) from error
    return _Held(proxy, proxy.driver_connection)


def close_all(engine: Engine) -> None:
    """Close the engine's connections that no transaction holds."""
    resting = engine.get_execution_options()[RESTING]
    with suppress(IndexError):  # another thread takes the last one
        while True:
            resting.pop().proxy.close()
    engine.dispose()
    keys = keys_of(engine).engine
    if keys is not None:
        close_all(keys)


def keys_of(engine: Engine) -> KeyRing:
    """The keys of the sessions in an engine's database."""
    keys: KeyRing = engine.get_execution_options()[KEYS]
    return keys


def places_of(engine: Engine) -> Places:
    """Return the places outside of an engine's database that may be opened."""
    places: Places = engine.get_execution_options()[PLACES]
    return places


@contextmanager
def translated() -> Iterator[None]:
    """Turn the drivers' errors into one line that says what to do."""
    try:
        yield
    except EventStoreError:
        raise
    except (SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
        raise _unavailable(error) from error


def _unavailable(error: BaseException) -> DatabaseUnavailableError:
    return unavailable(error.orig or error if isinstance(error, DBAPIError) else error)


def unavailable(error: BaseException) -> DatabaseUnavailableError:
    """The error to show for a driver's error."""
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, psycopg.errors.QueryCanceled) or message == "interrupted":
        return TimeLimitError("it takes too long; narrow it by metadata, session or time")
    for sign, advice in _ADVICE:
        if sign in message:
            return DatabaseUnavailableError(f"the database failed: {message}; {advice}")
    return DatabaseUnavailableError(f"the database failed: {message}")


_ADVICE = (
    ("full", "nothing was written; free some space and try again"),
    ("No space left", "nothing was written; free some space and try again"),
    ("disk I/O error", "nothing was written; check the disk and try again"),
    ("readonly", "the file or its folder cannot be written"),
    ("unable to open", "check the path, and that its folder exists and can be written"),
    ("not a database", "the file is no SQLite database; name another"),
    ("locked", "another process holds it; try again"),
    ("connection", "check that the server runs and the URL is right"),
    ("no such table", "run: eventstore init"),
    ("does not exist", "check the URL, or run: eventstore init"),
)
