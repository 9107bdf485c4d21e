"""The API on loopback, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from support.api_serving import Serve, serve, store
from support.databases import database_url, shared_postgres_url

__all__ = ["api", "database_url", "serve", "shared_postgres_url", "store"]


@pytest.fixture
def api(serve: Serve) -> Iterator[httpx.Client]:
    """A client of the API without keys."""
    with httpx.Client(base_url=f"{serve()}/v1", timeout=20) as client:
        yield client
