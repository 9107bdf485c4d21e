"""Stores to import into and export from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import PostgresServer

from eventstore import EventStore


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    """An empty store."""
    with EventStore(database_url) as opened:
        yield opened


@pytest.fixture
def elsewhere(
    request: pytest.FixtureRequest, database_url: str, sqlite_template: Path, tmp_path: Path
) -> Iterator[EventStore]:
    """An empty store on the other kind of database."""
    if not database_url.startswith("sqlite"):
        path = tmp_path / "elsewhere.db"
        shutil.copyfile(sqlite_template, path)
        with EventStore(f"sqlite:///{path}") as opened:
            yield opened
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create_database(request.getfixturevalue("postgres_template"))
    with EventStore(server.url(name)) as opened:
        yield opened
    server.drop_database(name)
