"""A store for sessions with sound."""

from support.unprojected_store import store

__all__ = ["store"]
