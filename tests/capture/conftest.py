"""Stores to import into and export from."""

from support.databases import database_url, elsewhere, shared_postgres_url, store

__all__ = ["database_url", "elsewhere", "shared_postgres_url", "store"]
