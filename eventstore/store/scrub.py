"""Scrub the files of a database: no byte of what was deleted is left in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import psycopg
from psycopg import sql
from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError
from eventstore.realtime.values import loads
from eventstore.store import day_tables, locations, tables
from eventstore.store.delete_rows import TABLES
from eventstore.store.transaction import Transaction, autocommit, keys_of, read, unavailable, write
from eventstore.store.vacuum import alone
from eventstore.times import now

# The index keeps the words of deleted texts until what it has of them is merged.
MERGE_SAID = "INSERT INTO said (said) VALUES ('optimize')"
CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
ERASED = "SELECT session_id FROM erasures WHERE what = 'session' AND vacuumed_at IS NULL"
NOT_VACUUMED = "SELECT 1 FROM erasures WHERE vacuumed_at IS NULL OR locations IS NOT NULL LIMIT 1"
OUTSIDE = "SELECT session_id, at, locations FROM erasures WHERE locations IS NOT NULL"
IS_NAMED = "SELECT 1 FROM segments WHERE location = ? LIMIT 1"
NONE_OUTSIDE = "UPDATE erasures SET locations = NULL WHERE session_id = ? AND at = ?"
SET_VACUUMED = "UPDATE erasures SET vacuumed_at = ? WHERE vacuumed_at IS NULL AND at <= ?"
# Of an empty table ANALYZE leaves the statistics as they were, with values that were erased.
HAS_STATISTICS = """
SELECT 1 FROM pg_stats
WHERE (schemaname, tablename) IN (
  SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = to_regclass(%(table)s)
     OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass(%(table)s)))
LIMIT 1"""
COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), n.nspname, c.collname
FROM pg_attribute a
LEFT JOIN pg_collation c ON c.oid = a.attcollation
LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped"""
#: How long a table that somebody uses is waited for, while all others wait for us.
LOCK_WAIT = "10s"


def is_vacuum_due(engine: Engine) -> bool:
    """Whether something was erased since the files were written anew."""
    with read(engine) as tx:
        return tx.row(NOT_VACUUMED) is not None


def scrub(engine: Engine, vacuum: bool = True) -> None:
    """Drop the keys of what was erased, delete its bytes outside of the database, and overwrite
    what deleted rows left in the database's files, and in those of the keys.

    SQLite: the search index is merged, the write-ahead log emptied. With `vacuum` the file is
    written anew, so that nothing is left of what was deleted or replaced before, either.
    PostgreSQL: only with `vacuum`; it locks one table after the other while it writes it anew.

    Raises:
        DatabaseUnavailableError: somebody holds a lock, the disk is full, or bytes outside cannot
            be deleted; do it again.
        MissingKeyError: sessions were erased, and the store's keys are not named.
    """
    began = now()
    keys = keys_of(engine)
    with read(engine) as tx:
        erased = [row[0] for row in tx.rows(ERASED)]
        if erased:
            keys.check(tx)  # other keys may be of equal ids, and these would never be dropped
    keys.drop(erased)
    _delete_outside(engine)
    try:
        _scrub(engine, vacuum, (*TABLES, *(table.name for table in day_tables.SUMS)))
        if keys.engine is not None and erased:
            _scrub(keys.engine, vacuum, (tables.session_keys.name,))
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


def _scrub(engine: Engine, vacuum: bool, of_tables: Sequence[str]) -> None:
    if engine.dialect.name == "sqlite":
        _scrub_sqlite(engine, vacuum)
    elif vacuum:
        _vacuum_tables(engine, of_tables)


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


def _vacuum_tables(engine: Engine, of_tables: Sequence[str]) -> None:
    with autocommit(engine) as tx:
        tx.run(f"SET lock_timeout = '{LOCK_WAIT}'")
        try:
            for table in of_tables:
                _vacuum(tx, table)
                _forget_statistics(tx, table)
            # Statistics hold values of columns; whoever may not write them anew gets a warning.
            _vacuum(tx, "pg_statistic")
        finally:
            tx.run("RESET lock_timeout")


def _vacuum(tx: Transaction, table: str) -> None:
    analyze = sql.SQL("" if table == "pg_statistic" else ", ANALYZE")
    command = sql.SQL("VACUUM (FULL{}) {}").format(analyze, sql.Identifier(table))
    tx.connection.execute(command)


def _forget_statistics(tx: Transaction, table: str) -> None:
    """Drop the statistics of a table that is empty: a column's go when it is given its type."""
    name = sql.Identifier(table)
    with tx.connection.transaction(), tx.connection.cursor() as cursor:
        if cursor.execute(HAS_STATISTICS, {"table": table}).fetchone() is None:
            return
        cursor.execute(sql.SQL("LOCK TABLE {}").format(name))
        if cursor.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(name)).fetchone():
            return
        columns = cursor.execute(COLUMNS, {"table": table}).fetchall()
        changes = [
            sql.SQL("ALTER {} TYPE {}{}").format(
                sql.Identifier(column),
                sql.SQL(type_),
                sql.SQL(" COLLATE {}").format(sql.Identifier(schema, collation))
                if collation
                else sql.SQL(""),
            )
            for column, type_, schema, collation in columns
        ]
        cursor.execute(sql.SQL("ALTER TABLE {} {}").format(name, sql.SQL(", ").join(changes)))
