"""Stores to ask from an event loop, on both databases."""

from support.databases import database_url, shared_postgres_url, store

__all__ = ["database_url", "shared_postgres_url", "store"]
