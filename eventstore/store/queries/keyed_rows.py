"""Read the rows of a page by its keys, in a second statement, on a store that Citus has spread.

A single statement would join the page's keys with their rows. Citus would first copy the keys to
each node, and then ask all nodes, which takes several times as long. Called by query_responses.py
and session_pages.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from eventstore.store.database.transaction import Row, Transaction


def one_of(alias: str, keys: Sequence[Row]) -> str:
    """Return the condition that a row is of a session of the keys, so that few nodes are asked.

    Its parameters are the sessions' ids, as `rows_by_key` gives them.

    Args:
        alias: The alias of the rows.
        keys: Their first column is the session's id.
    """
    return f"{alias}.session_id IN ({', '.join('?' * len(keys))})"


def rows_by_key(
    tx: Transaction,
    keys: Sequence[Row],
    sql: str,
    parameters: Sequence[Any],
    key_of: Callable[[Row], Row],
) -> list[Row]:
    """Return the rows of keys, in the order of the keys.

    Rows that were deleted since the keys were read are left out: nodes have no common snapshot.

    Args:
        keys: Their first column is the session's id.
        sql: Selects the rows; its first condition is that of `one_of`.
        parameters: Those behind the sessions' ids.
        key_of: Returns the key of a row.
    """
    if not keys:
        return []
    ids = [key[0] for key in keys]
    found = {key_of(row): row for row in tx.rows(sql, [*ids, *parameters])}
    return [found[key] for key in map(tuple, keys) if key in found]
