"""Each test of the store also runs on tables that are partitioned by session, as on a cluster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.databases import PARTITIONED
from support.examples import fewer_examples
from support.partitioned import is_partitioned, partition, vacuum_partitions
from support.postgres import CitusCluster, PostgresServer

from eventstore.store.consumers.projections import projection_tables
from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.connections import pool
from eventstore.store.database.connections.pool import close_all
from eventstore.store.maintenance import vacuum


@pytest.fixture(scope="session")
def partitioned_template(postgres: PostgresServer) -> Iterator[str]:
    """A database whose tables are partitioned, to copy."""
    if isinstance(postgres, CitusCluster):
        pytest.skip("TEST_CITUS names a cluster, whose shards are no partitions")
    name = postgres.create_database()
    engine = engines.create(postgres.url(name))
    schema.upgrade(engine)
    close_all(engine)
    partition(postgres.url(name))
    yield name
    postgres.drop_database(name)


@pytest.fixture
def taken_for_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store takes partitioned tables for those of a cluster."""
    monkeypatch.setattr(pool, "is_distributed", is_partitioned)
    monkeypatch.setattr(vacuum, "rewrite_on_nodes", vacuum_partitions)
    monkeypatch.setattr(projection_tables, "spread", lambda tx, tables: None)


@pytest.fixture(params=("sqlite", "postgresql", PARTITIONED))
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database with the schema: on SQLite, on PostgreSQL, and there on partitions."""
    if request.param == "sqlite":
        path = tmp_path / "eventstore.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
    elif request.param == "postgresql":
        yield request.getfixturevalue("postgres_url")
    else:
        template = request.getfixturevalue("partitioned_template")
        request.getfixturevalue("taken_for_spread")
        postgres: PostgresServer = request.getfixturevalue("postgres")
        name = postgres.create_database(template)
        with fewer_examples(5):  # The other two databases have tried all of them.
            yield postgres.url(name)
        postgres.drop_database(name)


@pytest.fixture(scope="session")
def shared_partitioned_url(postgres: PostgresServer, partitioned_template: str) -> Iterator[str]:
    """A database with partitioned tables, for one test after the other."""
    name = postgres.create_database(partitioned_template)
    yield postgres.url(name)
    postgres.drop_database(name)
