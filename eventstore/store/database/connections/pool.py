"""The connections of one engine: which are open, which rest, and whether any may be taken."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, RLock
from typing import Any, NamedTuple
from weakref import WeakSet, WeakValueDictionary, ref

from sqlalchemy import Engine, PoolProxiedConnection, event
from sqlalchemy.exc import SQLAlchemyError

from eventstore.errors import ClosedError, ForkError
from eventstore.store.database.connections import forks, inherited
from eventstore.store.database.connections.driver_errors import unavailable
from eventstore.store.database.connections.drivers import driver_errors, error_classes
from eventstore.store.database.engine_options import keys_engine_of

#: Name of the engine's option that holds its `Connections`.
CONNECTIONS = "eventstore_connections"


class PooledConnection(NamedTuple):
    """A connection out of the engine's pool."""

    proxy: PoolProxiedConnection
    connection: Any


class SQLiteConnection(sqlite3.Connection):
    """A connection of SQLite that can be referred to weakly."""


class Connections:
    """The connections of one engine.

    Args:
        is_sqlite: whether the database is SQLite.
        path: of SQLite's file; None for a database in memory, and for PostgreSQL.

    Attributes:
        idle: connections to be taken by the next transaction. The pool takes ten times as long,
            which is a tenth of an append of one frame.
        lock: what one transaction after the other has to hold where the database is in memory,
            which is one connection; else None.
        writing: what one writing transaction after the other has to hold in an SQLite file, also
            of other stores in this process, so that threads wait for each other outside of
            SQLite's code: a fork waits for a thread that is inside of it. Else None.
        closed: whether the store was closed.
    """

    def __init__(self, is_sqlite: bool, path: str | None) -> None:
        self.is_sqlite, self._path = is_sqlite, path
        self.is_memory = is_sqlite and path is None
        self.idle: list[PooledConnection] = []
        self._make_locks()
        self.closed = False
        self._refused: str | None = None
        self._open: WeakSet[Any] = WeakSet()
        self._engine: ref[Engine] | None = None

    def _make_locks(self) -> None:
        self.lock = RLock() if self.is_memory else None
        self.writing = _writing_lock(self._path) if self._path is not None else None

    def watch(self, engine: Engine) -> None:
        """Know of each connection that the engine opens."""
        self._engine = ref(engine)
        event.listen(engine, "connect", lambda connection, _: self._open.add(connection))
        event.listen(engine, "close", lambda connection, _: self._open.discard(connection))
        forks.renew_in_children(self)

    def check(self) -> None:
        """Look whether a connection may be taken.

        Raises:
            ClosedError: the store is closed.
            ForkError: the process was forked off at a moment that leaves it no way to the file.
        """
        if self.closed:
            raise ClosedError("the store is closed; open it again")
        if self._refused is not None:
            raise ForkError(
                f"this process cannot use the database: {self._refused}; fork while no query runs,"
                " or start processes by spawn or forkserver"
            )

    def take(self, engine: Engine) -> PooledConnection:
        """Take a connection: one that rests, or one of the engine's pool.

        Raises:
            ClosedError: the store is closed. ForkError: see `check`.
            DatabaseUnavailableError: none can be opened.
        """
        self.check()
        try:
            return self.idle.pop()
        except IndexError:
            pass
        try:
            proxy = engine.raw_connection()
        except driver_errors(SQLAlchemyError) as error:
            raise unavailable(error) from error
        return PooledConnection(proxy, proxy.driver_connection)

    def give_back(self, held: PooledConnection, error: BaseException | None) -> None:
        """Give a connection back, for others where it can be used on.

        Args:
            error: what its transaction ended with, if it did.
        """
        if self.closed:
            held.proxy.invalidate()
        elif error is None:
            if len(self.idle) < _MAX_IDLE:
                self.idle.append(held)
                return
        elif _is_unusable_after(error) or _is_in_transaction(held.connection):
            self.drop(held, error)
            return
        held.proxy.close()

    def drop(self, held: PooledConnection, error: BaseException) -> None:
        """Close a connection that may be broken: the pool shall not hand it out again."""
        if self.is_memory:  # with it the database would be gone
            with suppress(sqlite3.Error):
                held.connection.set_progress_handler(None, 0)
                held.connection.rollback()
            held.proxy.close()
            return
        held.proxy.invalidate()
        if isinstance(error, error_classes("OperationalError")):
            self.close_idle()  # a server that went took the others with it
        held.proxy.close()

    def close_idle(self) -> None:
        """Close the connections that nobody uses."""
        with suppress(IndexError):  # another thread takes the last one
            while True:
                self.idle.pop().proxy.close()
        engine = self._engine() if self._engine is not None else None
        if engine is not None:
            engine.dispose()

    def prepare_fork(self) -> None:
        """Close what nobody uses of an SQLite file: a child shall not inherit it."""
        if self._path is not None:
            self.close_idle()

    def renew(self) -> None:
        """Let go of the parent's connections, in a forked child."""
        found = list(self._open)
        self._make_locks()
        if self.is_memory:
            self._go_on_in_memory(found)
            return
        self.idle.clear()
        self._open = WeakSet()
        engine = self._engine() if self._engine is not None else None
        if engine is not None:
            engine.dispose(close=False)
        if self._path is None:
            inherited.abandon_postgresql(found)
        elif forks.interrupted():
            inherited.keep_alive(found)
            self._refused = "it was forked off while another thread was in a query"
        else:
            self._refused = inherited.close_sqlite(found, self._path)

    def after_renewal(self) -> None:
        """Look whether anything of the parent's still has the file open, in a forked child."""
        if self._path is not None and self._refused is None and inherited.is_open(self._path):
            self._refused = (
                "it was forked off while its parent had the file open, by another connection or"
                " query"
            )

    def _go_on_in_memory(self, found: list[sqlite3.Connection]) -> None:
        """A database in memory is copied by the fork; what was not committed is not in the copy."""
        if forks.interrupted():
            inherited.keep_alive(found)
            self._refused = "it was forked off while another thread was in a query"
            return
        for connection in found:
            if connection.in_transaction:
                connection.rollback()


#: Who writes to an SQLite file in this process; a forked child has locks of its own.
_WRITING: WeakValueDictionary[tuple[int, str], Lock] = WeakValueDictionary()


def _writing_lock(path: str) -> Lock:
    """Return what all threads that write to a file have to hold, whichever store they use."""
    return _WRITING.setdefault((os.getpid(), os.path.realpath(path)), Lock())


class UnusableConnection:
    """Stands for the connection of a transaction that a forked child has left to its parent."""

    def __getattr__(self, name: str) -> Any:
        raise ForkError(
            "this transaction was begun before the process was forked off, and is its parent's;"
            " begin another one"
        )


def _is_in_transaction(connection: Any) -> bool:
    """Return True if a connection did not come back to rest, though it was rolled back.

    A signal's handler may have raised in the middle of a query: a time limit of a task queue, say.
    """
    if isinstance(connection, sqlite3.Connection):
        return connection.in_transaction
    return bool(connection.info.transaction_status.name != "IDLE")


def _is_unusable_after(error: BaseException) -> bool:
    """Return True if a connection is not to be used again after an error.

    PostgreSQL's internal errors are among them for one: that its session is read-only, which it
    stays where the database may be written again.
    """
    spoiling = error_classes(sqlite3.OperationalError, "OperationalError", "InternalError")
    return isinstance(error, spoiling)


_MAX_IDLE = 4


@contextmanager
def pooled(engine: Engine) -> Iterator[forks.ConnectionUser]:
    """Use connections of the engine's pool by other ways than a `Transaction`.

    Returns:
        Who uses them: between two calls it may `pause`, so that another thread can fork.

    Raises:
        ClosedError: the store is closed. ForkError: the process cannot use its database.
    """
    connections: Connections = engine.get_execution_options()[CONNECTIONS]
    connections.check()
    with forks.connection_call(connections.is_sqlite) as user:
        yield user


def close_all(engine: Engine) -> None:
    """Close the engine's connections that no transaction holds, and those of its keys."""
    connections: Connections = engine.get_execution_options()[CONNECTIONS]
    connections.close_idle()
    keys = keys_engine_of(engine)
    if keys is not None:
        close_all(keys)


def close_for_good(engine: Engine) -> None:
    """Close all connections, those in use once their transaction ends; none is opened again."""
    for one in filter(None, (engine, keys_engine_of(engine))):
        connections: Connections = one.get_execution_options()[CONNECTIONS]
        connections.closed = True
    close_all(engine)
