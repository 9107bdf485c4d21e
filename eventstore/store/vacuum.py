"""Give space back that deleted rows have left."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.pool import StaticPool

from eventstore.store.driver_errors import translated
from eventstore.store.transaction import autocommit, pooled


def vacuum(engine: Engine) -> None:
    """Rewrite the database's files without what was deleted.

    PostgreSQL locks a table while it rewrites it.

    Raises:
        DatabaseUnavailableError: the disk is full, or the database is locked.
    """
    if engine.dialect.name == "postgresql":
        with autocommit(engine) as tx:
            for table in ("events", "segments"):
                tx.run(f"VACUUM FULL {table}")
        return
    with translated(), alone(engine) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def alone(engine: Engine) -> Iterator[sqlite3.Connection]:
    """A connection that is closed afterwards, whose temporary data are in a file."""
    memory = isinstance(engine.pool, StaticPool)
    with pooled(engine):
        proxy = engine.raw_connection()
        connection = proxy.driver_connection
        if not isinstance(connection, sqlite3.Connection):
            raise TypeError("no connection of SQLite")
        try:
            if not memory:
                # VACUUM makes a copy there, which may be larger than memory.
                connection.execute("PRAGMA temp_store=FILE")
            yield connection
        finally:
            if memory:
                proxy.close()
            else:
                proxy.invalidate()
