"""The list of a store's consumers: each has a name, a kind, a version and a definition.

A consumer is added once, and known from then on to every process that opens the database. So an
erasure finds the tables of a projection whose code is not installed where it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from eventstore.realtime.values import dumps, loads, mapping
from eventstore.store.database.transaction import Row, Transaction

#: What a consumer can be.
Kind = Literal["projection", "subscription"]

_COLUMNS = "name, kind, version, definition, created_at, seen_at, passed"
ALL = f"SELECT {_COLUMNS} FROM consumers ORDER BY name"
ONE = f"SELECT {_COLUMNS} FROM consumers WHERE name = ?"
ADD = (
    f"INSERT INTO consumers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING"
)
SET_VERSION = (
    "UPDATE consumers SET version = ?, definition = ?, passed = '' WHERE name = ? AND version = ?"
)
SET_DEFINITION = "UPDATE consumers SET definition = ? WHERE name = ?"
#: Two workers may pass at the same time; a slower one only makes it longer.
SET_PASSED = "UPDATE consumers SET passed = ? WHERE name = ? AND passed IS NOT NULL"
START_AGAIN = "UPDATE consumers SET passed = '', seen_at = ? WHERE name = ?"
SEEN = "UPDATE consumers SET seen_at = ? WHERE name = ?"
DROP = "DELETE FROM consumers WHERE name = ?"


class Consumer(NamedTuple):
    """A consumer of the log, as the store knows it.

    Attributes:
        name: Its name, which no other consumer of the store has.
        kind: `projection` or `subscription`.
        version: The version of a projection's code; 0 for a subscription.
        definition: What else is known of it: the tables of a projection, for example.
        created_at: When it was added, in microseconds since 1970 UTC.
        seen_at: When a worker last worked for it.
        passed: The last session of its pass over all sessions; None once that pass is over.
    """

    name: str
    kind: str
    version: int
    definition: dict[str, Any]
    created_at: int
    seen_at: int
    passed: str | None


def all_consumers(tx: Transaction) -> list[Consumer]:
    """Return the store's consumers, by name."""
    return [_consumer(row) for row in tx.rows(ALL)]


def find_consumer(tx: Transaction, name: str) -> Consumer | None:
    """Return a consumer, or None if the store has none with this name."""
    row = tx.row(ONE, (name,))
    return None if row is None else _consumer(row)


def add_consumer(
    tx: Transaction, name: str, kind: Kind, version: int, definition: Mapping[str, Any], at: int
) -> bool:
    """Add a consumer, which has to pass over all sessions of the store.

    Args:
        at: The time, in microseconds since 1970 UTC.

    Returns:
        False if the store has a consumer of this name already.
    """
    row = (name, kind, version, dumps(definition), at, at, "")
    return tx.run(ADD, row) == 1


def move_pass(tx: Transaction, name: str, passed: str | None) -> None:
    """Note that a consumer's pass over all sessions is done up to a session; None if it is over."""
    tx.run(SET_PASSED, (passed, name))


def _consumer(row: Row) -> Consumer:
    name, kind, version, definition, created_at, seen_at, passed = row
    return Consumer(name, kind, version, _definition(definition), created_at, seen_at, passed)


def _definition(text: object) -> dict[str, Any]:
    """Return a definition; an empty one if another program has changed it to no JSON object."""
    try:
        return mapping(loads(text)) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return {}
