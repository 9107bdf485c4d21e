"""Rewrite PostgreSQL's tables, and remove statistics with values of deleted rows.

Called by scrub.py and vacuum.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import Cursor, errors, sql
from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError
from eventstore.store.database.connections.pool import connections_of
from eventstore.store.database.transaction import Transaction, autocommit
from eventstore.store.maintenance.older_transactions import waiting

# ANALYZE does not change the statistics of an empty table, which contain values that were erased.
_STATISTICS = """
FROM pg_stats
WHERE (schemaname, tablename) IN (
  SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = to_regclass(%(table)s)
     OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass(%(table)s)))
AND (most_common_vals IS NOT NULL OR histogram_bounds IS NOT NULL OR most_common_elems IS NOT NULL)
"""
HAS_STATISTICS = f"SELECT 1 {_STATISTICS} LIMIT 1"
#: PostgreSQL 18 and later.
CAN_CLEAR = """
SELECT to_regprocedure('pg_catalog.pg_clear_attribute_stats(text,text,text,boolean)') IS NOT NULL"""
CLEAR = (
    "SELECT pg_catalog.pg_clear_attribute_stats(schemaname, tablename, attname, inherited)"
    f" {_STATISTICS}"
)
#: The columns of a table that must have a value, and an empty value for each.
EMPTY_ROW = """
SELECT a.attname, CASE t.typcategory WHEN 'N' THEN '0' WHEN 'B' THEN 'false' ELSE '' END
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
AND a.attnotnull AND a.attgenerated = '' AND a.attidentity = ''"""
#: How long to wait for the lock of a table in use, in seconds. All later users of the table wait
#: behind this process.
LOCK_WAIT = 10.0
#: What PostgreSQL says of a table that it passes over, and the seconds between two attempts.
LOCK_NOT_AVAILABLE, _LOOK_AGAIN = "55P03", 0.01
FILE = "SELECT pg_relation_filenode(to_regclass(?))"


def scrub_tables(engine: Engine, of_tables: Sequence[str]) -> None:
    """Rewrite tables without a byte of deleted rows. Each table is locked while it is rewritten.

    Args:
        of_tables: Their names.

    Raises:
        DatabaseUnavailableError: Another process holds a table for longer than `LOCK_WAIT`, or
            something keeps deleted rows for longer than `older_transactions.WAIT`, or the user has
            no right to rewrite a table. The tables behind it are not rewritten.
    """
    with autocommit(engine) as tx:
        try:
            _wait_for_older(tx)
            for table in of_tables:
                _rewrite(engine, tx, table)
                _forget_statistics(tx, table)
            # Statistics contain values of columns.
            _wait_for_older(tx, of_catalogs=True)
            _rewrite(engine, tx, "pg_statistic")
        except DatabaseUnavailableError as error:
            raise DatabaseUnavailableError(
                f"what was erased may still be in the database's files: {error}"
            ) from error


def rewrite_tables(engine: Engine, of_tables: Sequence[str]) -> None:
    """Rewrite tables, to give the space of deleted rows back, without those that are still kept.

    Raises:
        DatabaseUnavailableError: Another process holds a table for longer than `LOCK_WAIT`, or the
            user has no right to rewrite a table. The tables behind it are not rewritten.
    """
    with autocommit(engine) as tx:
        for table in of_tables:
            _rewrite(engine, tx, table)


def _wait_for_older(tx: Transaction, of_catalogs: bool = False) -> None:
    try:
        tx.connection.execute(waiting(of_catalogs))
    except errors.LockNotAvailable as error:
        raise DatabaseUnavailableError(
            f"{error.diag.message_primary}; run the same command again"
        ) from error


def _rewrite(engine: Engine, tx: Transaction, table: str) -> None:
    """Rewrite a table, and raise DatabaseUnavailableError if its file is the same one afterwards.

    PostgreSQL only warns a user who has no right to do it.
    """
    before = tx.row(FILE, (table,))
    vacuum = _vacuum_behind_pooler if connections_of(engine).behind_pooler else _vacuum
    with _locking(table):
        vacuum(tx, table)
    if tx.row(FILE, (table,)) == before:
        raise DatabaseUnavailableError(
            f"the files of {table} were not written again: the user must own the tables and the"
            " database"
        )


@contextmanager
def _locking(table: str) -> Iterator[None]:
    """Translate the error of a lock that was waited for in vain."""
    try:
        yield
    except errors.LockNotAvailable as error:
        raise DatabaseUnavailableError(
            f"another process uses the table {table}; run the same command again"
        ) from error


def _vacuum(tx: Transaction, table: str) -> None:
    tx.run(f"SET lock_timeout = {_wait_ms()}")
    try:
        tx.connection.execute(_command(table, sql.SQL("")))
    finally:
        tx.run("RESET lock_timeout")


def _vacuum_behind_pooler(tx: Transaction, table: str) -> None:
    """Rewrite a table as soon as nobody uses it.

    A limit that was set for the session would hold for another program, which gets the connection
    next, and not for this statement. So PostgreSQL is asked again and again not to wait at all.
    """
    skipped: list[str | None] = []

    def note(notice: errors.Diagnostic) -> None:
        skipped.append(notice.sqlstate)

    end = time.monotonic() + LOCK_WAIT
    tx.connection.add_notice_handler(note)
    try:
        while True:
            skipped.clear()
            tx.connection.execute(_command(table, sql.SQL(", SKIP_LOCKED")))
            if LOCK_NOT_AVAILABLE not in skipped:
                return
            if time.monotonic() > end:
                raise errors.LockNotAvailable
            time.sleep(_LOOK_AGAIN)
    finally:
        tx.connection.remove_notice_handler(note)


def _wait_ms() -> int:
    return int(LOCK_WAIT * 1000)


def _command(table: str, more: sql.SQL) -> sql.Composed:
    analyze = sql.SQL("" if table == "pg_statistic" else ", ANALYZE")
    return sql.SQL("VACUUM (FULL{}{}) {}").format(analyze, more, sql.Identifier(table))


def _forget_statistics(tx: Transaction, table: str) -> None:
    """Drop the statistics with values of a table that is empty: ANALYZE leaves those alone."""
    name = sql.Identifier(table)
    with _locking(table), tx.connection.transaction(), tx.connection.cursor() as cursor:
        if cursor.execute(HAS_STATISTICS, {"table": table}).fetchone() is None:
            return
        cursor.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_wait_ms()))
        cursor.execute(sql.SQL("LOCK TABLE {}").format(name))
        if cursor.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(name)).fetchone():
            return
        if cursor.execute(CAN_CLEAR).fetchone() == (True,):
            cursor.execute(CLEAR, {"table": table})
        else:
            _replace_statistics(cursor, table)


def _replace_statistics(cursor: Cursor[Any], table: str) -> None:
    """Replace the statistics of an empty table by those of a row without content.

    Nobody sees the row, because the table is locked.
    """
    name = sql.Identifier(table)
    row = dict(cursor.execute(EMPTY_ROW, {"table": table}).fetchall())
    columns = sql.SQL(", ").join(map(sql.Identifier, row))
    values = sql.SQL(", ").join(map(sql.Literal, row.values()))
    cursor.execute(sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(name, columns, values))
    cursor.execute(sql.SQL("ANALYZE {}").format(name))
    cursor.execute(sql.SQL("TRUNCATE {}").format(name))
