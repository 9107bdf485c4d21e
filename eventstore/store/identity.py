"""What tells one database from another: whichever URL, user or path leads to it."""

from __future__ import annotations

from pathlib import Path

from eventstore.store.transaction import Transaction

POSTGRESQL_IDENTITY = (
    "SELECT pg_postmaster_start_time()::text, current_database(), 'streams'::regclass::oid"
)
SQLITE_FILE = "SELECT file FROM pragma_database_list WHERE name = 'main'"


def identity(tx: Transaction) -> tuple[object, ...]:
    """What two transactions have in common when they are in one database."""
    if tx.postgresql:
        return tx.rows(POSTGRESQL_IDENTITY)[0]
    file = tx.rows(SQLITE_FILE)[0][0]
    if not file:
        return (id(tx.connection),)  # in memory, a database is a connection
    status = Path(file).stat()
    return status.st_dev, status.st_ino
