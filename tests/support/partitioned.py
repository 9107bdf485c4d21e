"""A store on tables that PostgreSQL partitions by session, in place of a cluster.

It stands in for Citus, which is in no package registry. Partitions refuse what shards refuse: a
unique index without the session, and a foreign key to a part of one. The store is told that its
tables are spread, so it takes the ways that it takes on a cluster. What Citus alone refuses or
answers, tests with `TEST_CITUS` show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import Engine

from eventstore.store.database import engine as engines
from eventstore.store.database.connections.pool import close_all
from eventstore.store.database.transaction import autocommit
from eventstore.store.database.views.create_views import create_views, drop_views

PARTITIONS = 4

_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'session_id' AND NOT a.attisdropped
WHERE c.relkind = 'r' AND n.nspname = 'public' ORDER BY c.relname
"""
_KEYS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = to_regclass(%s) AND contype IN ('p', 'u', 'c')
"""
_INDEXES = """
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i
WHERE i.indrelid = to_regclass(%s)
  AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
"""
IS_PARTITIONED = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass('streams')"


def partition(url: str) -> None:
    """Make each table with sessions of a new store one that is partitioned by them.

    The name of a node's group is the only thing that the store asks a cluster for on the way.
    """
    engine = engines.create(url)
    with engine.begin() as views:
        drop_views(views)
    with psycopg.connect(url, autocommit=True) as connection:
        tables = [name for (name,) in connection.execute(_TABLES).fetchall()]
        for table in tables:
            _partition_table(connection, table)
        connection.execute("CREATE TABLE pg_dist_local_group AS SELECT 0 AS groupid")
    with engine.begin() as views:
        create_views(views)
    close_all(engine)


def vacuum_partitions(engine: Engine, of_tables: Sequence[str]) -> None:
    """Do what commands to the nodes of a cluster do there; the stand-in has none."""
    with autocommit(engine) as tx:
        for table in of_tables:
            tx.run(f"VACUUM (FULL) {table}")


def _partition_table(connection: psycopg.Connection[Any], table: str) -> None:
    keys = connection.execute(_KEYS, (table,)).fetchall()
    indexes = [sql for (sql,) in connection.execute(_INDEXES, (table,)).fetchall()]
    like = "INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING STATISTICS"
    statements = [
        f"ALTER TABLE {table} RENAME TO {table}_plain",
        f"CREATE TABLE {table} (LIKE {table}_plain {like}) PARTITION BY HASH (session_id)",
        f"DROP TABLE {table}_plain",
        *(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for name, definition in keys),
        *(
            f"CREATE TABLE {table}_{number} PARTITION OF {table}"
            f" FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})"
            for number in range(PARTITIONS)
        ),
        *indexes,
    ]
    for statement in statements:
        connection.execute(statement.encode())


def is_partitioned(connection: Any) -> bool:
    """Return True if a connection leads to a store that `partition` has made."""
    row = connection.execute(IS_PARTITIONED, prepare=False).fetchone()
    return row is not None and bool(row[0])
