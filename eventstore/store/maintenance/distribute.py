"""Spread a store's tables over the nodes of a Citus cluster, by the ids of sessions.

Citus is an extension of PostgreSQL. A distributed table is divided into shards by a column, and
each node of the cluster has some of the shards. Here that column is `session_id`, so all rows of a
session are on one node. The few tables that belong to the whole store are reference tables, which
each node has as a whole. Called by verbs/upkeep.py, for `eventstore distribute`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.common.arguments import check_whole
from eventstore.errors import InvalidInputError
from eventstore.store.consumers.projections.projection_tables import projected_tables
from eventstore.store.consumers.projections.write_projected import existing_tables
from eventstore.store.database import schema
from eventstore.store.database.connections.distribution import HAS_CITUS, refusal_of_worker
from eventstore.store.database.connections.pool import look_again
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.tables.day_tables import DAY_SUM_TABLES, summed_days
from eventstore.store.database.transaction import Transaction, autocommit, read

#: The least that a cluster of a few nodes can be divided into, and grow with.
DEFAULT_SHARDS = 32
MOST_SHARDS = 1024

#: How long to wait for the lock of a table in use, as a setting of PostgreSQL. All later users of
#: the table wait behind it.
LOCK_WAIT = "10s"

_OF_THE_STORE = (
    tables.key_stores,
    tables.store_ids,
    tables.consumers,
    summed_days,
    *DAY_SUM_TABLES,
)
#: The tables that each node has as a whole.
REFERENCE_TABLES = (
    "alembic_version",
    *(table.name for table in _OF_THE_STORE),
)
#: The table whose shards decide where the rows of a session are.
FIRST_TABLE = tables.streams.name

KINDS = "SELECT logicalrelid::text, partmethod::text FROM pg_dist_partition"
NODES = (
    "SELECT nodename, nodeport, groupid = 0 FROM pg_dist_node"
    " WHERE noderole = 'primary' AND isactive ORDER BY groupid"
)
SHARDS = (
    "SELECT s.nodename, s.nodeport, COUNT(*), COALESCE(SUM(s.shard_size), 0),"
    " COALESCE(SUM(c.result::bigint), 0) FROM citus_shards s"
    " LEFT JOIN run_command_on_shards('streams',"
    " 'SELECT COUNT(*) FROM %s WHERE erased_at IS NULL') c ON c.shardid = s.shardid"
    " WHERE s.citus_table_type = 'distributed' GROUP BY s.nodename, s.nodeport"
)
TRUNCATE_LOCAL = "SELECT truncate_local_data_after_distributing_table(?::regclass)"
DATABASE = "SELECT quote_ident(current_database())"
_DISTRIBUTED, _REFERENCE = "distributed", "reference"


class TableStep(NamedTuple):
    """What was done with a table, or is to be done.

    Attributes:
        table: Its name.
        kind: `distributed`, or `reference` for a table that each node has as a whole.
    """

    table: str
    kind: str


class Node(NamedTuple):
    """A node of a cluster.

    Attributes:
        host: Its host, as the coordinator calls it.
        port: Its port.
        coordinator: True for the node that plans what concerns several nodes.
        shards: How many shards of the store's tables it has.
        bytes: How many bytes these shards have.
        sessions: How many sessions they have.
    """

    host: str
    port: int
    coordinator: bool
    shards: int
    bytes: int
    sessions: int


def missing_steps(engine: Engine) -> list[TableStep]:
    """Return what has to be done until all tables of a store are spread over the nodes.

    Raises:
        InvalidInputError: The database has no Citus, or is not the cluster's coordinator.
        SchemaError: The schema is missing, or is not the one that this code needs.
    """
    if engine.dialect.name != "postgresql":
        raise InvalidInputError("only a store on PostgreSQL with Citus can be distributed")
    schema.ensure(engine)
    with read(engine) as tx:
        _check_coordinator(tx)
        kinds = _kinds(tx)
        own = existing_tables(tx, projected_tables(tx))
    ordered = [FIRST_TABLE, *sorted({*_session_tables(), *own} - {FIRST_TABLE})]
    steps = [TableStep(name, _DISTRIBUTED) for name in ordered]
    steps += [TableStep(name, _REFERENCE) for name in REFERENCE_TABLES]
    return [step for step in steps if kinds.get(step.table) != step.kind]


def distribute(engine: Engine, shards: int = DEFAULT_SHARDS) -> Iterator[TableStep]:
    """Spread the tables that are not yet spread, and yield each when it is done.

    Each table is done in a transaction of its own. A table with rows is locked for writing while
    its rows are copied to the nodes: appends wait, and recorders keep frames in their spool.

    Args:
        engine: The engine of the coordinator's database.
        shards: Into how many shards the tables are divided, if none is yet.

    Raises:
        InvalidInputError: See `missing_steps`; or the number of shards is not valid.
        SchemaError: See `missing_steps`.
        DatabaseUnavailableError: A node does not answer, or another process holds a table for
            longer than `LOCK_WAIT`. What was yielded before is done.
    """
    check_whole("shards", shards, 1)
    if shards > MOST_SHARDS:
        raise InvalidInputError(f"shards: give a number from 1 to {MOST_SHARDS}")
    steps = missing_steps(engine)
    with autocommit(engine) as tx:
        _set_up(tx)
        for step in steps:
            with _limited(tx):
                _spread(tx, step, shards)
                # The rows were copied to the shards, and stay in the local table until this.
                tx.run(TRUNCATE_LOCAL, (step.table,))
            look_again(engine)
            yield step


@contextmanager
def _limited(tx: Transaction) -> Iterator[None]:
    """Limit how long the statements of the block wait for the lock of a table in use."""
    with tx.connection.transaction():
        tx.run("SELECT set_config('lock_timeout', ?, true)", (LOCK_WAIT,))
        yield


def _spread(tx: Transaction, step: TableStep, shards: int) -> None:
    if step.kind == _REFERENCE:
        tx.run("SELECT create_reference_table(?::regclass)", (step.table,))
    elif step.table == FIRST_TABLE:
        tx.run(
            "SELECT create_distributed_table(?::regclass, 'session_id', shard_count => ?)",
            (step.table, shards),
        )
    else:
        tx.run(
            "SELECT create_distributed_table(?::regclass, 'session_id',"
            f" colocate_with => '{FIRST_TABLE}')",
            (step.table,),
        )


def spread_new_tables(engine: Engine) -> None:
    """Spread the tables that an upgrade has made, if the store is spread over a cluster.

    Raises:
        DatabaseUnavailableError: A node does not answer.
    """
    with read(engine) as tx:
        is_spread = tx.distributed
    if is_spread:
        list(distribute(engine))


def rebalance(engine: Engine) -> None:
    """Move shards until all nodes have about as many bytes, while the store is in use.

    Citus moves them in jobs of its own, for which no limit of this connection for locks holds.

    Raises:
        InvalidInputError: The database has no Citus, or is not the cluster's coordinator.
        DatabaseUnavailableError: A node does not answer.
    """
    with read(engine) as tx:
        _check_coordinator(tx)
    with autocommit(engine) as tx:
        tx.run("SELECT citus_rebalance_start()")
        tx.run("SELECT citus_rebalance_wait()")


def list_nodes(engine: Engine) -> list[Node]:
    """Return the nodes over which a store is spread; none if it is not distributed."""
    with autocommit(engine) as tx:
        if not tx.distributed:
            return []
        found = {(host, port): rest for host, port, *rest in tx.rows(SHARDS)}
        return [
            Node(host, port, is_coordinator, *map(int, found.get((host, port), (0, 0, 0))))
            for host, port, is_coordinator in tx.rows(NODES)
        ]


def _check_coordinator(tx: Transaction) -> None:
    if not tx.rows(HAS_CITUS)[0][0]:
        raise InvalidInputError(
            "the database has no Citus: run CREATE EXTENSION citus in this database on each node,"
            " and tell the coordinator of its workers by citus_add_node (see docs/scale.md)"
        )
    refusal = refusal_of_worker(tx.row)
    if refusal is not None:
        raise InvalidInputError(refusal)


def _kinds(tx: Transaction) -> Mapping[str, str]:
    """Return by table what Citus has made of it."""
    names = {"h": _DISTRIBUTED, "n": _REFERENCE}
    return {table: names.get(method, "") for table, method in tx.rows(KINDS)}


def _session_tables() -> set[str]:
    return set(tables.metadata.tables) - set(REFERENCE_TABLES)


def _set_up(tx: Transaction) -> None:
    # SET LOCAL on the coordinator, such as a limit of time, has to hold on the nodes, too.
    database: Any = tx.rows(DATABASE)[0][0]
    tx.run(f"ALTER DATABASE {database} SET citus.propagate_set_commands = 'local'")
