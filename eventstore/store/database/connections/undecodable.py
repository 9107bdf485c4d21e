"""Read rows of SQLite with text that is not UTF-8, from a damaged file or from another program.

SQLite stores any bytes as text, and the driver refuses a whole query because of one such text. Such
a query is executed again, and returns bytes in place of that text. Code that checks the types of
what it reads then reports the text as damage, and the other values can still be read or erased.
Called by transaction.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

#: How the driver's error message begins; the text itself follows.
DECODE_ERROR = "Could not decode to UTF-8"


def read_undecodable(
    connection: sqlite3.Connection, sql: str, parameters: Sequence[Any], error: sqlite3.Error
) -> list[tuple[Any, ...]]:
    """Return the rows of a query, with bytes in place of text that is not UTF-8.

    Args:
        connection, sql, parameters: Of the query.
        error: Why the query failed; it is raised again if the reason is another one.
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
