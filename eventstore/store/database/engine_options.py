"""What an engine carries besides its connections: keys, limits, and the places it may open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Engine

if TYPE_CHECKING:
    from eventstore.pricing.prices import Prices
    from eventstore.store.database.allowed_locations import AllowedLocations

#: Name of the engine's option with the seconds that a query may take, or None.
TIME_LIMIT = "eventstore_time_limit"

#: Name of the engine's option with the keys of its sessions.
KEYS = "eventstore_keys"

#: Name of the engine's option with the places outside of the database that may be opened.
ALLOWED = "eventstore_allowed"

#: Name of the engine's option with a function that returns what usage is priced by.
PRICES = "eventstore_prices"


def without_limit(engine: Engine) -> Engine:
    """The same engine, whose queries may take any time: for work that is no query."""
    if engine.get_execution_options()[TIME_LIMIT] is None:
        return engine
    return engine.execution_options(**{TIME_LIMIT: None})


def keys_engine_of(engine: Engine) -> Engine | None:
    """Return the engine of the database of the sessions' keys; None where there is none."""
    found: Engine | None = engine.get_execution_options()[KEYS].engine
    return found


def allowed_locations_of(engine: Engine) -> AllowedLocations:
    """Return the places outside of an engine's database that may be opened."""
    allowed: AllowedLocations = engine.get_execution_options()[ALLOWED]
    return allowed


def prices_of(engine: Engine) -> Prices:
    """Return what usage in an engine's database is priced by.

    Raises:
        InvalidInputError: the file of prices that EVENTSTORE_PRICES names cannot be used.
    """
    find: Callable[[], Prices] = engine.get_execution_options()[PRICES]
    return find()
