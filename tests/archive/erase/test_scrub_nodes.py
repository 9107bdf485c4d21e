"""Integration: what rewrites PostgreSQL's files waits for older transactions, and tells what stays.

The command that each node of Citus gets is run on any PostgreSQL here. That it is sent to all of
them, and what they answer, only a cluster shows; `test_erase_bytes.py` looks at the files of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from support.database_files import analyze, files, found_in, shape
from support.postgres import CitusCluster, PostgresServer, nodes
from support.secret_call import secret_call

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError
from eventstore.store.database import schema
from eventstore.store.database.tables.day_tables import DAY_SUM_TABLES
from eventstore.store.maintenance import older_transactions, scrub_nodes
from eventstore.store.maintenance.older_transactions import waiting
from eventstore.store.sessions.delete_rows import TABLES

#: The tables of a node that has no shards.
TABLES_OF_NODE = "SELECT to_regclass(t) AS relation, true AS has_files FROM unnest({tables}) t"
NAMES = [*TABLES, *(table.name for table in DAY_SUM_TABLES)]


@pytest.fixture
def store(postgres_url: str) -> Iterator[EventStore]:
    with EventStore(postgres_url) as made:
        yield made


@contextmanager
def connected(url: str, **options: Any) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, **options) as connection:
        yield connection


def erased(store: EventStore, vacuum: bool = False) -> None:
    store.append("gone", secret_call("gone").frames, close=True)
    analyze(store)
    store.erase("gone", vacuum=vacuum).raise_for_errors()


@pytest.mark.parametrize("others", [[], ["kept"]])
def test_a_node_rewrites_its_tables(
    store: EventStore, postgres_url: str, postgres: PostgresServer, others: list[str]
) -> None:
    if isinstance(postgres, CitusCluster):
        pytest.skip("the tables of a cluster are shards: test_erase_bytes.py looks at them")
    for name in others:
        store.append(name, secret_call(name).frames, close=True)
    before = shape(store)
    erased(store)
    with connected(postgres_url, autocommit=True) as connection:
        for command in (waiting(), scrub_nodes.rewriting(TABLES_OF_NODE, NAMES)):
            connection.execute(command.encode())
        connection.execute(waiting(of_catalogs=True).encode())
        connection.execute("VACUUM (FULL) pg_statistic")
    assert shape(store) == before
    found = files(postgres_url)
    assert found_in(found, "gone") == {}
    assert [name for name in others if not found_in(found, name)] == []
    with store.engine.connect() as open_:
        marked = "SELECT COUNT(*) FROM pg_index WHERE indisclustered"
        assert open_.execute(text(marked)).scalar() == 0


def test_a_transaction_that_is_older_is_waited_for(
    store: EventStore,
    postgres_url: str,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may still see what was deleted, so that PostgreSQL keeps the bytes."""
    with connected(postgres_url) as older, monkeypatch.context() as impatient:
        impatient.setattr(older_transactions, "WAIT", "0.2s")
        older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        older.execute("SELECT 1")
        told = f"deleted rows are kept by .*a transaction of process {older.info.backend_pid} of"
        with pytest.raises(DatabaseUnavailableError, match=told):
            erased(store, vacuum=True)
        if not isinstance(postgres, CitusCluster):  # there, it is open on the coordinator alone
            assert found_in(files(postgres_url), "gone")
    store.erase([]).raise_for_errors()
    assert found_in(files(postgres_url), "gone") == {}


def test_a_user_who_may_not_rewrite_files_is_told(
    store: EventStore, postgres_url: str, postgres: PostgresServer
) -> None:
    """PostgreSQL only warns such a user, and leaves the files as they are."""
    if isinstance(postgres, CitusCluster):
        pytest.skip("a user of a cluster is made on each of its nodes")
    erased(store)
    role = f"writer_{store.engine.url.database}"
    with connected(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            rights = "SELECT, INSERT, UPDATE, DELETE"
            admin.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {role}".encode())
            url = store.engine.url.set(username=role, password=None)
            told = pytest.raises(DatabaseUnavailableError, match="must own the tables")
            with EventStore(url.render_as_string(hide_password=False)) as writer, told:
                writer.erase([]).raise_for_errors()
        finally:
            admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    assert found_in(files(postgres_url), "gone")


@contextmanager
def used_shard(url: str) -> Iterator[str]:
    """A shard of events that somebody uses on a worker; how an error names both."""
    *_, (node, its_url) = nodes(url).items()
    shard = (
        "SELECT to_regclass(shard_name(logicalrelid, shardid)) FROM pg_dist_shard"
        " WHERE logicalrelid = 'events'::regclass"
        " AND to_regclass(shard_name(logicalrelid, shardid)) IS NOT NULL LIMIT 1"
    )
    with connected(its_url) as user:
        name = user.execute(shard.encode()).fetchall()[0][0]
        user.execute(f"SELECT 1 FROM {name} LIMIT 1".encode())
        yield f"{node}: ERROR: {name}: .*lock"


def test_a_node_that_was_not_scrubbed_is_named(
    cluster: CitusCluster, store: EventStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub_nodes, "LOCK_WAIT", "200ms")
    store.append("gone", secret_call("gone").frames, close=True)
    with used_shard(postgres_url) as told, pytest.raises(DatabaseUnavailableError, match=told):
        store.erase("gone").raise_for_errors()
    store.erase([]).raise_for_errors()
    assert found_in(files(postgres_url), "gone") == {}


def test_a_vacuum_does_not_wait_for_ever_for_a_shard(
    cluster: CitusCluster, store: EventStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub_nodes, "LOCK_WAIT", "200ms")
    store.append("gone", secret_call("gone").frames, close=True)
    store.erase("gone", vacuum=False).raise_for_errors()
    with used_shard(postgres_url) as told, pytest.raises(DatabaseUnavailableError, match=told):
        store.vacuum()
    store.vacuum()
    held = files(postgres_url)
    shards = {name: data for name, data in held.items() if re.search(" (events|segments)_", name)}
    assert shards and found_in(shards, "gone") == {}


def test_what_keeps_rows_of_a_node_is_named(
    cluster: CitusCluster, store: EventStore, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each node has slots of its own."""
    erased(store)
    node, *_ = sorted(nodes_with_bytes(postgres_url))
    slot = f"of_{store.engine.url.database}"
    with (
        connected(nodes(postgres_url)[node], autocommit=True) as admin,
        monkeypatch.context() as impatient,
    ):
        impatient.setattr(older_transactions, "WAIT", "0.2s")
        admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,))
        try:
            told = f"{node}: ERROR: deleted rows are kept by .*the replication slot {slot}"
            with pytest.raises(DatabaseUnavailableError, match=told):
                store.erase([]).raise_for_errors()
            assert nodes_with_bytes(postgres_url) == {node}
        finally:
            admin.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    store.erase([]).raise_for_errors()
    assert nodes_with_bytes(postgres_url) == set()


def nodes_with_bytes(url: str) -> set[str]:
    """The nodes that have bytes of what was erased in a file."""
    return {name.split()[0] for names in found_in(files(url), "gone").values() for name in names}


def test_a_node_that_is_not_active_is_named(
    cluster: CitusCluster, store: EventStore, postgres_url: str
) -> None:
    host, port, name = "127.0.0.1", 1, "127.0.0.1:1"
    with connected(postgres_url, autocommit=True) as admin:
        admin.execute("SELECT citus_add_inactive_node(%s, %s)", (host, port))
        with pytest.raises(DatabaseUnavailableError, match=f"{name}: it is not active"):
            store.erase([]).raise_for_errors()
        admin.execute("SELECT citus_remove_node(%s, %s)", (host, port))
    store.erase([]).raise_for_errors()


def test_what_was_there_before_the_tables_were_spread(cluster: CitusCluster) -> None:
    """The coordinator's own tables are empty then, and may have statistics of their rows."""
    name = cluster.create_database()
    url = cluster.url(name)
    try:
        with EventStore(url, check_schema=False) as store:
            schema.upgrade(store.engine)
            store.append("gone", secret_call("gone").frames, close=True)
            analyze(store)
        cluster.spread(name)
        assert found_in(files(url), "gone")
        with EventStore(url) as store:
            store.erase("gone").raise_for_errors()
        assert found_in(files(url), "gone") == {}
    finally:
        cluster.drop_database(name)
