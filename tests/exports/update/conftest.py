"""A store on each database."""

from support.databases import database_url, elsewhere, shared_postgres_url, store

__all__ = ["database_url", "elsewhere", "shared_postgres_url", "store"]
