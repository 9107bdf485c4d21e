"""A store, and a terminal to run commands on it: in this process, or in one of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.databases import database_url, shared_postgres_url, store
from support.postgres import PostgresServer
from support.terminal import Terminal
from support.webhook_app import app

from eventstore import EventStore
from eventstore.demo import call_lines

__all__ = ["app", "database_url", "shared_postgres_url", "store"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in a folder of their own, and know no database."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith("EVENTSTORE_URL")]:
        monkeypatch.delenv(name)
    return folder


@pytest.fixture
def terminal(store: EventStore, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Runs commands on the store."""
    monkeypatch.setenv("EVENTSTORE_URL", database_url)
    return Terminal()


@pytest.fixture
def bare_terminal() -> Terminal:
    """Runs commands where no database is named."""
    return Terminal()


@pytest.fixture(scope="session")
def sample_call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample call as a file."""
    path = tmp_path_factory.mktemp("sample") / "call.jsonl"
    path.write_text("".join(f"{line}\n" for line in call_lines()))
    return path


@pytest.fixture
def own_postgres_url(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A PostgreSQL database of its own, to be shut."""
    name = postgres.create_database(postgres_template)
    yield postgres.url(name)
    postgres.drop_database(name)
