"""Stores with calls, and servers of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.mcp_clients import Connected, listening, over_http, over_stdio

from eventstore import EventStore
from eventstore.mcp.asking import Service
from eventstore.mcp.running import access_without_key
from eventstore.web.server.access import AccessKeys
from eventstore.web.server.requests import Stores

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
            access = access_without_key("everybody", {}, raw, allow_writing)
            stores = Stores(store, store, keys)
            service = Service(stores, access, allow_writing, time_limit)
            return stack.enter_context(listening(service))

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
