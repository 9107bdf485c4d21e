"""Rows of SQLite with text that is no UTF-8: of a damaged file, or of one that somebody else made.

SQLite keeps whatever bytes a text is said to be, and the driver refuses a whole query for one of
them. So such a query is made again, and gives bytes in the place of that text alone: whoever checks
the types of what was read names it as damage, and what else is in the rows is read, or erased.
Called by transaction.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

#: How the driver begins what it says of such a text; the text itself follows.
DECODE_ERROR = "Could not decode to UTF-8"


def read_undecodable(
    connection: sqlite3.Connection, sql: str, parameters: Sequence[Any], error: sqlite3.Error
) -> list[tuple[Any, ...]]:
    """Return the rows of a query, with bytes in the place of text that is no UTF-8.

    Args:
        error: what the query failed with, which is raised where it has another reason.
    """
    if not str(error).startswith(DECODE_ERROR):
        raise error
    usual = connection.text_factory
    connection.text_factory = _text
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.text_factory = usual


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return bytes(data)
