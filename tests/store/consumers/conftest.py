"""Stores of their own for these tests: projections leave tables behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eventstore import EventStore


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    """An empty store."""
    with EventStore(database_url) as opened:
        yield opened
