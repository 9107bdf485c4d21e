"""The statements of an append with projection, computed before: what no client can be faster than.

A store appends the frames once, and each statement that it sends is kept with its parameters. Then
the same statements are sent to a fresh database by the driver alone. What an append takes longer
than this is Python's; what this takes longer than the bare limit is the read models' rows, indexes
and pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.bare import COPY, TYPES
from benchmarks.databases import SQLITE, Databases, driver_connection
from eventstore import EventStore
from eventstore.realtime.frames import Frame
from eventstore.store.database.transaction import Row, Transaction, with_percents
from eventstore.store.log import insert_events

#: A statement with the parameters of one execution, or of many. A text of None is a COPY of rows.
Statement = tuple[str | None, Sequence[Any], bool]


@contextmanager
def _kept(statements: list[Statement]) -> Iterator[None]:
    """Keep the statements of all transactions, while they are executed."""
    run, run_many = Transaction.run, Transaction.run_many
    copy = insert_events._copy

    def kept_run(tx: Transaction, sql: str, parameters: Sequence[Any] = ()) -> int:
        statements.append((sql, parameters, False))
        return run(tx, sql, parameters)

    def kept_many(tx: Transaction, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        statements.append((sql, rows, True))
        return run_many(tx, sql, rows)

    def kept_copy(tx: Transaction, rows: Iterable[Row]) -> None:
        listed = list(rows)
        statements.append((None, listed, True))
        copy(tx, listed)

    owners: list[tuple[Any, str, Callable[..., Any]]] = [
        (Transaction, "run", kept_run),
        (Transaction, "run_many", kept_many),
        (insert_events, "_copy", kept_copy),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in owners]
    for owner, name, function in owners:
        setattr(owner, name, function)
    try:
        yield
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)


def kept_statements(
    databases: Databases, backend: str, session: str, frames: Sequence[Frame], batch: int
) -> list[list[Statement]]:
    """Append frames with projection, and return the statements of each commit."""
    commits: list[list[Statement]] = []
    with databases.fresh(backend) as url, EventStore(url) as store:
        for at in range(0, len(frames), batch):
            statements: list[Statement] = []
            with _kept(statements):
                store.append(session, frames[at : at + batch], expected_seq=at)
            commits.append(statements)
    return commits


@contextmanager
def statement_writer(
    databases: Databases, backend: str, commits: list[list[Statement]], batch: int
) -> Iterator[Callable[[int, int], None]]:
    """A writer that sends kept statements to a database of its own."""
    with databases.fresh(backend) as url, driver_connection(url) as connection:
        send = _send_sqlite if backend == SQLITE else _send_postgresql

        def write(start: int, end: int) -> None:
            for at in range(start, end, batch):
                send(connection, commits[at // batch])

        yield write


def _send_sqlite(connection: Any, statements: list[Statement]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for sql, parameters, many in statements:
        if many:
            connection.executemany(sql, parameters)
        else:
            connection.execute(sql, parameters)
    connection.execute("COMMIT")


def _send_postgresql(connection: Any, statements: list[Statement]) -> None:
    for sql, parameters, many in statements:
        if sql is None:
            with connection.cursor().copy(COPY) as copy:
                copy.set_types(TYPES)
                for row in parameters:
                    copy.write_row(row)
        elif many:
            connection.cursor().executemany(with_percents(sql), parameters)
        else:
            connection.execute(with_percents(sql), parameters)
    connection.commit()
