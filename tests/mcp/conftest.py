"""Stores with calls, and servers of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.databases import database_url, shared_postgres_url
from support.mcp_clients import Connected, over_http, over_stdio, serving

from eventstore import EventStore
from eventstore.web.server.access import AccessKeys

__all__ = ["database_url", "shared_postgres_url"]

#: Serves a store by HTTP, and returns the address.
Serve = Callable[..., str]


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        yield opened


@pytest.fixture
def serve(store: EventStore) -> Iterator[Serve]:
    """Serves the store by streamable HTTP, with keys or without."""
    with ExitStack() as stack:

        def run(
            keys: AccessKeys | None = None,
            *,
            raw: bool = False,
            allow_writing: bool = False,
            time_limit: float = 10.0,
        ) -> str:
            served = serving(
                store, keys, raw=raw, allow_writing=allow_writing, time_limit=time_limit
            )
            return stack.enter_context(served)

        yield run


@pytest.fixture
def client(serve: Serve) -> Iterator[Connected]:
    """A client of a server that may write."""
    with over_http(serve(allow_writing=True)) as opened:
        yield opened


@pytest.fixture(params=["stdio", "http"])
def either(
    request: pytest.FixtureRequest, store: EventStore, serve: Serve, database_url: str
) -> Iterator[Connected]:
    """A client of a server that may write, over both transports."""
    opened = (
        over_stdio(database_url, "--allow-writing")
        if request.param == "stdio"
        else over_http(serve(allow_writing=True))
    )
    with opened as connected:
        yield connected
