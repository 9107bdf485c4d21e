"""The stores of these tests."""

from __future__ import annotations

import pytest
from support.databases import database_url, shared_postgres_url, store
from support.webhook_app import app

from eventstore.store.consumers import checkpoints

__all__ = ["app", "database_url", "shared_postgres_url", "store"]


@pytest.fixture(autouse=True)
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried again when a test says so, however slow the machine is."""
    monkeypatch.setattr(checkpoints, "FIRST_PAUSE", 3_600_000_000)
    monkeypatch.setattr(checkpoints, "MOST_PAUSE", 3_600_000_000)
