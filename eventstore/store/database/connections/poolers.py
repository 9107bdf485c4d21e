"""Notice a pooler such as pgbouncer before PostgreSQL, and do without prepared statements there.

A pooler in transaction mode gives each transaction another connection to the server. A prepared
statement is then missing on that connection, or, worse, another program has prepared another
statement there by the same name. So statements are not prepared behind a pooler, unless the URL
says so. Called by engine.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

from eventstore.brief import brief
from eventstore.errors import InvalidInputError

if TYPE_CHECKING:
    import psycopg

#: The parameter of a URL: how often a statement is executed before it is prepared. psycopg names it
#: so.
PREPARE_THRESHOLD = "prepare_threshold"


def given_prepare_threshold(parsed: URL) -> dict[str, int | None]:
    """Return the argument for psycopg that a URL's `prepare_threshold` stands for.

    Returns:
        The argument by its name, or nothing if the URL does not say it. Its value is None if
        statements are never prepared, which the URL says by `none`, or by 0 as for other drivers.

    Raises:
        InvalidInputError: It is not a number, and not `none`.
    """
    if PREPARE_THRESHOLD not in parsed.query:
        return {}
    given = parsed.query[PREPARE_THRESHOLD]
    if given == "none":
        return {PREPARE_THRESHOLD: None}
    if not isinstance(given, str) or not re.fullmatch(r"[0-9]{1,9}", given):
        raise InvalidInputError(
            f"{PREPARE_THRESHOLD} in the database URL is {brief(given)}; give a number (after how"
            " many executions a statement is prepared), or none to prepare no statement"
        )
    return {PREPARE_THRESHOLD: int(given) or None}


def is_behind_pooler(connection: psycopg.Connection[Any]) -> bool:
    """Return True if a new connection leads to a pooler, and not to PostgreSQL itself.

    When a connection is opened, PostgreSQL tells the number of the server process. A pooler tells
    a number of its own, since the process is another one for each transaction.
    """
    connection.autocommit = True
    try:
        row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    finally:
        if not connection.closed:
            connection.autocommit = False
    return row is not None and row[0] != connection.info.backend_pid
