"""Stores are spread over the nodes of a cluster, where TEST_CITUS names one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine
from support.calls import SAMPLE_STREAMS, voice_call
from support.postgres import CitusCluster
from support.rows import read_model_rows

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError, InvalidInputError, SchemaError
from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.connections.pool import close_all
from eventstore.store.database.tables.declared import metadata
from eventstore.store.database.transaction import autocommit, read
from eventstore.store.maintenance.distribute import (
    REFERENCE_TABLES,
    distribute,
    missing_steps,
    spread_new_tables,
)

REVISIONS = [f"{number:04}" for number in range(1, 13)]


def test_a_store_without_citus_says_what_to_do(database_url: str) -> None:
    with EventStore(database_url) as store:
        with read(store.engine) as tx:
            if tx.distributed:
                pytest.skip("this store is spread already")
        with pytest.raises(InvalidInputError, match="Citus"):
            store.distribute(dry_run=True)
        assert store.status()["nodes"] == []


def test_each_table_is_of_one_kind() -> None:
    """A table without a session's id has to be on each node as a whole."""
    for table in metadata.sorted_tables:
        if table.name not in REFERENCE_TABLES:
            assert next(iter(table.primary_key.columns)).name == "session_id", table.name


@pytest.fixture
def undivided(cluster: CitusCluster) -> Iterator[tuple[str, Engine]]:
    """A database with Citus on all nodes, and nothing of the store in it; its name."""
    name = cluster.create_database()
    cluster.add_citus(name)
    made = engines.create(cluster.url(name))
    yield name, made
    close_all(made)
    cluster.drop_database(name)


def rows_of(engine: Engine) -> dict[str, list[object]]:
    return {f"sess_{number}": read_model_rows(engine, f"sess_{number}") for number in range(8)}


def test_a_store_with_sessions_is_spread(
    cluster: CitusCluster, undivided: tuple[str, Engine]
) -> None:
    name, engine = undivided
    with pytest.raises(SchemaError, match="eventstore init"):
        missing_steps(engine)
    schema.upgrade(engine)
    with EventStore(cluster.url(name)) as store:
        for number, frames in enumerate(SAMPLE_STREAMS[:8]):
            store.append(f"sess_{number}", frames)
        before = rows_of(engine)
        planned = store.distribute(dry_run=True)
        assert {step.table for step in planned} == {*metadata.tables, "alembic_version"}
        assert store.status()["nodes"] == []
        assert store.distribute(shards=4) == planned
        assert store.distribute() == []
    with EventStore(cluster.url(name)) as store:
        assert rows_of(engine) == before
        nodes = store.status()["nodes"]
        assert sum(node["sessions"] for node in nodes) == 8
        assert [node["coordinator"] for node in nodes].count(True) == 1
        store.append("sess_more", voice_call().frames)
        store.rebalance()
        assert store.verify("sess_more").done[0].problems == []
    # Nothing stays behind in the coordinator's own tables.
    with autocommit(engine) as tx:
        tx.run("SET citus.use_citus_managed_tables = off")
        for table in metadata.tables:
            assert tx.rows(f"SELECT pg_relation_size('{table}')") == [(0,)], table


def test_a_table_in_use_is_not_waited_for_for_ever(
    undivided: tuple[str, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All appends wait behind it. What was spread before stays so."""
    monkeypatch.setattr("eventstore.store.maintenance.distribute.LOCK_WAIT", "0.1s")
    _, engine = undivided
    schema.upgrade(engine)
    with read(engine) as tx:
        tx.rows("SELECT COUNT(*) FROM responses")
        with pytest.raises(DatabaseUnavailableError, match="lock timeout; another process or"):
            list(distribute(engine, shards=2))
    monkeypatch.undo()
    left = [step.table for step in distribute(engine)]
    assert "responses" in left
    assert missing_steps(engine) == []


def test_a_worker_says_where_to_go(cluster: CitusCluster, undivided: tuple[str, Engine]) -> None:
    name, engine = undivided
    schema.upgrade(engine)
    list(distribute(engine, shards=2))
    worker = engines.create(cluster.worker_url(name))
    with pytest.raises(InvalidInputError, match="run it on the coordinator: "):
        missing_steps(worker)
    with pytest.raises(SchemaError, match="run it on the coordinator: "):
        schema.upgrade(worker)
    close_all(worker)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_spread_store_is_upgraded(undivided: tuple[str, Engine], revision: str) -> None:
    """The tables that a migration adds are spread, too."""
    _, engine = undivided
    config = Config()
    config.set_main_option("script_location", str(schema.migrations_folder()))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    with autocommit(engine) as tx:
        there = {str(table) for (table,) in tx.rows("SELECT tablename FROM pg_tables")}
        tables = [name for name in metadata.tables if name in there]
        tables.sort(key=lambda name: name != "streams")
        for table in tables:
            if table in REFERENCE_TABLES:
                tx.run("SELECT create_reference_table(?::regclass)", (table,))
            else:
                tx.run("SELECT create_distributed_table(?::regclass, 'session_id')", (table,))
    close_all(engine)
    schema.upgrade(engine)
    fresh = engines.create(engine.url.render_as_string(hide_password=False))
    spread_new_tables(fresh)
    assert missing_steps(fresh) == []
    with EventStore(fresh.url.render_as_string(hide_password=False)) as store:
        store.append("sess_1", voice_call().frames)
        assert store.verify("sess_1").done[0].problems == []
    close_all(fresh)
