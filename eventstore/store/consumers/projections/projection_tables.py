"""Add a projection of one's own to a store: its tables, and its place in the list of consumers.

Called when a store is opened with projections, and by registry.py for those of installed packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Engine, String, Table, inspect

from eventstore.errors import InvalidInputError
from eventstore.realtime.values import dumps, sequence
from eventstore.store.consumers.checkpoints import make_anew
from eventstore.store.consumers.consumers import (
    DROP,
    SET_DEFINITION,
    SET_VERSION,
    Consumer,
    add_consumer,
    all_consumers,
    find_consumer,
)
from eventstore.store.consumers.projections.projection import (
    Projection,
    can_be_table,
    check_projection,
)
from eventstore.store.consumers.projections.write_projected import delete_rows_of
from eventstore.store.database.connections.driver_errors import connecting, translated
from eventstore.store.database.connections.pool import pooled
from eventstore.store.database.keys import keys_of
from eventstore.store.database.retries import run_retried, write_retried
from eventstore.store.database.transaction import Transaction, autocommit, read
from eventstore.times import now

DISTRIBUTE = (
    "SELECT create_distributed_table(?::regclass, 'session_id', colocate_with => 'streams')"
    " WHERE NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = ?::regclass)"
)
DELETE_CHECKPOINTS = "DELETE FROM checkpoints WHERE consumer = ?"


def add_projection(engine: Engine, projection: Projection[Any]) -> bool:
    """Make a projection's tables, if they are not there, and add it to the store's consumers.

    Args:
        projection: The projection.

    Returns:
        False if a newer version of the projection has been added by another process: this one must
        not run it.

    Raises:
        InvalidInputError: The projection is not declared as it must be; or a table is there with
            other columns, or belongs to another consumer.
        DatabaseUnavailableError: The database cannot be reached.
    """
    check_projection(projection)
    with read(engine) as tx:
        known = find_consumer(tx, projection.name)
        _check_owners(tx, projection)
        encrypted = keys_of(engine).engine is not None or tx.keys.name(tx) is not None
    if known is not None and known.version > projection.version:
        return False
    if encrypted:
        _check_room(projection)
    wanted = _definition(projection, known)
    if known is not None and (known.version, known.definition) == (projection.version, wanted):
        return True
    _make_tables(engine, projection)
    write_retried(engine, lambda tx: _add(tx, projection, wanted))
    return True


def _definition(projection: Projection[Any], known: Consumer | None) -> dict[str, Any]:
    names = [table.name for table in projection.tables]
    before = known.definition if known is not None else {}
    # Tables of an older version have rows of sessions until somebody drops them.
    older = {*before.get("tables", ()), *before.get("older_tables", ())} - set(names)
    return {
        "tables": names,
        "older_tables": sorted(older),
        "inline": projection.inline,
    }


def _check_owners(tx: Transaction, projection: Projection[Any]) -> None:
    names = {table.name for table in projection.tables}
    for one in all_consumers(tx):
        if one.name == projection.name and one.kind != "projection":
            raise InvalidInputError(f"{one.name} is a {one.kind} of this store: take another name")
        taken = names & set(tables_of(one)) if one.name != projection.name else set()
        if taken:
            raise InvalidInputError(f"the table {min(taken)} belongs to the projection {one.name}")


def _check_room(projection: Projection[Any]) -> None:
    for table in projection.tables:
        for column in table.columns:
            kind = column.type
            if isinstance(kind, String) and kind.length is not None and not column.primary_key:
                raise InvalidInputError(
                    f"the store is encrypted: {table.name}.{column.name} has to be Text, since a"
                    " ciphertext is longer than its text"
                )


def tables_of(consumer: Consumer) -> list[str]:
    """Return the names of all tables of a projection, also those of its older versions.

    Another program may have changed the list of consumers: what no projection can have is left out.
    """
    definition = consumer.definition
    listed = [*sequence(definition.get("tables")), *sequence(definition.get("older_tables"))]
    return [name for name in listed if can_be_table(name)]


def begin_anew(tx: Transaction, session_id: str) -> None:
    """Delete the rows that projections have made of a session, and have workers make them anew.

    Called when the events of the session have changed, because their audio was erased.
    """
    delete_rows_of(tx, session_id, projected_tables(tx))
    for one in all_consumers(tx):
        if one.kind == "projection":
            make_anew(tx, session_id, one.name, now())


def projected_tables(tx: Transaction) -> list[str]:
    """Return the names of the tables of all projections of a store."""
    return [name for one in all_consumers(tx) for name in tables_of(one)]


def _make_tables(engine: Engine, projection: Projection[Any]) -> None:
    with translated(), connecting(), pooled(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            # Of two processes that add a projection, the second one waits and finds the tables.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305120)")
        for table in projection.tables:
            if inspect(connection).has_table(table.name):
                _check_columns(connection, table)
            else:
                table.create(connection)
        connection.commit()
    with autocommit(engine) as tx:
        if tx.distributed:
            spread(tx, [table.name for table in projection.tables])


def spread(tx: Transaction, tables: Sequence[str]) -> None:
    """Citus: spread tables over the nodes by session, each row beside its session's others."""
    for name in tables:
        tx.run(DISTRIBUTE, (name, name))


def _check_columns(connection: Connection, table: Table) -> None:
    """Check that a table that is there has the columns of its declaration."""
    found = inspect(connection)
    there = [column["name"] for column in found.get_columns(table.name)]
    key = found.get_pk_constraint(table.name)["constrained_columns"]
    declared = [column.name for column in table.columns]
    if sorted(there) != sorted(declared) or key != [c.name for c in table.primary_key.columns]:
        raise InvalidInputError(
            f"the table {table.name} is there with other columns: give the table another name, such"
            f" as {table.name}_2, and raise the projection's version"
        )


def _add(tx: Transaction, projection: Projection[Any], definition: dict[str, Any]) -> None:
    name, version = projection.name, projection.version
    if add_consumer(tx, name, "projection", version, definition, now()):
        return
    known = find_consumer(tx, name)
    if known is None or known.version > version:
        return
    told = dumps(definition)
    if known.version < version:
        tx.run(SET_VERSION, (version, told, name, known.version))
    else:
        tx.run(SET_DEFINITION, (told, name))


def drop_projection(engine: Engine, name: str) -> list[str]:
    """Forget a projection, and drop its tables with all of their rows.

    Returns:
        The names of the tables.

    Raises:
        InvalidInputError: The store has no such projection.
        DatabaseUnavailableError: The database cannot be reached, or a table is in use.
    """
    with read(engine) as tx:
        known = find_consumer(tx, name)
    if known is None or known.kind != "projection":
        raise InvalidInputError(f"the store has no projection {name!r}; see: eventstore status")
    run_retried(engine, DROP, (name,))
    for table in tables_of(known):
        with autocommit(engine) as tx:
            tx.run(f'DROP TABLE IF EXISTS "{table}"')
    run_retried(engine, DELETE_CHECKPOINTS, (name,))
    return tables_of(known)
