"""Put rows into a read model: insert them, or update what is there, touching few indexes."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Table

from eventstore.store import tables
from eventstore.store.transaction import Row, Transaction

#: Columns that never change once a row is there.
_FIXED = {"sessions": {"at"}, "responses": {"at", "seq"}, "response_metadata": {"at"}}

#: Indexed columns that seldom change. A row where they are as they were is updated without them,
#: so that SQLite leaves their indexes alone.
_SELDOM = {
    "sessions": ("model",),
    "items": ("response_id",),
    "responses": ("model", "voice", "conversation_id"),
    "usage": ("at",),
}


def _upsert(table: Table) -> str:
    names = [c.name for c in table.columns]
    kept = {c.name for c in table.primary_key.columns} | _FIXED.get(table.name, set())
    keys = ", ".join(c.name for c in table.primary_key.columns)
    rest = ", ".join(f"{n} = excluded.{n}" for n in names if n not in kept)
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        f" ON CONFLICT ({keys}) DO UPDATE SET {rest}"
    )


def _often(table: Table) -> list[str]:
    """The columns that an update sets."""
    kept = {c.name for c in table.primary_key.columns} | _FIXED.get(table.name, set())
    return [c.name for c in table.columns if c.name not in kept.union(_SELDOM[table.name])]


def _update(table: Table) -> str:
    sets = ", ".join(f"{name} = ?" for name in _often(table))
    where = " AND ".join(f"{c.name} = ?" for c in table.primary_key.columns)
    return f"UPDATE {table.name} SET {sets} WHERE {where}"


UPSERT = {table.name: _upsert(table) for table in tables.READ_MODELS}
UPDATE = {name: _update(tables.metadata.tables[name]) for name in _SELDOM}


class _Take(NamedTuple):
    """How to take parts of a table's row: its key, what seldom changes, an update's parameters."""

    key: Callable[[Row], Row]
    seldom: Callable[[Row], Row]
    parameters: Callable[[Row], Row]


def _take(table: Table) -> _Take:
    columns = [c.name for c in table.columns]
    keys = [c.name for c in table.primary_key.columns]

    def taker(*names: str) -> Callable[[Row], Row]:
        places = [columns.index(name) for name in names]
        return itemgetter(*places) if len(places) > 1 else lambda row: (row[places[0]],)

    return _Take(taker(*keys), taker(*_SELDOM[table.name]), taker(*_often(table), *keys))


_TAKE = {name: _take(tables.metadata.tables[name]) for name in _SELDOM}


def put(tx: Transaction, table: Table, rows: list[Row]) -> None:
    """Insert rows, or replace those that are there."""
    _run(tx, UPSERT[table.name], rows)


def put_known(
    tx: Transaction, written: dict[tuple[str, Row], Row], table: Table, rows: list[Row]
) -> None:
    """`put`, with a memory of what was put, so that a row that is there is updated in place.

    Args:
        written: by table and key, the seldom changed columns of rows that are surely there.
    """
    take = _TAKE[table.name]
    new, there = [], []
    for row in rows:
        name, values = (table.name, take.key(row)), take.seldom(row)
        if written.get(name) == values:
            there.append(take.parameters(row))
        else:
            written[name] = values
            new.append(row)
    _run(tx, UPSERT[table.name], new)
    _run(tx, UPDATE[table.name], there)


def _run(tx: Transaction, sql: str, rows: list[Row]) -> None:
    if len(rows) == 1:
        tx.run(sql, rows[0])
    elif rows:
        tx.run_many(sql, rows)
