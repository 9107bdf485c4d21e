"""Transactions on the driver's own connection, without SQLAlchemy's layers above it.

All rooms that read or write the database use `read` and `write`. SQL is written once, with `?` for
each parameter; for PostgreSQL's driver it is translated to `%s`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Engine

from eventstore.store.database.connections import forks
from eventstore.store.database.connections.driver_errors import (
    raise_translated,
    unavailable,
)
from eventstore.store.database.connections.drivers import driver_errors
from eventstore.store.database.connections.pool import (
    CONNECTIONS,
    Connections,
    PooledConnection,
    UnusableConnection,
)
from eventstore.store.database.connections.time_limit import limit_time
from eventstore.store.database.connections.undecodable import read_undecodable
from eventstore.store.database.engine_options import ALLOWED, KEY_RING, TIME_LIMIT, replica_of

if TYPE_CHECKING:
    from eventstore.encryption.cipher import Cipher
    from eventstore.store.database.allowed_locations import AllowedLocations

Row = tuple[Any, ...]


class SessionKeys(Protocol):
    """The methods of `keys.KeyRing` that transactions and their users call.

    A protocol, because keys.py itself uses transactions and cannot be imported here.
    """

    def cipher_to_write(self, tx: Transaction, session_id: str) -> Cipher | None:
        """Return the cipher to encrypt a session with; None if the store is not encrypted."""

    def cipher_to_read(self, session_id: str) -> Cipher:
        """Return the cipher that decrypts a session's content."""

    def known_cipher(self, tx: Transaction, session_id: str) -> Cipher | None:
        """Return a session's cipher; None if the session is not encrypted or has no key."""

    def check_once(self, tx: Transaction) -> None:
        """Check, the first time, that these are the keys of the store."""

    def check(self, tx: Transaction) -> bool:
        """Check that these are the keys of the store, or that the store has none."""

    def name(self, tx: Transaction) -> str | None:
        """Return the name of the database of keys that the store names; None if it names none."""


class Transaction(forks.ConnectionUser):
    """One open transaction. `read` and `write` create it.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        connection: the driver's connection.
        keys: the keys of the store's sessions.
        allowed: the places outside of the database that may be opened.
        postgresql: True if the database is PostgreSQL.
        distributed: True if Citus has spread the store's tables over nodes.
        left: True if this process was forked off while its parent was in the transaction. The
            transaction then belongs to the parent.
        marks_store: True if the transaction has marked the store with the name of its keys.
    """

    def __init__(self, dialect: str, keys: SessionKeys, allowed: AllowedLocations) -> None:
        super().__init__(is_local=dialect != "postgresql")
        self.dialect = dialect
        self.connection: Any = None
        self.keys = keys
        self.allowed = allowed
        self.postgresql = dialect == "postgresql"
        self.distributed = False
        self.left = self.marks_store = False

    def cipher(self, session_id: str) -> Cipher | None:
        """Return the cipher that encrypts a session's content; see `KeyRing.cipher_to_write`."""
        return self.keys.cipher_to_write(self, session_id)

    def decipher(self, session_id: str) -> Cipher:
        """Return the cipher that decrypts a session's content; see `KeyRing.cipher_to_read`."""
        self.keys.check_once(self)
        return self.keys.cipher_to_read(session_id)

    # Each call of the driver is marked, because a fork waits for its end: a forked child could not
    # finish it.

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Execute a statement, and return the number of rows that it changed."""
        self.begin_call()
        try:
            return int(self.connection.execute(self._sql(sql), parameters).rowcount)
        finally:
            self.calling = False

    def insert(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """SQLite: insert a row, and return its rowid."""
        self.begin_call()
        try:
            return int(self.connection.execute(sql, parameters).lastrowid)
        finally:
            self.calling = False

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Execute a statement once for each row of parameters; return how many rows it changed."""
        self.begin_call()
        try:
            cursor = self.connection.cursor()
            cursor.executemany(self._sql(sql), rows)
            return int(cursor.rowcount)
        finally:
            self.calling = False

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query."""
        self.begin_call()
        try:
            found: list[Row] = self.connection.execute(self._sql(sql), parameters).fetchall()
        except sqlite3.OperationalError as error:
            found = read_undecodable(self.connection, sql, parameters, error)
        finally:
            self.calling = False
        return found

    def rows_with_bytes(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query that has columns of bytes.

        PostgreSQL sends these columns in its binary format, which is faster to read than text.
        """
        if not self.postgresql:
            return self.rows(sql, parameters)
        self.begin_call()
        try:
            cursor = self.connection.execute(with_percents(sql), parameters, binary=True)
            found: list[Row] = cursor.fetchall()
        finally:
            self.calling = False
        return found

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, or None if it has none."""
        self.begin_call()
        try:
            found: Row | None = self.connection.execute(self._sql(sql), parameters).fetchone()
        except sqlite3.OperationalError as error:
            found = read_undecodable(self.connection, sql, parameters, error)[0]
        finally:
            self.calling = False
        return found

    def locked_row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, locked until the transaction ends, or None.

        On SQLite a writing transaction already locks the whole database.
        """
        return self.row(f"{sql} FOR UPDATE" if self.postgresql else sql, parameters)

    def begin_call(self) -> None:
        """Mark that a call of the driver begins.

        If another thread forks, wait for the fork first.
        """
        self.calling = True
        if forks.pending is not None:
            forks.wait_for_fork(self)

    def leave(self) -> None:
        """Give the transaction up to the parent process; called in a forked child."""
        self.left, self.connection = True, UnusableConnection()

    def _sql(self, sql: str) -> str:
        return with_percents(sql) if self.postgresql else sql


@lru_cache(maxsize=1024)
def with_percents(sql: str) -> str:
    """Return a statement with the marks of psycopg, `%s`, in place of `?`."""
    return sql.replace("%", "%%").replace("?", "%s")


def write(engine: Engine) -> AbstractContextManager[Transaction]:
    """Return a context manager for a transaction that commits, or rolls back if its block raises.

    Raises:
        DatabaseUnavailableError: the database is away, full, locked or read-only.
        InvalidInputError: no database stores a value, such as text with a NUL character.
    """
    # PostgreSQL's own default, said because a server can be set up to have another one.
    postgresql = engine.dialect.name == "postgresql"
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED" if postgresql else "BEGIN IMMEDIATE"
    return _TransactionContext(engine, begin, commits=True)


def read(engine: Engine) -> AbstractContextManager[Transaction]:
    """Return a context manager for a read-only transaction that sees one state of the database.

    If the engine has a replica that may be read, the transaction runs there: see read_replica.py.

    Raises:
        DatabaseUnavailableError: the database is away or locked.
        TimeLimitError: a query takes longer than the engine's time limit.
    """
    replica = replica_of(engine)
    return read_directly(engine) if replica is None else replica.reading()


def read_directly(
    engine: Engine, may_begin: Callable[[Transaction], bool] | None = None
) -> AbstractContextManager[Transaction]:
    """Return a context manager for a transaction that reads the engine's own database.

    Args:
        engine: the engine.
        may_begin: asked when the transaction has its connection and is not begun yet. If it returns
            False, the block is not entered.

    Raises:
        NotBegunError: `may_begin` returned False.
        DatabaseUnavailableError, TimeLimitError: as for `read`.
    """
    postgresql = engine.dialect.name == "postgresql"
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if postgresql else "BEGIN"
    return _TransactionContext(engine, begin, commits=False, limited=True, may_begin=may_begin)


def statement(engine: Engine) -> AbstractContextManager[Transaction]:
    """Return a context manager for single statements that only read, each by itself.

    Raises:
        DatabaseUnavailableError: the database is away.
    """
    return _TransactionContext(engine, None, commits=False, ends=False)


def autocommit(engine: Engine) -> AbstractContextManager[Transaction]:
    """Return a context manager for one statement, which commits itself.

    This is PostgreSQL's fastest way.

    Raises:
        DatabaseUnavailableError: the database is away, full or read-only.
    """
    return _TransactionContext(engine, None, commits=False, ends=False, counts=True)


class NotBegunError(Exception):
    """A transaction was not begun, because it may not run on its database."""


class _TransactionContext:
    """The context manager that takes a connection, runs one transaction on it and gives it back.

    A class, because a generator costs some microseconds more for each transaction.
    """

    __slots__ = (
        "_begin",
        "_commits",
        "_connections",
        "_counts",
        "_ends",
        "_engine",
        "_held",
        "_lock",
        "_may_begin",
        "_options",
        "_seconds",
        "_tx",
    )

    def __init__(
        self,
        engine: Engine,
        begin: str | None,
        commits: bool,
        ends: bool = True,
        limited: bool = False,
        counts: bool = False,
        may_begin: Callable[[Transaction], bool] | None = None,
    ) -> None:
        self._engine, self._begin, self._commits, self._ends = engine, begin, commits, ends
        self._options = options = engine.get_execution_options()
        self._connections: Connections = options[CONNECTIONS]
        self._seconds = options[TIME_LIMIT] if limited else None
        self._counts, self._may_begin = counts or commits, may_begin
        self._held: PooledConnection | None = None

    def __enter__(self) -> Transaction:
        options, connections = self._options, self._connections
        # A database in memory has one connection, so its transactions wait for each other.
        self._lock = connections.lock or (connections.writing if self._commits else None)
        if self._lock is not None and not self._lock.acquire(timeout=_LONGEST_WAIT):
            raise unavailable(TimeoutError("database is locked"))
        tx = self._tx = Transaction(self._engine.dialect.name, options[KEY_RING], options[ALLOWED])
        try:
            forks.add_user(tx)
            tx.begin_call()
            held = self._held = connections.take(self._engine)
            tx.connection, tx.distributed = held.connection, connections.distributed
            if self._may_begin is not None:
                if not self._may_begin(tx):
                    raise NotBegunError
                tx.begin_call()
            begin = self._begin
            if self._seconds is not None:
                begin = limit_time(held.connection, begin, self._seconds, tx.postgresql)
            if begin is not None and tx.postgresql:
                held.connection.execute(begin, prepare=False)
            elif begin is not None:
                held.connection.execute(begin)
        except NotBegunError:
            self._release(None)
            raise
        except BaseException as error:  # Ctrl-C is handled in the same way.
            self._give_up(error)
            if isinstance(error, driver_errors()):
                raise unavailable(error) from error
            raise
        tx.calling = False
        return tx

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tx = self._tx
        if tx.left:
            self._end()
            if error is None and self._commits:
                tx.connection.commit()  # This raises ForkError, which says why it cannot commit.
            return
        try:
            tx.begin_call()
            connection = tx.connection
            if error is None and self._commits:
                try:
                    connection.commit()
                except driver_errors() as failed:
                    error = failed
            if self._seconds is not None and not tx.postgresql:
                connection.set_progress_handler(None, 0)
            if self._ends and (error is not None or not self._commits):
                try:
                    connection.rollback()
                except driver_errors():
                    pass  # The first error is the one to report.
        except BaseException as interrupt:  # After Ctrl-C, the connection's state is unknown.
            self._give_up(interrupt)
            raise
        self._release(error)
        if error is not None:
            raise_translated(error)

    def _give_up(self, error: BaseException) -> None:
        """Close the connection, if there is one, so that no other transaction gets it."""
        try:
            if self._held is not None:
                self._connections.drop(self._held, error)
        finally:
            self._end()

    def _release(self, error: BaseException | None) -> None:
        try:
            if self._held is not None:
                self._connections.give_back(self._held, error)
        finally:
            self._end()
        # Also after an error: a commit may have been made before its answer was lost.
        if self._counts or (self._connections.has_replica and self._begin is not None):
            self._connections.commits.add()

    def _end(self) -> None:
        self._tx.calling = False
        forks.remove_user(self._tx)
        if self._lock is not None:
            self._lock.release()


# How long a transaction waits for those of other threads, in seconds: longer than SQLite's own busy
# timeout.
_LONGEST_WAIT = 60.0
