"""Suggest values of filters: keys and values of metadata, and models, that are stored.

They are found by a skip scan, which goes from one value of an index directly to the next. So a
million rows with one value cost as much as one row. Called by verbs/analytics.py, cli/ and
web/api/.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.realtime.metadata import Condition
from eventstore.store.database.transaction import Transaction, read
from eventstore.store.filters.filters import SuggestionFilter
from eventstore.store.filters.forced_joins import ordered_join
from eventstore.store.filters.sql_conditions import Where, after_prefix
from eventstore.store.queries.pages import Page

#: How many values of a column are read if the database does not order them by code points.
_STEPS = 10_000
#: On a store that Citus has spread: how many statements look for values, and how many rows each
#: reads on each node, at least and at most.
_LOOKUPS, _BLOCK, _MOST_ROWS = 1000, 200, 5000
#: How many of a tenant's newest sessions, and of their rows, are read.
_SESSIONS = 1000
_ROWS = 50_000

#: The values of `object` in suggestions.
KEY_OBJECT, VALUE_OBJECT, MODEL_OBJECT = (
    f"eventstore.{kind}" for kind in ("metadata_key", "metadata_value", "model")
)


class _Column(NamedTuple):
    """A column, and an index that has it in order.

    Attributes:
        table, name: Of the column.
        by_index: The name of the index.
    """

    table: str
    name: str
    by_index: str


_METADATA = ("session_metadata", "response_metadata")
_KEYS = tuple(_Column(table, "key", f"{table}_value") for table in _METADATA)
_VALUES = tuple(_Column(table, "value", f"{table}_value") for table in _METADATA)
_MODELS = tuple(_Column(table, "model", f"{table}_model") for table in ("sessions", "responses"))


def metadata_keys(engine: Engine, filters: SuggestionFilter, scope: Condition | None) -> list[str]:
    """Return keys of metadata, in the order of code points.

    Args:
        filters: The prefix and the number of suggestions.
        scope: A pair of session metadata. Only the newest sessions with the pair are read.
    """
    return _suggested(engine, _KEYS, Where([], []), filters, scope)


def metadata_values(
    engine: Engine, filters: SuggestionFilter, scope: Condition | None
) -> list[str]:
    """Return values of a metadata key, in the order of code points.

    Args:
        filters: The key, the prefix and the number of suggestions.
        scope: As for `metadata_keys`.
    """
    return _suggested(engine, _VALUES, Where(["x.key = ?"], [filters.key]), filters, scope)


def models(engine: Engine, filters: SuggestionFilter, scope: Condition | None) -> list[str]:
    """Return models of sessions and of responses, in the order of code points.

    Args:
        filters: The prefix and the number of suggestions.
        scope: As for `metadata_keys`.
    """
    return _suggested(engine, _MODELS, Where([], []), filters, scope)


def session_ids(engine: Engine, prefix: str, limit: int) -> list[str]:
    """Return ids of sessions that begin with a prefix, in order, without erased sessions.

    Args:
        prefix: The beginning of the ids.
        limit: How many at most.
    """
    with read(engine) as tx:
        where = Where(["t.erased_at IS NULL"], [])
        end = after_prefix(prefix)
        if tx.postgresql:  # Its order of texts may differ from that of code points.
            where.add("starts_with(t.session_id, ?)", prefix)
        elif end is not None:
            where.add("t.session_id >= ? AND t.session_id < ?", prefix, end)
        sql = f"SELECT t.session_id FROM streams t{where.sql()} ORDER BY t.session_id LIMIT ?"
        return [row[0] for row in tx.rows(sql, [*where.parameters, limit])]


def suggestions(kind: str, found: list[str], limit: int) -> Page[dict[str, Any]]:
    """Return suggestions as a page of resources.

    Args:
        kind: `KEY_OBJECT`, `VALUE_OBJECT` or `MODEL_OBJECT`.
        found: The suggestions, and one more than `limit` if there are more.
        limit: How many the page has at most.
    """
    data = [{"id": value, "object": kind} for value in found[:limit]]
    first, last = (found[0], data[-1]["id"]) if data else (None, None)
    return Page(data, first, last, len(found) > limit)


def _suggested(
    engine: Engine,
    columns: tuple[_Column, ...],
    where: Where,
    filters: SuggestionFilter,
    scope: Condition | None,
) -> list[str]:
    found: set[str] = set()
    with read(engine) as tx:
        for column in columns:
            if scope is None:
                found.update(_distinct(tx, column, where, filters))
            else:
                found.update(_of_tenant(tx, column, where, scope))
    return sorted(value for value in found if value.startswith(filters.prefix))[: filters.limit]


def _distinct(
    tx: Transaction, column: _Column, where: Where, filters: SuggestionFilter
) -> list[str]:
    """Return the first values of a column, in the order of an index that has it.

    The column is the first one of the index, or comes behind columns that `where` fixes.
    """
    table, name, by_index = column
    # On PostgreSQL, only values of metadata certainly have the order of code points.
    ordered_by_points = name == "value" or not tx.postgresql
    last = after_prefix(filters.prefix) if ordered_by_points else None
    within = Where([*where.conditions], [*where.parameters])
    if last is not None:
        within.add(f"x.{name} < ?", last)
    # Each step has one lower bound. With two, SQLite may start at the lower one each time.
    begin = f"x.{name} >= ?"
    parameters = [*within.parameters, filters.prefix if ordered_by_points else ""]
    indexed = "" if tx.postgresql else f" INDEXED BY {by_index}"

    def ordered(bound: str, limit: int | str) -> str:
        conditions = " AND ".join([*within.conditions, bound])
        source = f"{table} x{indexed} WHERE {conditions}"
        return f"SELECT x.{name} FROM {source} ORDER BY x.{name} LIMIT {limit}"

    steps = filters.limit if ordered_by_points else _STEPS
    if tx.distributed:
        blocks = (ordered(begin, "?"), ordered(f"x.{name} > ?", "?"))
        return _by_lookups(tx, *blocks, parameters, steps)
    sql = (
        f"WITH RECURSIVE d(found, number) AS (SELECT ({ordered(begin, 1)}), 1"
        f" UNION ALL SELECT ({ordered(f'x.{name} > d.found', 1)}), d.number + 1"
        " FROM d WHERE d.found IS NOT NULL AND d.number < ?"
        ") SELECT found FROM d WHERE found IS NOT NULL"
    )
    return [row[0] for row in tx.rows(sql, [*parameters, *within.parameters, steps])]


def _by_lookups(
    tx: Transaction, first: str, following: str, parameters: list[Any], steps: int
) -> list[str]:
    """Return the first values of a column, found by several statements.

    Citus refuses the recursion of the skip scan. A statement reads a small block of rows, because
    they may all have one common value. While a block has several values, the next one is larger.

    Args:
        first: Reads a block of rows in order, from the last parameter on. A parameter behind it is
            the number of rows.
        following: Reads a block of rows behind the last parameter, as `first` does.
        parameters: Those of `first`, without the number of rows.
        steps: How many values are enough.
    """
    found: dict[str, None] = {}
    sql, block = first, _BLOCK
    for _ in range(_LOOKUPS):
        values = [row[0] for row in tx.rows(sql, [*parameters, block])]
        new = dict.fromkeys(values)
        found.update(new)
        if len(values) < block or len(found) >= steps:
            break
        block = min(4 * block, _MOST_ROWS) if len(new) > 1 else _BLOCK
        sql, parameters = following, [*parameters[:-1], values[-1]]
    return list(found)


def _of_tenant(tx: Transaction, column: _Column, where: Where, scope: Condition) -> list[str]:
    """Return the values of a column in a tenant's newest sessions."""
    newest = (
        "SELECT m.session_id FROM session_metadata m WHERE m.key = ? AND m.value = ?"
        f" ORDER BY m.at DESC, m.session_id DESC LIMIT {_SESSIONS}"
    )
    on = " AND ".join(["x.session_id = n.session_id", *where.conditions])
    rows = (
        f"SELECT x.{column.name} AS found FROM ({newest}) n {ordered_join(tx)} {column.table} x"
        f" ON {on} WHERE x.{column.name} IS NOT NULL LIMIT {_ROWS}"
    )
    sql = f"SELECT DISTINCT found FROM ({rows}) f"
    return [row[0] for row in tx.rows(sql, [scope.key, scope.value, *where.parameters])]
