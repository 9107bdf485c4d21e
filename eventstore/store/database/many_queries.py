"""Send several queries to the database at once, to wait for one answer and not for each.

On the same machine, PostgreSQL answers a small query within 0.2 ms, nearly all of which is waiting.
Called by what loads and compares a session's rows (store/readmodels).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventstore.store.database.transaction import Row, Transaction, with_percents

#: A query, and its parameters.
Query = tuple[str, Sequence[Any]]


def rows_of_each(tx: Transaction, queries: Sequence[Query]) -> list[list[Row]]:
    """Return all rows of each query, in the order of the queries.

    SQLite has no answers to wait for, and executes one query after the other.
    """
    if not tx.postgresql:
        return [tx.rows(sql, parameters) for sql, parameters in queries]
    tx.begin_call()
    try:
        connection = tx.connection
        with connection.pipeline():
            asked = [connection.execute(with_percents(sql), given) for sql, given in queries]
        return [cursor.fetchall() for cursor in asked]
    finally:
        tx.calling = False
