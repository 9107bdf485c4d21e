"""Give space back that deleted rows have left."""

from __future__ import annotations

from sqlalchemy import Engine

from eventstore.store.transaction import autocommit, translated


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
    with translated(), engine.connect() as connection:
        driver = connection.connection.driver_connection
        if driver is not None:
            driver.execute("VACUUM")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
