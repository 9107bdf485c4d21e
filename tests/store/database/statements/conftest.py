"""These tests share their databases, which are emptied for each."""

from __future__ import annotations

from support.databases import shared_postgres_url, store
from support.databases import store_database_url as database_url

__all__ = ["database_url", "shared_postgres_url", "store"]
