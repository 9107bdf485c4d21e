"""Scrub the files of a database: no byte of what was deleted is left in them."""

from __future__ import annotations

import sqlite3

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError
from eventstore.realtime.values import loads
from eventstore.store import locations
from eventstore.store.erase_session import TABLES
from eventstore.store.transaction import Transaction, autocommit, read, unavailable, write
from eventstore.store.vacuum import alone
from eventstore.times import now

# The index keeps the words of deleted texts until what it has of them is merged.
MERGE_SAID = "INSERT INTO said (said) VALUES ('optimize')"
CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
NOT_VACUUMED = "SELECT 1 FROM erasures WHERE vacuumed_at IS NULL OR locations IS NOT NULL LIMIT 1"
OUTSIDE = "SELECT session_id, at, locations FROM erasures WHERE locations IS NOT NULL"
IS_NAMED = "SELECT 1 FROM segments WHERE location = ? LIMIT 1"
NONE_OUTSIDE = "UPDATE erasures SET locations = NULL WHERE session_id = ? AND at = ?"
SET_VACUUMED = "UPDATE erasures SET vacuumed_at = ? WHERE vacuumed_at IS NULL AND at <= ?"
#: How long a table that somebody uses is waited for, while all others wait for us.
LOCK_WAIT = "10s"


def is_vacuum_due(engine: Engine) -> bool:
    """Whether something was erased since the files were written anew."""
    with read(engine) as tx:
        return tx.row(NOT_VACUUMED) is not None


def scrub(engine: Engine, vacuum: bool = True) -> None:
    """Overwrite what deleted rows left in the database's files, and delete bytes outside of it.

    SQLite: the search index is merged, the write-ahead log emptied. With `vacuum` the file is
    written anew, so that nothing is left of what was deleted or replaced before, either.
    PostgreSQL: only with `vacuum`; it locks one table after the other while it writes it anew.

    Raises:
        DatabaseUnavailableError: somebody holds a lock, the disk is full, or bytes outside cannot
            be deleted; do it again.
    """
    began = now()
    _delete_outside(engine)
    try:
        if engine.dialect.name == "sqlite":
            _scrub_sqlite(engine, vacuum)
        elif vacuum:
            _vacuum_tables(engine)
    except (sqlite3.Error, psycopg.Error) as error:
        raise unavailable(error) from error
    if vacuum:
        with write(engine) as tx:
            tx.run(SET_VACUUMED, (now(), began))


def _delete_outside(engine: Engine) -> None:
    """Delete the bytes of erased segments that are outside of the database."""
    with read(engine) as tx:
        erased = tx.rows(OUTSIDE)
    for session_id, at, listed in erased:
        for location in loads(listed):
            with read(engine) as tx:
                is_named = tx.row(IS_NAMED, (location,)) is not None
            if not is_named:  # equal bytes may be another session's, too
                locations.delete(location)
        with write(engine) as tx:
            tx.run(NONE_OUTSIDE, (session_id, at))


def _scrub_sqlite(engine: Engine, vacuum: bool) -> None:
    with write(engine) as tx:
        tx.run("PRAGMA secure_delete=ON")
        tx.run(MERGE_SAID)
    with alone(engine) as connection:
        if vacuum:
            connection.execute("VACUUM")
        busy = connection.execute(CHECKPOINT).fetchone()[0]
    if busy:
        raise DatabaseUnavailableError(
            "the write-ahead log still holds what was erased, since another process reads;"
            " run the same command again"
        )


def _vacuum_tables(engine: Engine) -> None:
    with autocommit(engine) as tx:
        tx.run(f"SET lock_timeout = '{LOCK_WAIT}'")
        try:
            for table in TABLES:
                _vacuum(tx, table)
            # Statistics hold values of columns; whoever may not write them anew gets a warning.
            _vacuum(tx, "pg_statistic")
        finally:
            tx.run("RESET lock_timeout")


def _vacuum(tx: Transaction, table: str) -> None:
    analyze = sql.SQL(", ANALYZE" if table in TABLES else "")
    command = sql.SQL("VACUUM (FULL{}) {}").format(analyze, sql.Identifier(table))
    tx.connection.execute(command)
