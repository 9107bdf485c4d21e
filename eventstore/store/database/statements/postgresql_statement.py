"""Run a statement of somebody on PostgreSQL, which refuses everything but reading.

The statement is declared as a cursor in a transaction that only reads. PostgreSQL takes a single
SELECT, VALUES or TABLE there, and nothing that writes, copies, locks or sets. A superuser's
connection reads as `pg_read_all_data`, which may call no function that reads or writes files of the
server. (The statement's author can end that role within the statement: it guards against mistakes.
A role with SELECT alone is the guard: docs/sql.md.)

PostgreSQL sends a value of up to 1 GB, and psycopg keeps what it sends. So once PostgreSQL took
that, the statement is run within another one, which reads each row as texts and leaves them out
where the row is too large. That is sent row by row, and its time is limited as a whole, while each
FETCH from the cursor would have a limit of its own, and rows that the server collects first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import Engine

from eventstore.errors import InvalidInputError
from eventstore.store.database.connections.driver_errors import is_server_away
from eventstore.store.database.connections.drivers import driver_errors, error_classes
from eventstore.store.database.statements.named_parameters import (
    with_percent_names,
    without_semicolon,
)
from eventstore.store.database.statements.statement_rows import (
    MOST_BYTES_OF_VALUE,
    RowLimit,
    StatementRows,
    too_long,
)
from eventstore.store.database.transaction import Transaction, read

_SAVEPOINT = _CURSOR = "eventstore_statement"
_TIME_LIMIT = "SELECT set_config('statement_timeout', ?, true)"
_SET_UP = (
    f"{_TIME_LIMIT}, set_config('timezone', 'UTC', true),"
    " set_config('datestyle', 'ISO', true), set_config('bytea_output', 'hex', true),"
    " current_setting('is_superuser') = 'on'"
    " AND EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'pg_read_all_data')"
)
#: More rows than a statement may return: they have too many bytes before.
_MOST_ROWS = 2**31

_Loader = Callable[[str], Any]


def run_on_postgresql(
    engine: Engine, statement: str, parameters: Mapping[str, Any], limit: int, seconds: float
) -> StatementRows:
    """Run a statement that reads, and return its rows.

    It runs on the replica, if the engine has one that may be read.

    Raises:
        InvalidInputError: PostgreSQL refuses the statement.
        TimeLimitError: It takes longer than it may.
        DatabaseUnavailableError: The database cannot be reached.
    """
    end = time.monotonic() + seconds
    with read(engine) as tx:
        is_superuser = tx.rows(_SET_UP, (_left(end),))[0][-1]
        tx.run(f"SAVEPOINT {_SAVEPOINT}")
        if is_superuser and not tx.distributed:  # Nodes of a cluster know no such login.
            tx.run("SET LOCAL ROLE pg_read_all_data")
        try:
            return _rows(tx, statement, parameters, limit, end)
        except driver_errors() as error:
            if isinstance(error, error_classes("QueryCanceled")):
                raise too_long(seconds) from error
            if is_server_away(error):
                raise
            raise InvalidInputError(f"PostgreSQL refuses the statement: {_told(error)}") from error
        finally:
            _release(tx)


def _left(end: float) -> str:
    """Return the milliseconds that are left, at least one: 0 would be no limit."""
    return str(max(1, int((end - time.monotonic()) * 1000)))


def _told(error: BaseException) -> str:
    """Return what PostgreSQL says, with its hint."""
    told = getattr(error, "diag", None)
    message = (told.message_primary if told is not None else None) or str(error)
    if isinstance(error, error_classes("SyntaxError")):
        message = f"{message} (it takes one SELECT, VALUES or TABLE)"
    elif told is not None and told.message_hint:
        message = f"{message} ({told.message_hint})"
    return " ".join(message.split())


def _release(tx: Transaction) -> None:
    """Let go of what outlasts a transaction: locks that the statement took by a function."""
    try:
        tx.run(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        tx.run("SELECT pg_advisory_unlock_all()")
    except driver_errors():
        pass  # The connection broke, and its locks are gone with it.


def _rows(
    tx: Transaction, statement: str, parameters: Mapping[str, Any], limit: int, end: float
) -> StatementRows:
    names, types = _columns(tx, statement, parameters)
    tx.rows(_TIME_LIMIT, (_left(end),))
    found = RowLimit(names, limit)
    loaders = [_LOADERS.get(one, str) for one in types]
    sql = _as_texts(statement, len(names), min(limit, _MOST_ROWS) + 1)
    cursor = tx.connection.cursor()
    with closing(cursor.stream(*_with_parameters(sql, parameters), binary=False)) as rows:
        for size, *texts in rows:
            if size > MOST_BYTES_OF_VALUE:
                raise InvalidInputError(
                    f"a row of the statement has {size:,} bytes, and may have"
                    f" {MOST_BYTES_OF_VALUE:,}; select fewer columns, or parts of a value by substr"
                )
            values = zip(texts, loaders, strict=True)
            if not found.add([None if text is None else load(text) for text, load in values]):
                break
    return found.rows()


def _columns(
    tx: Transaction, statement: str, parameters: Mapping[str, Any]
) -> tuple[list[str], list[int]]:
    """Return the names of a statement's columns, and the numbers of their types; run nothing.

    PostgreSQL looks at the statement as it is, so that what it says is about that.
    """
    declared = f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {statement}"
    # `binary` has psycopg send the statement as one that is prepared: it cannot be several.
    tx.connection.execute(*_with_parameters(declared, parameters), binary=True)
    cursor = tx.connection.cursor()
    cursor.execute(f"FETCH FORWARD 0 FROM {_CURSOR}", binary=False)
    result, encoding = cursor.pgresult, tx.connection.info.encoding
    places = range(result.nfields)
    names = [result.fname(place).decode(encoding) for place in places]
    return names, [result.ftype(place) for place in places]


def _with_parameters(sql: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Return a statement as psycopg reads it, and its parameters."""
    given = dict(parameters)
    return (with_percent_names(sql, given), given) if given else (sql, None)


def _as_texts(statement: str, columns: int, limit: int) -> str:
    """Return a statement whose rows are the size of a row of another one, and its values as texts.

    The values of a row that is too large are NULL. LIMIT and OFFSET have PostgreSQL compute each
    value once: without them, the expression of a column would be wherever the column is named.

    Args:
        statement: A statement that PostgreSQL takes as it is.
        columns: How many columns it has.
        limit: How many rows of it to read.
    """
    source = f"({without_semicolon(statement)}\n) q"
    if columns == 0:
        return f"SELECT 0 FROM {source} LIMIT {limit}"
    values = [f"c{number}" for number in range(columns)]
    named = ", ".join(values)
    texts = ", ".join(f"CAST({value} AS text)" for value in values)
    size = " + ".join(f"COALESCE(octet_length({value}), 0)::bigint" for value in values)
    kept = ", ".join(
        f"CASE WHEN size <= {MOST_BYTES_OF_VALUE} THEN {value} END" for value in values
    )
    return (
        f"SELECT size, {kept} FROM (SELECT {size} AS size, {named} FROM (SELECT {texts}"
        f" FROM {source} ({named}) LIMIT {limit}) t ({named}) OFFSET 0) s"
    )


def _number(text: str) -> int | float | str:
    """Return a `numeric` as an integer, such as a sum, or else as a float."""
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text


def _float(text: str) -> float:
    return float(text)


def _time(text: str) -> str:
    """Return a time as the store writes it: `2026-05-04T09:30:00.000000Z`."""
    day, _, time = text.partition(" ")
    if not time.endswith("+00"):  # infinity, or a year before Christ
        return text
    second, _, micros = time.removesuffix("+00").partition(".")
    return f"{day}T{second}.{micros:0<6}Z"


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("\\x"))


#: How the text of a value is read, by the number of its type. All others stay text.
_LOADERS: dict[int, _Loader] = {
    16: lambda text: text == "true",
    17: _bytes,
    **dict.fromkeys((20, 21, 23, 26), int),
    **dict.fromkeys((700, 701), _float),
    1184: _time,
    1700: _number,
}
