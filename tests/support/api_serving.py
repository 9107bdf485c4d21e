"""The HTTP API, served as `eventstore serve` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from eventstore import EventStore
from eventstore.web.in_thread import serving
from eventstore.web.server.access import AccessKeys

Serve = Callable[..., str]


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        yield opened


@pytest.fixture
def serve(store: EventStore) -> Iterator[Serve]:
    """Serves the store, with keys or without."""
    with ExitStack() as stack:

        def run(keys: AccessKeys | None = None, body_bytes: int = 1 << 20) -> str:
            return stack.enter_context(serving(store, keys, body_bytes))

        yield run
