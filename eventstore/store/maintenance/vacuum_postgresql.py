"""Rewrite PostgreSQL's tables, and remove statistics with values of deleted rows.

Called by scrub.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql
from sqlalchemy import Engine

from eventstore.store.database.transaction import Transaction, autocommit

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
#: How long to wait for the lock of a table in use. All later users of the table wait behind this
#: process.
LOCK_WAIT = "10s"


def vacuum_tables(engine: Engine, of_tables: Sequence[str]) -> None:
    """Rewrite tables, one after the other. Each table is locked while it is rewritten.

    Args:
        of_tables: Their names.

    Raises:
        psycopg.Error: Another process holds a table for longer than `LOCK_WAIT`; the tables behind
            it are not rewritten.
    """
    with autocommit(engine) as tx:
        tx.run(f"SET lock_timeout = '{LOCK_WAIT}'")
        try:
            for table in of_tables:
                _vacuum(tx, table)
                _forget_statistics(tx, table)
            # Statistics contain values of columns. A user without the right to rewrite them gets a
            # warning.
            _vacuum(tx, "pg_statistic")
        finally:
            tx.run("RESET lock_timeout")


def _vacuum(tx: Transaction, table: str) -> None:
    analyze = sql.SQL("" if table == "pg_statistic" else ", ANALYZE")
    command = sql.SQL("VACUUM (FULL{}) {}").format(analyze, sql.Identifier(table))
    tx.connection.execute(command)


def _forget_statistics(tx: Transaction, table: str) -> None:
    """Drop the statistics of a table that is empty, by setting the type of each column again."""
    name = sql.Identifier(table)
    with tx.connection.transaction(), tx.connection.cursor() as cursor:
        if cursor.execute(HAS_STATISTICS, {"table": table}).fetchone() is None:
            return
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
