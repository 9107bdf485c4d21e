"""Turn what a projection of one's own returns into rows of its tables, within limits. Pure.

Called inline (inline.py) and by workers (catch_up.py), in the thread of the projection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from math import isfinite
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
)

from eventstore.realtime.values import is_storable
from eventstore.store.consumers.projections.projection import Projection, Rows

#: How many rows a session can have in all tables of a projection, and how many bytes.
MAX_ROWS, MAX_BYTES = 10_000, 16 * 1024 * 1024
_MAX_KEY_BYTES = 1024

#: The rows of a session by table and primary key. The columns are in the order of the table.
KeyedRows = dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]


class RowError(ValueError):
    """What a projection returned are no rows of its tables. The message has no content."""


def keyed_rows(projection: Projection[Any], session_id: str, made: Rows) -> KeyedRows:
    """Return the rows that a projection made of a session.

    Args:
        made: What its method `rows` or `project` returned.

    Raises:
        RowError: They are no rows of its tables, or too many.
    """
    tables = {table.name: table for table in projection.tables}
    found: KeyedRows = {name: {} for name in tables}
    count = size = 0
    for name, rows in _by_table(projection, made):
        table = tables.get(name)
        if table is None:
            raise RowError("returned rows of a table that is not its own")
        if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
            raise RowError(f"returned no rows for {name}")
        for row in islice(rows, MAX_ROWS - count + 1):
            count += 1
            if count > MAX_ROWS:
                raise RowError(f"returned more than {MAX_ROWS:,} rows for one session")
            key, values = _row(table, session_id, row)
            if key in found[name]:
                raise RowError(f"returned two rows of {name} with the same primary key")
            size += sum(map(_bytes_of, values))
            if size > MAX_BYTES:
                raise RowError(f"returned more than {MAX_BYTES:,} bytes for one session")
            found[name][key] = values
    return found


def _by_table(
    projection: Projection[Any], made: Rows
) -> Iterator[tuple[str, Iterable[Mapping[str, Any]]]]:
    if isinstance(made, Mapping):
        for table, rows in made.items():
            yield (table.name if isinstance(table, Table) else str(table)), rows
    elif isinstance(made, Iterable) and not isinstance(made, str | bytes):
        if len(projection.tables) > 1:
            raise RowError("has several tables, and did not say of which one the rows are")
        yield projection.tables[0].name, made
    else:
        raise RowError(f"returned {type(made).__name__} in place of rows")


def _row(table: Table, session_id: str, row: object) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return a row's primary key, and the values of all its columns."""
    if not isinstance(row, Mapping):
        raise RowError(f"returned {type(row).__name__} in place of a row of {table.name}")
    given = {**row, "session_id": session_id}
    if not given.keys() <= set(table.columns.keys()):
        raise RowError(f"returned a row with columns that {table.name} has not")
    values = tuple(_value(table, column, given.get(column.name)) for column in table.columns)
    places = {column.name: place for place, column in enumerate(table.columns)}
    key = tuple(values[places[column.name]] for column in table.primary_key.columns)
    if any(_bytes_of(one) > _MAX_KEY_BYTES for one in key):
        raise RowError(f"returned a primary key of {table.name} that is too long")
    return key, values


def bytes_of(made: KeyedRows) -> int:
    """Return how many bytes the texts and bytes of rows have."""
    return sum(_bytes_of(value) for rows in made.values() for row in rows.values() for value in row)


def _bytes_of(value: Any) -> int:
    """Return how many bytes a text, in UTF-8, or bytes have; 0 for any other value."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    return len(value) if isinstance(value, bytes) else 0


def _value(table: Table, column: Column[Any], value: Any) -> Any:
    if value is None:
        if column.primary_key or not column.nullable:
            raise RowError(f"returned a row without {table.name}.{column.name}")
        return None
    value = _plain(value)
    if _fits(column, value):
        return value
    kind = type(value).__name__
    raise RowError(f"returned {kind} for {table.name}.{column.name}, or more than it holds")


def _plain(value: Any) -> Any:
    """Return a text, bytes or a float without the methods of a class that derives from them.

    Rows are compared and written outside of the thread of the projection. A method of such a class,
    such as its `__eq__`, would run there and could stop an append. Calls of the base class's own
    methods give plain values.
    """
    kind = type(value)
    if kind is str or kind is bytes or kind is float or kind is int or kind is bool:
        return value
    if issubclass(kind, str):
        return str.__getitem__(value, slice(None))
    if issubclass(kind, bytes):
        return bytes.__getitem__(value, slice(None))
    return float.__pos__(value) if issubclass(kind, float) else value


def _fits(column: Column[Any], value: Any) -> bool:
    kind = column.type
    if isinstance(kind, Boolean):
        return isinstance(value, bool)
    if isinstance(kind, Float):
        # Integers beyond 2^53 would come back as others.
        if type(value) is int:
            return abs(value) <= 2**53
        return isinstance(value, float) and isfinite(value)
    if isinstance(kind, Integer):
        bits = 63 if isinstance(kind, BigInteger) else 15 if isinstance(kind, SmallInteger) else 31
        return type(value) is int and -(2**bits) <= value < 2**bits
    if isinstance(kind, LargeBinary):
        return isinstance(value, bytes)
    longest = getattr(kind, "length", None)
    return (
        isinstance(value, str) and is_storable(value) and (longest is None or len(value) <= longest)
    )
