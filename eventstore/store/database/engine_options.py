"""The options that an engine carries: keys, time limit, allowed places, prices and a replica.

engine.py and event_store.py set them. Code that has an engine reads them here, without importing
the classes of their values.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Engine

if TYPE_CHECKING:
    from eventstore.pricing.prices import Prices
    from eventstore.store.database.allowed_locations import AllowedLocations

#: The engine option with the time limit of a query in seconds, or None.
TIME_LIMIT = "eventstore_time_limit"

#: The engine option with the keys of the sessions.
KEY_RING = "eventstore_keys"

#: The engine option with the places outside of the database that may be opened.
ALLOWED = "eventstore_allowed"

#: The engine option with the `Replica` that reading transactions may run on.
REPLICA = "eventstore_replica"

#: The engine option with a function that returns the prices of usage.
PRICES = "eventstore_prices"


class Replica(Protocol):
    """What other modules know of a `read_replica.ReadReplica`."""

    engine: Engine
    reads: int
    reads_of_primary: int

    def reading(self) -> AbstractContextManager[Any]:
        """Return a context manager for a reading transaction, on the replica if it may be used."""

    def state(self) -> dict[str, Any]:
        """Return how the replica is now."""


def without_limit(engine: Engine) -> Engine:
    """Return the same engine without its time limit, for work that is not a query."""
    if engine.get_execution_options()[TIME_LIMIT] is None:
        return engine
    return engine.execution_options(**{TIME_LIMIT: None})


def keys_engine_of(engine: Engine) -> Engine | None:
    """Return the engine of the database of the sessions' keys; None if there is none."""
    found: Engine | None = engine.get_execution_options()[KEY_RING].engine
    return found


def replica_of(engine: Engine) -> Replica | None:
    """Return the replica that queries with an engine run on; None if there is none."""
    found: Replica | None = engine.get_execution_options().get(REPLICA)
    return found


def allowed_locations_of(engine: Engine) -> AllowedLocations:
    """Return the places outside of an engine's database that may be opened."""
    allowed: AllowedLocations = engine.get_execution_options()[ALLOWED]
    return allowed


def prices_of(engine: Engine) -> Prices:
    """Return the prices of usage in an engine's database.

    Raises:
        InvalidInputError: The file of prices that EVENTSTORE_PRICES names cannot be used.
    """
    find: Callable[[], Prices] = engine.get_execution_options()[PRICES]
    return find()
