"""An encrypted store, on SQLite and on PostgreSQL, its keys in a database beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import PostgresServer

from eventstore import EventStore
from eventstore.segments import digest


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven events, so that sessions have several."""
    monkeypatch.setattr(digest, "SEGMENT_EVENTS", 7)


@pytest.fixture
def keys_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A database for keys."""
    path = tmp_path / "keys.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def keyed(database_url: str, keys_url: str) -> Iterator[EventStore]:
    """An empty store that encrypts."""
    with EventStore(database_url, keys=keys_url) as opened:
        yield opened


@pytest.fixture
def elsewhere_url(
    database_url: str, postgres: PostgresServer, postgres_template: str, keys_url: str
) -> Iterator[str]:
    """An empty database of the other kind, with the schema."""
    if not database_url.startswith("sqlite"):
        path = keys_url.replace("keys.db", "elsewhere.db")
        shutil.copyfile(keys_url.removeprefix("sqlite:///"), path.removeprefix("sqlite:///"))
        yield path
        return
    name = postgres.create_database(postgres_template)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def plain(tmp_path: Path, sqlite_template: Path) -> Iterator[EventStore]:
    """An empty store that does not."""
    path = tmp_path / "plain.db"
    shutil.copyfile(sqlite_template, path)
    with EventStore(f"sqlite:///{path}") as opened:
        yield opened
