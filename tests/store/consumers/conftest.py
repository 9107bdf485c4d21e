"""Stores of their own for these tests: projections leave tables behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eventstore import EventStore
from eventstore.store.consumers import checkpoints


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    """An empty store."""
    with EventStore(database_url) as opened:
        yield opened


@pytest.fixture(autouse=True)
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried again when a test says so, however slow the machine is."""
    monkeypatch.setattr(checkpoints, "FIRST_PAUSE", 3_600_000_000)
    monkeypatch.setattr(checkpoints, "MOST_PAUSE", 3_600_000_000)
