"""The connections of one engine: open ones, idle ones, and whether any may be used.

transaction.py takes connections from here. They come from SQLAlchemy's pool.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from threading import RLock
from typing import Any, NamedTuple
from weakref import WeakSet, WeakValueDictionary, ref

from sqlalchemy import Engine, PoolProxiedConnection, event
from sqlalchemy.exc import SQLAlchemyError

from eventstore.errors import ClosedError, ForkError
from eventstore.store.database.connections import forks, inherited
from eventstore.store.database.connections.distribution import RECHECK_AFTER, is_distributed
from eventstore.store.database.connections.driver_errors import (
    connecting,
    is_server_away,
    unavailable,
)
from eventstore.store.database.connections.drivers import driver_errors, error_classes
from eventstore.store.database.connections.writing_lock import WritingLock
from eventstore.store.database.engine_options import keys_engine_of

#: The engine option with its `Connections`.
CONNECTIONS = "eventstore_connections"


class PooledConnection(NamedTuple):
    """A connection that was taken from the engine's pool.

    Attributes:
        proxy: SQLAlchemy's object, which gives it back to the pool.
        connection: the driver's connection.
    """

    proxy: PoolProxiedConnection
    connection: Any


class SQLiteConnection(sqlite3.Connection):
    """A connection of SQLite that can have weak references."""


class CommitCount:
    """A number that is another one after each commit of this process to a database.

    Attributes:
        number: The number.
    """

    def __init__(self) -> None:
        self.number, self._next = 0, count(1)

    def add(self) -> None:
        """Change the number. Threads may call it at once: no number comes twice."""
        self.number = next(self._next)


class Connections:
    """The connections of one engine.

    Args:
        is_sqlite: True if the database is SQLite.
        path: the path of SQLite's file; None for PostgreSQL and for a database in memory.
        url: the URL of the database. All engines of a process with this URL count commits together.

    Attributes:
        commits: counts the commits of this process to the database.
        has_replica: True if queries may run on a replica. Then each transaction that reads is
            counted, too, because the replica may not have yet what it read.
        is_sqlite: as given.
        is_memory: True if the database is in memory.
        idle: connections for the next transactions. SQLAlchemy's pool takes ten times as long,
            which is a tenth of an append of one frame.
        lock: a lock that each transaction holds if the database is in memory, because such a
            database is one connection; otherwise None.
        writing: a lock that each writing transaction on an SQLite file holds; otherwise None. All
            stores of the process share it. Threads wait for this lock instead of waiting inside
            SQLite, because a fork waits for threads that are inside SQLite.
        closed: True if the store was closed.
        distributed: True if Citus has spread the store's tables over nodes, as far as is known.
        recheck_at: When the database is asked again, on the monotonic clock.
        behind_pooler: True if connections lead to a pooler such as pgbouncer: what is set for a
            session may then hold for other programs, and not for the next statement.
    """

    def __init__(self, is_sqlite: bool, path: str | None, url: str) -> None:
        self.is_sqlite, self._path = is_sqlite, path
        self.commits = _COMMITS.setdefault(url, CommitCount())
        self.behind_pooler = self.has_replica = False
        self.is_memory = is_sqlite and path is None
        self.idle: list[PooledConnection] = []
        self._make_locks()
        self.closed = self.distributed = False
        self.recheck_at = 0.0
        self._refused: str | None = None
        self._open: WeakSet[Any] = WeakSet()
        self._engine: ref[Engine] | None = None

    def _make_locks(self) -> None:
        self.lock = RLock() if self.is_memory else None
        self.writing = _writing_lock(self._path) if self._path is not None else None

    def watch(self, engine: Engine) -> None:
        """Keep track of each connection that the engine opens."""
        self._engine = ref(engine)
        event.listen(engine, "connect", lambda connection, _: self._open.add(connection))
        event.listen(engine, "close", lambda connection, _: self._open.discard(connection))
        forks.renew_in_children(self)

    def check(self) -> None:
        """Check that a connection may be taken.

        Raises:
            ClosedError: the store is closed.
            ForkError: the process was forked at a moment after which it cannot use the file.
        """
        if self.closed:
            raise ClosedError("the store is closed; open it again")
        if self._refused is not None:
            raise ForkError(
                f"this process cannot use the database: {self._refused}; fork while no query runs,"
                " or start processes by spawn or forkserver"
            )

    def take(self, engine: Engine) -> PooledConnection:
        """Return an idle connection, or one of the engine's pool.

        Raises:
            ClosedError: the store is closed.
            ForkError: the process cannot use the database; see `check`.
            DatabaseUnavailableError: no connection can be opened.
            InvalidInputError: the server is not PostgreSQL.
        """
        self.check()
        try:
            held = self.idle.pop()
        except IndexError:
            held = self._take_from_pool(engine)
        if not self.is_sqlite and time.monotonic() >= self.recheck_at:
            self._look_at_distribution(held)
        return held

    def _take_from_pool(self, engine: Engine) -> PooledConnection:
        try:
            with connecting():
                proxy = engine.raw_connection()
        except driver_errors(SQLAlchemyError) as error:
            raise unavailable(error) from error
        held = PooledConnection(proxy, proxy.driver_connection)
        if not self.is_sqlite:
            try:
                # transaction.py begins transactions itself, with what each one needs.
                held.connection.autocommit = True
            except driver_errors() as error:
                proxy.invalidate()  # it broke while it was idle
                raise unavailable(error) from error
        return held

    def _look_at_distribution(self, held: PooledConnection) -> None:
        self.recheck_at = time.monotonic() + RECHECK_AFTER
        try:
            self.distributed = is_distributed(held.connection)
        except driver_errors() as error:
            self.recheck_at = 0.0
            self.drop(held, error)
            raise unavailable(error) from error

    def give_back(self, held: PooledConnection, error: BaseException | None) -> None:
        """Give a connection back, so that other transactions can use it if it is intact.

        Args:
            held: the connection.
            error: the error that ended its transaction, or None.
        """
        if self.closed:
            held.proxy.invalidate()
            held.proxy.close()
            return
        if error is None:
            if len(self.idle) < _MAX_IDLE:
                self.idle.append(held)
                return
        elif _is_unusable_after(error) or _is_in_transaction(held.connection):
            self.drop(held, error)
            return
        self._return(held)

    def _return(self, held: PooledConnection) -> None:
        """Give a connection back to SQLAlchemy's pool, as SQLAlchemy itself uses it."""
        if not self.is_sqlite:
            held.connection.autocommit = False
        held.proxy.close()

    def drop(self, held: PooledConnection, error: BaseException) -> None:
        """Close a connection that may be broken, so that no transaction gets it again."""
        if self.is_memory:  # Closing it would delete the database.
            with suppress(sqlite3.Error):
                held.connection.set_progress_handler(None, 0)
                held.connection.rollback()
            held.proxy.close()
            return
        held.proxy.invalidate()
        if is_server_away(error):
            self.close_idle()  # These connections are broken too.
        held.proxy.close()

    def close_idle(self) -> None:
        """Close the connections that no transaction uses."""
        with suppress(IndexError):  # Another thread may take the last one.
            while True:
                self.idle.pop().proxy.close()
        engine = self._engine() if self._engine is not None else None
        if engine is not None:
            engine.dispose()

    def prepare_fork(self) -> None:
        """Close the idle connections to an SQLite file, so that a child does not inherit them."""
        if self._path is not None:
            self.close_idle()

    def renew(self) -> None:
        """Let go of the parent's connections; called in a forked child."""
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
        """Check, in a forked child, that no other object still has the parent's file open."""
        if self._path is not None and self._refused is None and inherited.is_open(self._path):
            self._refused = (
                "it was forked off while its parent had the file open, by another connection or"
                " query"
            )

    def _go_on_in_memory(self, found: list[sqlite3.Connection]) -> None:
        """Keep using a database in memory, which the fork copied, without open transactions."""
        if forks.interrupted():
            inherited.keep_alive(found)
            self._refused = "it was forked off while another thread was in a query"
            return
        for connection in found:
            if connection.in_transaction:
                connection.rollback()


#: The counts of commits, by the URL of the database.
_COMMITS: WeakValueDictionary[str, CommitCount] = WeakValueDictionary()

#: The locks of SQLite files that are written to, by process and path. A forked child has its own.
_WRITING: WeakValueDictionary[tuple[int, str], WritingLock] = WeakValueDictionary()


def _writing_lock(path: str) -> WritingLock:
    """Return the lock that all threads of this process hold to write to a file."""
    return _WRITING.setdefault((os.getpid(), os.path.realpath(path)), WritingLock())


class UnusableConnection:
    """Replaces the connection of a transaction that a forked child has left to its parent."""

    def __getattr__(self, name: str) -> Any:
        raise ForkError(
            "this transaction was begun before the process was forked off, and is its parent's;"
            " begin another one"
        )


def _is_in_transaction(connection: Any) -> bool:
    """Return True if a connection is still in a transaction after its rollback.

    For example, a signal handler raised an exception in the middle of a query.
    """
    if isinstance(connection, sqlite3.Connection):
        return connection.in_transaction
    return bool(connection.info.transaction_status.name != "IDLE")


def _is_unusable_after(error: BaseException) -> bool:
    """Return True if a connection must not be used again after an error.

    PostgreSQL's internal errors are included. One of them says that the session is read-only, and
    the session stays so even when the database can be written again. Errors of one statement or
    transaction are not: a deadlock, a lock that was not given, a query that took too long.
    """
    spoiling = error_classes(sqlite3.OperationalError, "InternalError")
    return isinstance(error, spoiling) or is_server_away(error)


_MAX_IDLE = 4


def connections_of(engine: Engine) -> Connections:
    """Return the connections of an engine."""
    found: Connections = engine.get_execution_options()[CONNECTIONS]
    return found


@contextmanager
def pooled(engine: Engine) -> Iterator[forks.ConnectionUser]:
    """Register the use of the engine's pool by other code than a `Transaction`.

    Yields:
        The user of the connections. Its `pause` lets other threads fork between two calls.

    Raises:
        ClosedError: the store is closed.
        ForkError: the process cannot use its database.
    """
    connections = connections_of(engine)
    connections.check()
    with forks.connection_call(connections.is_sqlite) as user:
        yield user


def look_again(engine: Engine) -> None:
    """Ask the database anew, with the next transaction, whether its tables are distributed."""
    connections_of(engine).recheck_at = 0.0


def is_known_distributed(engine: Engine) -> bool:
    """Return True if an engine's tables are spread over nodes, as far as is known yet."""
    return connections_of(engine).distributed


def close_all(engine: Engine) -> None:
    """Close the engine's connections that no transaction uses, and those of its keys."""
    for one in _engines_of(engine):
        connections_of(one).close_idle()


def close_for_good(engine: Engine) -> None:
    """Close all connections, and open none again.

    A connection in use is closed when its transaction ends.
    """
    for one in _engines_of(engine):
        connections_of(one).closed = True
    close_all(engine)


def _engines_of(engine: Engine) -> list[Engine]:
    """Return an engine and that of its keys, if it has one."""
    keys = keys_engine_of(engine)
    return [engine] if keys is None else [engine, keys]
