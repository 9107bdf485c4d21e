"""The stores of these tests."""

from __future__ import annotations

from support.databases import (  # noqa: F401 (fixtures)
    database_url,
    elsewhere,
    shared_postgres_url,
    store,
)
