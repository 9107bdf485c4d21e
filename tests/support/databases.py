"""Empty databases, quickly: PostgreSQL's is one that is emptied, not one that is made anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from eventstore import EventStore
from eventstore.store.database import engine as engines
from eventstore.store.database.connections.pool import close_all
from eventstore.store.database.tables.declared import metadata
from support.postgres import PostgresServer

DATABASES = ("sqlite", "postgresql")
#: The stand-in for a cluster, on which the tests of `tests/store` run as well.
PARTITIONED = "partitioned"


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """Yield an engine of a database, and close its connections."""
    made = engines.create(url)
    try:
        yield made
    finally:
        close_all(made)


@pytest.fixture(scope="session")
def shared_postgres_url(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A PostgreSQL database with the schema, for one test after the other."""
    name = postgres.create_database(postgres_template)
    yield postgres.url(name)
    postgres.drop_database(name)


def _emptied(url: str) -> str:
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    deletes = "; ".join(f"DELETE FROM {table}" for table in metadata.tables)
    with psycopg.connect(dsn, options="-c lock_timeout=10s") as connection:
        connection.execute(deletes.encode())
    return url


def _copied(request: pytest.FixtureRequest, path: Path) -> str:
    shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


def _empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return _copied(request, tmp_path / "eventstore.db")
    return _emptied(request.getfixturevalue("shared_postgres_url"))


@contextmanager
def module_database(
    request: pytest.FixtureRequest, factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database with the schema for all tests of a module, of the kind that a fixture asks for."""
    if request.param == "sqlite":
        yield _copied(request, factory.mktemp("module") / "eventstore.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create_database(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database with the schema, on SQLite and on PostgreSQL."""
    return _empty_database(request, tmp_path)


@pytest.fixture(params=(*DATABASES, PARTITIONED), name="database_url")
def store_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same, and on tables that PostgreSQL partitions; for `tests/store`."""
    if request.param != PARTITIONED:
        return _empty_database(request, tmp_path)
    url: str = request.getfixturevalue("shared_partitioned_url")
    request.getfixturevalue("taken_for_spread")
    return _emptied(url)


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    """An empty store."""
    with EventStore(database_url) as opened:
        yield opened


@pytest.fixture
def elsewhere(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> Iterator[EventStore]:
    """An empty store on the other kind of database."""
    if database_url.startswith("sqlite"):
        url = _emptied(request.getfixturevalue("shared_postgres_url"))
    else:
        url = _copied(request, tmp_path / "elsewhere.db")
    with EventStore(url) as opened:
        yield opened
