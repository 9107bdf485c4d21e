"""Rewrite PostgreSQL's tables, and remove statistics with values of deleted rows.

Called by scrub.py and vacuum.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import errors, sql
from sqlalchemy import Engine

from eventstore.errors import DatabaseUnavailableError
from eventstore.store.database.connections.pool import connections_of
from eventstore.store.database.transaction import Transaction, autocommit
from eventstore.store.maintenance.older_transactions import waiting

# ANALYZE does not change the statistics of an empty table, which contain values that were erased.
HAS_STATISTICS = """
SELECT 1 FROM pg_stats
WHERE (schemaname, tablename) IN (
  SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = to_regclass(%(table)s)
     OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass(%(table)s)))
LIMIT 1"""
TABLE_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), n.nspname, c.collname
FROM pg_attribute a
LEFT JOIN pg_collation c ON c.oid = a.attcollation
LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped"""
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
    """Drop the statistics of a table that is empty, by setting the type of each column again."""
    name = sql.Identifier(table)
    with _locking(table), tx.connection.transaction(), tx.connection.cursor() as cursor:
        if cursor.execute(HAS_STATISTICS, {"table": table}).fetchone() is None:
            return
        cursor.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_wait_ms()))
        cursor.execute(sql.SQL("LOCK TABLE {}").format(name))
        if cursor.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(name)).fetchone():
            return
        columns = cursor.execute(TABLE_COLUMNS, {"table": table}).fetchall()
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
