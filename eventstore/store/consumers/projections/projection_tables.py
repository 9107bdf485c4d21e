"""Add a projection of one's own to a store: its tables, and its place in the list of consumers.

Called when a store is opened with projections, and by registry.py for those of installed packages.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, String

from eventstore.errors import DatabaseUnavailableError, InvalidInputError
from eventstore.realtime.values import dumps, sequence
from eventstore.store.consumers.checkpoints import make_anew
from eventstore.store.consumers.consumers import (
    DROP,
    SET_DEFINITION,
    SET_VERSION,
    START_AGAIN,
    Consumer,
    add_consumer,
    all_consumers,
    find_consumer,
)
from eventstore.store.consumers.projections.declared_columns import declared_columns, make_tables
from eventstore.store.consumers.projections.projection import (
    Projection,
    can_be_table,
    check_projection,
)
from eventstore.store.consumers.projections.write_projected import (
    delete_rows_of,
    existing_tables,
)
from eventstore.store.database.connections.driver_errors import (
    connecting,
    raise_translated,
    translated,
)
from eventstore.store.database.connections.pool import connections_of, pooled
from eventstore.store.database.engine_options import ALLOWED, KEY_RING
from eventstore.store.database.keys import keys_of
from eventstore.store.database.outages import is_outage
from eventstore.store.database.retries import retried
from eventstore.store.database.transaction import Transaction, autocommit, read_directly
from eventstore.times import now

_LOGGER = logging.getLogger("eventstore")
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
            other columns, belongs to another consumer, or is refused by the database.
        DatabaseUnavailableError: The database cannot be reached.
    """
    check_projection(projection)
    names = [table.name for table in projection.tables]
    with read_directly(engine) as tx:  # A replica may not have yet what another process has added.
        known = find_consumer(tx, projection.name)
        are_there = len(existing_tables(tx, names)) == len(names)
        encrypted = keys_of(engine).engine is not None or tx.keys.name(tx) is not None
        is_distributed = tx.distributed
    if known is not None and known.version > projection.version:
        _warn_of_older(projection, known.version)
        return False
    if encrypted:
        _check_room(projection)
    if not (are_there and _is_noted(known, projection)) and not _added(engine, projection):
        return False
    if is_distributed:
        with autocommit(engine) as tx:
            spread(tx, names)
    return True


def _added(engine: Engine, projection: Projection[Any]) -> bool:
    """Do what `_add` does, again if it met another process.

    Raises:
        InvalidInputError: The database refuses a table: an index has a name that is taken, or a
            column has one that the database keeps for itself.
    """
    try:
        return retried(lambda: _add(engine, projection))
    except DatabaseUnavailableError as error:
        if is_outage(error):
            raise
        told = f"the database refuses the tables of the projection {projection.name}: {error}"
        raise InvalidInputError(told) from error


def _warn_of_older(projection: Projection[Any], newest: int) -> None:
    _LOGGER.warning(
        "the projection %s is not run: its version here is %d, and the store has version %d; raise"
        " it above that, also to go back to older code",
        projection.name,
        projection.version,
        newest,
    )


def _is_noted(known: Consumer | None, projection: Projection[Any]) -> bool:
    """Return True if the list of consumers has the projection exactly as it is declared."""
    if known is None or known.kind != "projection" or known.version != projection.version:
        return False
    return known.definition == _definition(projection, known)


def _definition(projection: Projection[Any], known: Consumer | None) -> dict[str, Any]:
    names = [table.name for table in projection.tables]
    before = known.definition if known is not None else {}
    # Tables of an older version have rows of sessions until somebody drops them.
    older = {*before.get("tables", ()), *before.get("older_tables", ())} - set(names)
    return {
        "tables": names,
        "older_tables": sorted(older),
        "inline": projection.inline,
        "columns": {table.name: declared_columns(table) for table in projection.tables},
    }


def _add(engine: Engine, projection: Projection[Any]) -> bool:
    """Make the tables and put the projection on the list, in one transaction.

    Processes do this one after the other. So of two projections that declare the same table, the
    second one finds that it belongs to the first.

    Returns:
        False, with nothing written, if a newer version has been added.
    """
    with _changing(engine) as (connection, tx):
        known = find_consumer(tx, projection.name)
        _check_owners(tx, projection)
        if known is not None and known.version > projection.version:
            return False
        made = make_tables(connection, projection.tables)
        _put(tx, projection, known, made)
        connection.commit()
    return True


def _put(
    tx: Transaction, projection: Projection[Any], known: Consumer | None, made: list[str]
) -> None:
    """Put a projection on the list of consumers, or note there what has changed."""
    name, version, definition = projection.name, projection.version, _definition(projection, known)
    if known is None:
        if not add_consumer(tx, name, "projection", version, definition, now()):
            raise InvalidInputError(f"{name} was added to this store just now: take another name")
        tx.run(DELETE_CHECKPOINTS, (name,))  # An append may have left some since it was dropped.
        return
    told = dumps(definition)
    if known.version < version:
        tx.run(SET_VERSION, (version, told, name, known.version))
        return
    tx.run(SET_DEFINITION, (told, name))
    if made:  # Somebody has dropped a table: its rows are made anew.
        tx.run(DELETE_CHECKPOINTS, (name,))
        tx.run(START_AGAIN, (now(), name))


class _OnConnection(Transaction):
    """A transaction on a connection of SQLAlchemy.

    Its user has marked the whole of it as one call of the driver (`pooled`): a fork waits for its
    end, so that it must not wait for the fork.
    """

    def begin_call(self) -> None:
        """Do nothing."""


@contextmanager
def _changing(engine: Engine) -> Iterator[tuple[Connection, Transaction]]:
    """Begin a transaction that changes tables of projections; one process at a time has one.

    The block commits it.

    Yields:
        SQLAlchemy's connection, and a transaction on the same connection of the driver.
    """
    with translated(), connecting(), pooled(engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            # What another process has committed while this one waited has to be seen.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305120)")
        options = engine.get_execution_options()
        tx = _OnConnection(engine.dialect.name, options[KEY_RING], options[ALLOWED])
        tx.connection = connection.connection.driver_connection
        try:
            yield connection, tx
        except Exception as error:
            raise_translated(error)
            raise
    connections_of(engine).commits.add()


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


def spread(tx: Transaction, tables: Sequence[str]) -> None:
    """Citus: spread tables over the nodes by session, each row beside its session's others."""
    for name in tables:
        tx.run(DISTRIBUTE, (name, name))


def drop_projection(engine: Engine, name: str) -> list[str]:
    """Forget a projection, and drop its tables with all of their rows.

    Returns:
        The names of the tables.

    Raises:
        InvalidInputError: The store has no such projection.
        DatabaseUnavailableError: The database cannot be reached, or a table is in use.
    """
    dropped = retried(lambda: _drop(engine, name))
    # In a transaction of its own: an append that has its checkpoint may wait for the table.
    retried(lambda: _forget_checkpoints(engine, name))
    return dropped


def _drop(engine: Engine, name: str) -> list[str]:
    # In one transaction, so that a process that adds the projection again makes its tables anew.
    with _changing(engine) as (connection, tx):
        known = find_consumer(tx, name)
        if known is None or known.kind != "projection":
            raise InvalidInputError(f"the store has no projection {name!r}; see: eventstore status")
        tx.run(DROP, (name,))
        for table in tables_of(known):
            tx.run(f'DROP TABLE IF EXISTS "{table}"')
        connection.commit()
    return tables_of(known)


def _forget_checkpoints(engine: Engine, name: str) -> None:
    with _changing(engine) as (connection, tx):
        if find_consumer(tx, name) is None:  # It may have been added again.
            tx.run(DELETE_CHECKPOINTS, (name,))
        connection.commit()
