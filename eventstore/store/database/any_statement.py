"""Run a statement that somebody else wrote within a transaction. Called by feeds (feed/feed.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventstore.store.database.transaction import Row, Transaction, with_percents


def run_any(tx: Transaction, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """Run a statement, and return its rows; an empty list if it is one that gives none.

    Args:
        sql: The statement, with `?` for each parameter.
        parameters: The parameters.
    """
    tx.begin_call()
    try:
        cursor = tx.connection.execute(with_percents(sql) if tx.postgresql else sql, parameters)
        found: list[Row] = [] if cursor.description is None else cursor.fetchall()
    finally:
        tx.calling = False
    return found
