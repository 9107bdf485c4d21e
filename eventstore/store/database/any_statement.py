"""Run a statement that somebody else wrote within a transaction. Called by feeds (feed/feed.py)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from eventstore.errors import InvalidInputError
from eventstore.store.database.transaction import Row, Transaction

#: What is no parameter although it may have a `?`: comments, texts and names in quotes.
_COMMENT = r"--[^\n]*|/\*.*?\*/"
_PARTS = re.compile(rf"""{_COMMENT}|'[^']*'|"[^"]*"|\?""", re.DOTALL)
#: Statements that end the transaction, or begin another one. Savepoints do neither.
_ENDS = re.compile(
    rf"(?:\s|;|{_COMMENT})*"
    r"(?:BEGIN|START|COMMIT|END|ABORT|PREPARE\s+TRANSACTION|ROLLBACK(?!(?:\s+\w+)?\s+TO\b))\b",
    re.IGNORECASE | re.DOTALL,
)


def run_any(tx: Transaction, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """Run a statement, and return its rows; an empty list if it is one that gives none.

    Args:
        sql: The statement, with `?` for each parameter.
        parameters: The parameters.

    Raises:
        InvalidInputError: The statement would end the transaction, which belongs to the caller.
    """
    if _ENDS.match(sql):
        raise InvalidInputError("a statement of a handler cannot end the feed's transaction")
    tx.begin_call()
    try:
        cursor = tx.connection.execute(_marked(sql) if tx.postgresql else sql, parameters)
        found: list[Row] = [] if cursor.description is None else cursor.fetchall()
    finally:
        tx.calling = False
    return found


def _marked(sql: str) -> str:
    """Return a statement with the marks of psycopg, `%s`, in place of `?` outside of quotes."""

    def mark(match: re.Match[str]) -> str:
        return "%s" if match[0] == "?" else match[0]

    return _PARTS.sub(mark, sql.replace("%", "%%"))
