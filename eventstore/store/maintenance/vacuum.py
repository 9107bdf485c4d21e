"""Rewrite the database's files without deleted rows, to give their space back.

Called by verbs/upkeep.py and scrub.py.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.pool import StaticPool

from eventstore.store.database.connections import forks
from eventstore.store.database.connections.driver_errors import translated
from eventstore.store.database.connections.pool import connections_of, pooled
from eventstore.store.database.tables import declared as tables
from eventstore.store.maintenance.cluster_nodes import is_distributed
from eventstore.store.maintenance.scrub_nodes import rewrite_on_nodes

#: The tables in which sealing, moving and erasing leave much free space.
LARGE_TABLES = (tables.events.name, tables.segments.name)
TRUNCATING_CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
# How long to wait for readers and writers in other processes, and between two looks, in seconds.
_PATIENCE, _LOOK_AGAIN = 30.0, 0.01


class ExclusiveConnection(NamedTuple):
    """A connection to SQLite while no other thread of this process writes.

    Attributes:
        connection: The driver's connection.
        user: Its registration for forks.
    """

    connection: sqlite3.Connection
    user: forks.ConnectionUser

    def execute(self, sql: str) -> None:
        """Execute a statement."""
        self.connection.execute(sql)

    def empty_log(self) -> bool:
        """Empty the write-ahead log. Return False if other processes read all the time.

        It waits between its attempts and not within SQLite. Readers in other threads may wait for a
        fork, and a fork waits for threads that are inside SQLite.
        """
        self.connection.execute("PRAGMA busy_timeout=0")
        end = time.monotonic() + _PATIENCE
        while self.connection.execute(TRUNCATING_CHECKPOINT).fetchone()[0]:
            if time.monotonic() > end:
                return False
            self.user.pause(_LOOK_AGAIN)
        return True


def vacuum(engine: Engine) -> None:
    """Rewrite the database's files without deleted rows.

    PostgreSQL locks each table, or each shard of a cluster, while it rewrites it.

    Raises:
        DatabaseUnavailableError: The disk is full, or another process holds the database, or a
            table, for longer than this waits.
    """
    if engine.dialect.name == "postgresql":
        if is_distributed(engine):
            rewrite_on_nodes(engine, LARGE_TABLES)
            return
        # Imported here, because psycopg is slow to import.
        from eventstore.store.maintenance.vacuum_postgresql import rewrite_tables

        rewrite_tables(engine, LARGE_TABLES)
        return
    with translated(), exclusive_connection(engine) as found:
        found.execute("VACUUM")
        found.empty_log()


@contextmanager
def exclusive_connection(engine: Engine) -> Iterator[ExclusiveConnection]:
    """Yield a connection to SQLite that is closed afterwards and keeps temporary data in a file.

    Other threads of this process do not write in the meantime, because they would be waited for
    inside SQLite.
    """
    memory = isinstance(engine.pool, StaticPool)
    connections = connections_of(engine)
    with connections.lock or connections.writing or nullcontext(), pooled(engine) as user:
        proxy = engine.raw_connection()
        connection = proxy.driver_connection
        if not isinstance(connection, sqlite3.Connection):
            raise TypeError("no connection of SQLite")
        try:
            if not memory:
                # VACUUM writes a copy into the temporary store, which may be larger than the
                # memory.
                connection.execute("PRAGMA temp_store=FILE")
            yield ExclusiveConnection(connection, user)
        finally:
            if memory:
                proxy.close()
            else:
                proxy.invalidate()
