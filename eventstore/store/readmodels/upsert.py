"""Insert rows into the read models, or update them if they exist.

An update leaves indexed columns alone if they did not change. Called by write_read_models.py, and
by append.py, which puts the same clauses into its own statement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Table

from eventstore.store.database.tables import declared as tables
from eventstore.store.database.tables.day_tables import MARK_TABLES
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.words.index_words import WORDS, tsvector_of

Rows = dict[str, list[Row]]

#: PostgreSQL's columns for the search index, which the declarations of the tables lack.
INDEXED = {"items": [WORDS]}

# Values of one INSERT at most. A statement of PostgreSQL's protocol has 65,535.
_MOST_VALUES = 20_000

#: Columns that never change after the row is inserted.
_NEVER_CHANGED = {"responses": {"at", "seq"}, "response_metadata": {"at"}}

#: Indexed columns that seldom change. SQLite updates a row without them if they are as before, and
#: so leaves their indexes alone. A session's time is that of its first event, which may come after
#: the row was written.
_SELDOM_CHANGED = {
    "sessions": ("at", "model"),
    "items": ("response_id",),
    "responses": ("model", "voice", "conversation_id", "answer_us", "duration_us", "total_tokens"),
    "usage": ("at",),
}


def insert_sql(table: Table) -> str:
    """Return the statement that inserts a row with all columns."""
    names = [c.name for c in table.columns]
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def _upsert(table: Table) -> str:
    return f"{insert_sql(table)} {_on_conflict(table)}"


def _on_conflict(table: Table, further: Sequence[str] = ()) -> str:
    keys = ", ".join(c.name for c in table.primary_key.columns)
    sets = ", ".join(
        f"{name} = excluded.{name}" for name in (*_changeable_columns(table), *further)
    )
    return f"ON CONFLICT ({keys}) DO {f'UPDATE SET {sets}' if sets else 'NOTHING'}"


def _changeable_columns(table: Table) -> list[str]:
    """Return the columns that can differ between two versions of a row."""
    kept = {c.name for c in table.primary_key.columns} | _NEVER_CHANGED.get(table.name, set())
    return [c.name for c in table.columns if c.name not in kept]


@lru_cache(maxsize=256)
def upsert_clauses(names: tuple[str, ...], condition: str = "") -> str:
    """PostgreSQL: return clauses of a WITH that upsert the rows of `upsert_parameters`.

    All tables are written by one statement, because each statement costs a round trip.

    Args:
        names: The tables.
        condition: Another relation to select from, such as `moved, `; if it has no row, nothing is
            written.
    """
    clauses = []
    for table in (tables.metadata.tables[name] for name in names):
        columns = [c.name for c in table.columns] + INDEXED.get(table.name, [])
        taken = ", ".join(f"r.{name}" for name in columns)
        clauses.append(
            f"put_{table.name} AS (INSERT INTO {table.name} ({', '.join(columns)}) SELECT {taken}"
            f" FROM {condition}json_populate_recordset(NULL::{table.name}, ?::json) r"
            f" {_on_conflict(table, INDEXED.get(table.name, []))})"
        )
    return ", ".join(clauses)


def _updated_columns(table: Table) -> list[str]:
    """Return the columns that an UPDATE sets."""
    return [name for name in _changeable_columns(table) if name not in _SELDOM_CHANGED[table.name]]


def _update(table: Table) -> str:
    sets = ", ".join(f"{name} = ?" for name in _updated_columns(table))
    where = " AND ".join(f"{c.name} = ?" for c in table.primary_key.columns)
    return f"UPDATE {table.name} SET {sets} WHERE {where}"


_WRITTEN_TABLES = (*tables.READ_MODELS, *MARK_TABLES, tables.session_costs)

UPSERT = {table.name: _upsert(table) for table in _WRITTEN_TABLES}
UPDATE = {name: _update(tables.metadata.tables[name]) for name in _SELDOM_CHANGED}


_COLUMNS = {table.name: [str(c.name) for c in table.columns] for table in _WRITTEN_TABLES}


#: By table: returns the primary key of a row, which are its first columns.
PRIMARY_KEY_OF: dict[str, Callable[[Row], Row]] = {
    table.name: itemgetter(slice(0, len(table.primary_key.columns))) for table in tables.READ_MODELS
}


class _RowParts(NamedTuple):
    """Functions that take parts of a table's row.

    Attributes:
        seldom: Returns the columns that seldom change.
        parameters: Returns the parameters of the UPDATE.
    """

    seldom: Callable[[Row], Row]
    parameters: Callable[[Row], Row]


def _row_parts(table: Table) -> _RowParts:
    columns = [c.name for c in table.columns]
    keys = [c.name for c in table.primary_key.columns]

    def taker(*names: str) -> Callable[[Row], Row]:
        places = [columns.index(name) for name in names]
        return itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)

    return _RowParts(taker(*_SELDOM_CHANGED[table.name]), taker(*_updated_columns(table), *keys))


_ROW_PARTS = {name: _row_parts(tables.metadata.tables[name]) for name in _SELDOM_CHANGED}


def upsert_rows(
    tx: Transaction, rows: Rows, written: dict[tuple[str, Row], Row] | None = None
) -> None:
    """Insert rows, or replace the rows that exist.

    Args:
        rows: The rows, by table.
        written: By table and key, the seldom changed columns of rows that certainly exist. It is
            updated.
    """
    if tx.distributed:
        for table, some in rows.items():
            _upsert_values(tx, tables.metadata.tables[table], some)
        return
    if tx.postgresql:
        names, parameters = upsert_parameters(rows)
        if names:
            tx.run(f"WITH {upsert_clauses(names)} SELECT 1", parameters)
        return
    for table, table_rows in rows.items():
        if written is not None and table in UPDATE:
            _update_or_upsert(tx, table, table_rows, written)
        else:
            _run(tx, UPSERT[table], table_rows)


def _upsert_values(tx: Transaction, table: Table, rows: list[Row]) -> None:
    """Citus: upsert rows by an INSERT of values, which names its session by constants.

    Citus sends such a statement to the one node that has the session.
    """
    further = INDEXED.get(table.name, [])
    columns = [c.name for c in table.columns] + further
    if further:
        rows = [(*row, tsvector_of(row)) for row in rows]
    value = f"({', '.join('?' * len(columns))})"
    into = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES "
    most = _MOST_VALUES // len(columns)
    for some in (rows[first : first + most] for first in range(0, len(rows), most)):
        sql = f"{into}{', '.join([value] * len(some))} {_on_conflict(table, further)}"
        tx.run(sql, list(chain.from_iterable(some)))


def upsert_parameters(rows: Rows) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """PostgreSQL: return the tables that have rows, and for each the rows as a JSON array."""
    names = tuple(name for name, table_rows in rows.items() if table_rows)
    return names, tuple(
        orjson.dumps([_as_object(name, row) for row in rows[name]]).decode() for name in names
    )


def _as_object(table: str, row: Row) -> dict[str, Any]:
    made = dict(zip(_COLUMNS[table], row, strict=True))
    if table in INDEXED:
        made[WORDS] = tsvector_of(row)
    return made


def _update_or_upsert(
    tx: Transaction, table: str, rows: list[Row], written: dict[tuple[str, Row], Row]
) -> None:
    """SQLite: UPDATE the rows whose seldom changed columns are as before, and upsert the others."""
    take = _ROW_PARTS[table]
    new, present = [], []
    for row in rows:
        name, values = (table, PRIMARY_KEY_OF[table](row)), take.seldom(row)
        if written.get(name) == values:
            present.append(take.parameters(row))
        else:
            written[name] = values
            new.append(row)
    _run(tx, UPSERT[table], new)
    _run(tx, UPDATE[table], present)


def _run(tx: Transaction, sql: str, rows: list[Row]) -> None:
    if len(rows) == 1:
        tx.run(sql, rows[0])
    elif rows:
        tx.run_many(sql, rows)
