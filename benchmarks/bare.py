"""The bare limit: the same rows into an identical table, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from benchmarks.databases import SQLITE, Databases, driver_connection
from eventstore.realtime.frames import Frame
from eventstore.store.log.insert_events import decoded_rows

Row = tuple[Any, ...]

COLUMNS = "session_id, seq, at, direction, type, frame, audio_offset, audio_bytes, load_key, audio"
INSERT = f"INSERT INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_PG = INSERT.replace("?", "%s")
COPY = f"COPY events ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
TYPES = ("varchar", "int8", "int8", "varchar", "varchar", "text", "int4", "int4", "text", "bytea")


class Writer(Protocol):
    """Writes rows, committed when it returns."""

    def __call__(self, rows: Sequence[Row]) -> None:
        """Write."""


def event_rows(session_id: str, frames: Sequence[Frame]) -> list[Row]:
    """The rows that the log holds for frames, ready to insert."""
    return list(decoded_rows(session_id, 0, frames, None, None))


@contextmanager
def bare_writer(databases: Databases, backend: str, single: bool) -> Iterator[Writer]:
    """A writer on a database of its own, with the events table alone.

    Args:
        single: one row a commit, by INSERT.
    """
    with databases.fresh(backend) as url, driver_connection(url) as connection:
        _drop_others(connection, backend)
        if backend == SQLITE:
            yield _sqlite_writer(connection)
        elif single:
            connection.autocommit = True
            yield lambda rows: connection.execute(INSERT_PG, rows[0])
        else:
            yield copy_writer(connection)


def _sqlite_writer(connection: Any) -> Writer:
    def write(rows: Sequence[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        if len(rows) == 1:
            connection.execute(INSERT, rows[0])
        else:
            connection.executemany(INSERT, rows)
        connection.execute("COMMIT")

    return write


def copy_writer(connection: Any) -> Writer:
    """A writer by COPY on a connection to PostgreSQL."""

    def write(rows: Sequence[Row]) -> None:
        with connection.cursor().copy(COPY) as copy:
            copy.set_types(TYPES)
            for row in rows:
                copy.write_row(row)
        connection.commit()

    return write


def _drop_others(connection: Any, backend: str) -> None:
    """Leave the events table alone, as the migration made it."""
    if backend == SQLITE:
        listed = (
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND name NOT LIKE 'said_%'"
        )
    else:
        listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    names = [row[0] for row in connection.execute(listed).fetchall()]
    with_views = "" if backend == SQLITE else " CASCADE"
    for name in names:
        if name != "events":
            connection.execute(f"DROP TABLE {name}{with_views}")
    connection.commit()
