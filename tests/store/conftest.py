"""Each test of the store also runs on tables that are partitioned by session, as on a cluster."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.partitioned import is_partitioned, partition
from support.postgres import PostgresServer

from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.connections import pool
from eventstore.store.database.connections.pool import close_all


@pytest.fixture(scope="session")
def partitioned_template(postgres: PostgresServer) -> Iterator[str]:
    """A database whose tables are partitioned, to copy."""
    name = postgres.create_database()
    engine = engines.create(postgres.url(name))
    schema.upgrade(engine)
    close_all(engine)
    partition(postgres.url(name))
    yield name
    postgres.drop_database(name)


@pytest.fixture(params=("sqlite", "postgresql", "partitioned"))
def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A fresh database with the schema: on SQLite, on PostgreSQL, and there on partitions."""
    if request.param == "sqlite":
        path = tmp_path / "eventstore.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
    elif request.param == "postgresql":
        yield request.getfixturevalue("postgres_url")
    elif os.environ.get("TEST_CITUS"):
        pytest.skip("TEST_CITUS names a cluster, whose shards are no partitions")
    else:
        monkeypatch.setattr(pool, "is_distributed", is_partitioned)
        postgres: PostgresServer = request.getfixturevalue("postgres")
        name = postgres.create_database(request.getfixturevalue("partitioned_template"))
        yield postgres.url(name)
        postgres.drop_database(name)
