"""Run a statement of somebody on PostgreSQL, which refuses everything but reading.

The statement is declared as a cursor in a transaction that only reads. PostgreSQL takes a single
SELECT, VALUES or TABLE there, and nothing that writes, copies, locks or sets. A superuser's
connection reads as `pg_read_all_data`, which may call no function that reads or writes files of the
server. (The statement's author can end that role within the statement: it guards against mistakes.
A role with SELECT alone is the guard: docs/sql.md.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Engine

from eventstore.errors import InvalidInputError
from eventstore.store.database.connections.driver_errors import is_server_away
from eventstore.store.database.connections.drivers import driver_errors, error_classes
from eventstore.store.database.statements.named_parameters import with_percent_names
from eventstore.store.database.statements.sqlite_statement import too_long
from eventstore.store.database.statements.statement_rows import RowLimit, StatementRows
from eventstore.store.database.transaction import Transaction, read

_CURSOR = "eventstore_statement"
#: How many rows are fetched at first, at most, and about how many bytes at once after that.
_FIRST_ROWS, _MOST_ROWS, _FETCHED_BYTES = 10, 1000, 1024 * 1024
_SET_UP = (
    "SELECT set_config('statement_timeout', ?, true), set_config('timezone', 'UTC', true),"
    " set_config('datestyle', 'ISO', true), set_config('bytea_output', 'hex', true),"
    " current_setting('is_superuser') = 'on'"
    " AND EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'pg_read_all_data')"
)

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
    with read(engine) as tx:
        is_superuser = tx.rows(_SET_UP, (str(max(1, int(seconds * 1000))),))[0][-1]
        tx.run(f"SAVEPOINT {_CURSOR}")
        if is_superuser and not tx.distributed:  # Nodes of a cluster know no such login.
            tx.run("SET LOCAL ROLE pg_read_all_data")
        try:
            return _rows(tx, statement, parameters, limit)
        except driver_errors() as error:
            if isinstance(error, error_classes("QueryCanceled")):
                raise too_long(seconds) from error
            if is_server_away(error):
                raise
            told = getattr(error, "diag", None)
            message = (told.message_primary if told is not None else None) or str(error)
            raise InvalidInputError(
                f"PostgreSQL refuses the statement: {' '.join(message.split())}"
            ) from error
        finally:
            _release(tx)


def _release(tx: Transaction) -> None:
    """Let go of what outlasts a transaction: locks that the statement took by a function."""
    try:
        tx.run(f"ROLLBACK TO SAVEPOINT {_CURSOR}")
        tx.run("SELECT pg_advisory_unlock_all()")
    except driver_errors():
        pass  # The connection broke, and its locks are gone with it.


def _rows(
    tx: Transaction, statement: str, parameters: Mapping[str, Any], limit: int
) -> StatementRows:
    cursor = tx.connection.cursor()
    declared = f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {statement}"
    given = dict(parameters) or None
    if given is not None:
        declared = with_percent_names(declared, given)
    # `binary` has psycopg send the statement as one that is prepared: it cannot be several.
    cursor.execute(declared, given, binary=True)
    found, batch = None, _FIRST_ROWS
    while True:
        cursor.execute(f"FETCH FORWARD {batch} FROM {_CURSOR}", binary=False)
        result = cursor.pgresult
        if found is None:
            encoding = tx.connection.info.encoding
            names = (result.fname(place).decode(encoding) for place in range(result.nfields))
            found = RowLimit(names, limit)
            loaders = [_LOADERS.get(result.ftype(place), str) for place in range(result.nfields)]
        for number in range(result.ntuples):
            values = (result.get_value(number, place) for place in range(result.nfields))
            row = [
                None if value is None else load(value.decode(encoding, "replace"))
                for value, load in zip(values, loaders, strict=True)
            ]
            if not found.add(row):
                return found.rows()
        if result.ntuples < batch:
            return found.rows()
        batch = _next_batch(batch, found.bytes)


def _next_batch(batch: int, bytes_of_rows: int) -> int:
    """Return how many rows to fetch next: more of small ones, fewer of large ones."""
    return max(1, min(2 * batch, _MOST_ROWS, _FETCHED_BYTES * batch // max(1, bytes_of_rows)))


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
    16: lambda text: text == "t",
    17: _bytes,
    **dict.fromkeys((20, 21, 23, 26), int),
    **dict.fromkeys((700, 701), _float),
    1184: _time,
    1700: _number,
}
