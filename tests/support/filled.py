"""Stores that many tests begin with: filled once in a run, and then copied into an empty store.

`filled(store, name, fill)` is for an empty store. The first call in a run has `fill` fill it, and
keeps its rows in a file. Each later one, in any process of the run, writes these rows into the
store that it is given. Every test has a store of its own, which it may change.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from eventstore import EventStore
from eventstore.store.database.keys import keys_of
from eventstore.store.database.tables.declared import metadata
from eventstore.store.database.transaction import read

#: Rows of a table, as PostgreSQL copies them: the table, its columns and the bytes.
_Rows = tuple[str, str, bytes]

_COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""

_folder: Path | None = None


@pytest.fixture(scope="session", autouse=True)
def _kept_stores(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Name the folder of this run for what stores are filled with."""
    global _folder
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    _folder = base / "filled"
    _folder.mkdir(exist_ok=True)


def filled(
    store: EventStore, name: str, fill: Callable[[EventStore], object], *known_by: object
) -> EventStore:
    """Fill a store as `fill` does.

    Args:
        store: A store that is empty. One with sessions, or with keys of its own, is filled by
            `fill` itself.
        name: What is filled into the store, such as "recorded".
        fill: Fills a store. What it writes must depend on nothing but `known_by`.
        known_by: What differs from one call with this name to another, such as a parameter of the
            test, or a limit that the test has changed. Each has a `repr` that tells it from others.

    Returns:
        The store.
    """
    kind = _kind(store)
    if _folder is None or kind is None:
        fill(store)
        return store
    key = hashlib.sha256(repr((name, fill.__module__, known_by, kind)).encode()).hexdigest()[:24]
    path = _folder / key
    with (_folder / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            fill(store)
            partial = path.with_suffix(".part")
            _KEEP[store.engine.dialect.name](store, partial)
            partial.rename(path)
            return store
    _WRITE[store.engine.dialect.name](store, path)
    return store


def _kind(store: EventStore) -> str | None:
    """The kind of a store's database; None if the rows of another store cannot be its own."""
    if keys_of(store.engine).engine is not None:
        return None
    with read(store.engine) as tx:
        if tx.rows("SELECT 1 FROM streams UNION ALL SELECT 1 FROM consumers LIMIT 1"):
            return None
        return f"{store.engine.dialect.name}, {'spread' if tx.distributed else 'whole'}"


def _dsn(store: EventStore) -> str:
    url = store.engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def _keep_sqlite(store: EventStore, path: Path) -> None:
    _back_up(str(store.engine.url.database), str(path))


def _write_sqlite(store: EventStore, path: Path) -> None:
    _back_up(str(path), str(store.engine.url.database))


def _back_up(source: str, target: str) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        written.execute("PRAGMA synchronous = OFF")
        read.backup(written)


def _keep_postgresql(store: EventStore, path: Path) -> None:
    rows: list[_Rows] = []
    with psycopg.connect(_dsn(store)) as connection:
        for table in metadata.sorted_tables:
            (columns,) = connection.execute(_COLUMNS, (table.name,)).fetchall()[0]
            copied = _copied(connection, f"SELECT {columns} FROM {table.name}")
            if connection.execute(f"SELECT EXISTS (SELECT 1 FROM {table.name})").fetchall()[0][0]:
                rows.append((table.name, columns, copied))
    path.write_bytes(pickle.dumps(rows))


def _copied(connection: psycopg.Connection[Any], query: str) -> bytes:
    with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)".encode()) as copy:
        return b"".join(bytes(part) for part in copy)


def _write_postgresql(store: EventStore, path: Path) -> None:
    rows: list[_Rows] = pickle.loads(path.read_bytes())
    with psycopg.connect(_dsn(store)) as connection:
        for table, columns, copied in rows:
            into = f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)"
            with connection.cursor().copy(into.encode()) as copy:
                copy.write(copied)


_KEEP = {"sqlite": _keep_sqlite, "postgresql": _keep_postgresql}
_WRITE = {"sqlite": _write_sqlite, "postgresql": _write_postgresql}
