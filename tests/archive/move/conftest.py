"""A store, and one on the other kind of database; both directions are tried."""

from __future__ import annotations

import pytest
from support.databases import database_url, elsewhere, shared_postgres_url, store

from eventstore.segments import digest

__all__ = ["database_url", "elsewhere", "shared_postgres_url", "store"]


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven events, so that sessions have several."""
    monkeypatch.setattr(digest, "SEGMENT_EVENTS", 7)
