"""The options that an engine carries: keys, time limit, allowed places and prices.

engine.py sets them. Code that has an engine reads them here, without importing the classes of their
values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

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

#: The engine option with a function that returns the prices of usage.
PRICES = "eventstore_prices"


def without_limit(engine: Engine) -> Engine:
    """Return the same engine without its time limit, for work that is not a query."""
    if engine.get_execution_options()[TIME_LIMIT] is None:
        return engine
    return engine.execution_options(**{TIME_LIMIT: None})


def keys_engine_of(engine: Engine) -> Engine | None:
    """Return the engine of the database of the sessions' keys; None if there is none."""
    found: Engine | None = engine.get_execution_options()[KEY_RING].engine
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
