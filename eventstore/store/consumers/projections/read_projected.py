"""Read the rows of a projection of one's own, decrypted, session by session.

Called by the verb `projected`. The tables are read as the database describes them, so that the
projection's code need not be installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, MetaData, Table
from sqlalchemy.exc import NoSuchTableError

from eventstore.encryption.cipher import CipherError
from eventstore.errors import DatabaseUnavailableError, EventStoreError, InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.store.consumers.consumers import find_consumer
from eventstore.store.consumers.projections.projection_tables import tables_of
from eventstore.store.consumers.projections.write_projected import read_sql, readable_row
from eventstore.store.database.connections.driver_errors import translated
from eventstore.store.database.connections.pool import pooled
from eventstore.store.database.engine_options import replica_of
from eventstore.store.database.transaction import read

_IN_SCOPE = (
    " AND EXISTS (SELECT 1 FROM session_metadata m WHERE m.session_id = t.session_id"
    " AND m.key = ? AND m.value = ?)"
)
_PAGE = 200


def read_projected(
    engine: Engine,
    projection: str,
    session_id: str | None,
    table: str | None,
    scope: Condition | None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table of a projection, by session and primary key.

    Args:
        session_id: Only this session's; None for all.
        table: The table; None for the only one.
        scope: A pair of metadata; other sessions are treated as not there.

    Raises:
        InvalidInputError: There is no such projection or table.
        EventStoreError: A row was changed, and cannot be decrypted.
        MissingKeyError: The store is encrypted, and a session's key is not at hand.
    """
    found = _table(engine, projection, table)
    ids = [session_id] if session_id is not None else _sessions(engine, found, scope)
    return (row for id_ in ids for row in _rows_of(engine, projection, found, id_))


def _table(engine: Engine, projection: str, name: str | None) -> Table:
    with read(engine) as tx:
        consumer = find_consumer(tx, projection)
    if consumer is None or consumer.kind != "projection":
        raise InvalidInputError(f"the store has no projection {projection!r}")
    names = tables_of(consumer)
    current = consumer.definition.get("tables", [])
    if name is None and len(current) != 1:
        raise InvalidInputError(f"{projection} has several tables; name one: {', '.join(names)}")
    name = current[0] if name is None else name
    if name not in names:
        raise InvalidInputError(f"{projection} has no table {name!r}; it has {', '.join(names)}")
    try:
        return _described(engine, name)
    except DatabaseUnavailableError:
        replica = replica_of(engine)
        if replica is None:
            raise
        return _described(replica.engine, name)


def _described(engine: Engine, name: str) -> Table:
    with translated(), pooled(engine), engine.connect() as connection:
        try:
            return Table(name, MetaData(), autoload_with=connection)
        except NoSuchTableError as error:
            told = (
                f"the table {name} was dropped; the next process that has its projection makes it"
            )
            raise InvalidInputError(told) from error


def _sessions(engine: Engine, table: Table, scope: Condition | None) -> Iterator[str]:
    which, filters = ("", ()) if scope is None else (_IN_SCOPE, (scope.key, scope.value))
    sql = (
        f'SELECT DISTINCT t.session_id FROM "{table.name}" t WHERE t.session_id > ?{which}'
        " ORDER BY t.session_id LIMIT ?"
    )
    after = ""
    while True:
        with read(engine) as tx:
            page = [row[0] for row in tx.rows(sql, (after, *filters, _PAGE))]
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1]


def _rows_of(
    engine: Engine, projection: str, table: Table, session_id: str
) -> Iterator[dict[str, Any]]:
    with read(engine) as tx:
        try:
            rows = [readable_row(tx, table, row) for row in tx.rows(read_sql(table), (session_id,))]
        except CipherError as error:
            raise EventStoreError(
                f"session {session_id}: a row of {table.name} was changed, and cannot be decrypted,"
                " or is from before the session had a key;"
                f" run: eventstore rebuild {session_id} --projection {projection}"
            ) from error
    for row in rows:
        yield dict(zip(table.columns.keys(), row, strict=True))
