"""A store for sessions with sound."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventstore import EventStore


@pytest.fixture
def store(tmp_path: Path, sqlite_template: Path) -> Iterator[EventStore]:
    """An empty store that projects nothing: sound is read from the log alone."""
    path = tmp_path / "eventstore.db"
    shutil.copyfile(sqlite_template, path)
    with EventStore(f"sqlite:///{path}", projection="deferred") as opened:
        yield opened
