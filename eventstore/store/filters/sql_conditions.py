"""Conditions of queries: on metadata, and on whose sessions are seen."""

from __future__ import annotations

from typing import Any, NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters import search
from eventstore.store.filters.forced_joins import optimization_fence
from eventstore.store.readmodels.words.search_tokens import Term

#: How many rows of a metadata index are worth counting to choose where to start.
MOST_COUNTED = 1000
_LISTED = 20_000


class Where(NamedTuple):
    """Conditions to join by AND, and their parameters in order."""

    conditions: list[str]
    parameters: list[Any]

    def add(self, condition: str, *parameters: Any) -> None:
        """One more condition."""
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def sql(self) -> str:
        """The clause, empty where there is no condition."""
        return " WHERE " + " AND ".join(self.conditions) if self.conditions else ""


def add_time(where: Where, column: str, since: int | None, until: int | None) -> None:
    """Add the conditions that a time is not before `since`, and before `until`."""
    if since is not None:
        where.add(f"{column} >= ?", since)
    if until is not None:
        where.add(f"{column} < ?", until)


def add_scope(where: Where, scope: Condition | None, alias: str) -> None:
    """Add the condition that the session of a row has a pair; a response's own does not count."""
    if scope is not None:
        where.add(
            f"EXISTS (SELECT 1 FROM session_metadata sc WHERE sc.session_id = {alias}.session_id"
            " AND sc.key = ? AND sc.value = ?)",
            scope.key,
            scope.value,
        )


def add_facets(
    where: Where,
    tx: Transaction,
    table: str,
    alias: str,
    keys: tuple[str, ...],
    facets: list[tuple[str, str]],
) -> None:
    """Add the condition that the rows of `alias` have all facets.

    Args:
        keys: what rows and their facets have in common.

    Raises:
        InvalidInputError: the store is encrypted, and has no facets.
    """
    if facets and tx.keys.name(tx) is not None:
        names = ", ".join(f"--{name}" for name, _ in facets)
        raise InvalidInputError(
            f"{names}: tools, languages and errors are encrypted here, and no list is chosen by"
            " them; choose by metadata"
        )
    same = " AND ".join(f"y.{key} = {alias}.{key}" for key in keys)
    for facet in facets:
        sql = f"SELECT 1 FROM {table} y WHERE {same} AND y.facet = ? AND y.value = ?"
        where.add(f"EXISTS ({sql}{optimization_fence(tx)})", *facet)


def counts_for_response(alias: str) -> str:
    """Return the condition that a row of `response_metadata` says what its response counts for.

    What the session's metadata say of a key, whoever runs the store has said: a response's own
    value of the key, which the user of an app can choose, does not count beside it. See
    docs/adr/0019.
    """
    return (
        f"({alias}.own = 0 OR NOT EXISTS (SELECT 1 FROM session_metadata sm"
        f" WHERE sm.session_id = {alias}.session_id AND sm.key = {alias}.key"
        f" AND sm.value <> {alias}.value))"
    )


def add_metadata_condition(
    where: Where,
    tx: Transaction,
    condition: Condition,
    table: str,
    alias: str,
    keys: tuple[str, ...],
    timed: bool = True,
    counted: bool = False,
) -> None:
    """Add a condition on the metadata of the rows of `alias`.

    `K!=V` holds where the pair is not there, so also where the key is not.

    Args:
        keys: what rows and their metadata have in common, beside the session.
        timed: and the time.
        counted: of responses, only pairs that they count for: see `counts_for_response`.
    """
    joined = " AND ".join(f"x.{key} = {alias}.{key}" for key in ("session_id", *keys))
    test, values = key_condition(condition)
    if counted:
        test = f"{test} AND {counts_for_response('x')}"
    if condition.operator != "!=" or not timed:
        negated = "NOT " if condition.operator == "!=" else ""
        where.add(f"{negated}EXISTS (SELECT 1 FROM {table} x WHERE {joined} AND {test})", *values)
        return
    # Where nearly all have the pair, nearly all are looked at: in the order of the pair's own
    # index, which has the same time, so that one look is beside the other.
    by_index = "" if tx.postgresql else f" INDEXED BY {table}_value"
    where.add(
        f"NOT EXISTS (SELECT 1 FROM {table} x{by_index} WHERE {joined} AND {test}"
        f" AND x.at = {alias}.at)",
        *values,
    )


def key_condition(condition: Condition) -> tuple[str, list[str]]:
    """A condition on a row `x` of metadata, and its parameters."""
    if condition.operator == "has":
        return "x.key = ?", [condition.key]
    if condition.operator == "^=":
        end = after_prefix(condition.value)
        if end is None:
            return "x.key = ? AND x.value >= ?", [condition.key, condition.value]
        return (
            "x.key = ? AND x.value >= ? AND x.value < ?",
            [condition.key, condition.value, end],
        )
    return "x.key = ? AND x.value = ?", [condition.key, condition.value]


def after_prefix(prefix: str) -> str | None:
    """The first text behind all that begin with the prefix, by code point."""
    while prefix:
        point = ord(prefix[-1]) + 1
        if 0xD800 <= point <= 0xDFFF:
            point = 0xE000
        if point <= 0x10FFFF:
            return prefix[:-1] + chr(point)
        prefix = prefix[:-1]
    return None


def choose_start(
    tx: Transaction, conditions: tuple[Condition, ...], table: str = "response_metadata"
) -> Condition | None:
    """The metadata condition to start from: the only one, or the one with the fewest rows.

    Args:
        table: where the metadata are.
    """
    equal = [c for c in conditions if c.operator == "="]
    if len(equal) == 1:
        return equal[0]
    if equal:
        return min(equal, key=lambda condition: count_pairs_up_to(tx, condition, table))
    for condition in conditions:
        # A rare key leads; a common one is met soon enough in order of time.
        if condition.operator != "!=" and count_pairs_up_to(tx, condition, table) < MOST_COUNTED:
            return condition
    return None


def count_pairs_up_to(tx: Transaction, condition: Condition, table: str) -> int:
    """How many rows of metadata pass a condition, counted up to `MOST_COUNTED`."""
    test, values = key_condition(condition)
    return count_up_to(tx, f"{table} x WHERE {test}", values)


def count_up_to(
    tx: Transaction, found: str, parameters: list[str], limit: int | None = None
) -> int:
    """How many rows a source and its condition have, counted up to a limit, else `MOST_COUNTED`."""
    sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {found} LIMIT ?) probed"
    return int(tx.rows(sql, [*parameters, limit or MOST_COUNTED])[0][0])


def few_matching_rows(
    tx: Transaction, terms: list[Term], names: tuple[str, ...]
) -> list[Row] | None:
    """Columns of the items that say the terms, each once; None where there are many."""
    # SQLite would read each item that is found, to find that there are many.
    if not tx.postgresql and count_up_to(tx, *search.fts_matches(terms)) >= MOST_COUNTED:
        return None
    say = search.rows_that_say if names == ("session_id",) else search.items_that_say
    found, values = say(terms, tx.postgresql)
    columns = ", ".join(f"i.{name}" for name in names)
    rows = tx.rows(f"SELECT {columns} FROM {found} LIMIT ?", [*values, MOST_COUNTED])
    return (
        None
        if len(rows) >= MOST_COUNTED
        else [row for row in dict.fromkeys(rows) if None not in row]
    )


def is_rare(tx: Transaction, terms: list[Term]) -> bool:
    """Whether all that say the terms are listed sooner than a thousand are looked at one by one."""
    return not tx.postgresql and count_up_to(tx, *search.fts_matches(terms), _LISTED) < _LISTED


def values_source(rows: list[Row], names: tuple[str, ...]) -> tuple[str, list[Any]]:
    """A source of these rows, and its parameters."""
    rows = rows or [(None,) * len(names)]
    columns = ", ".join(f"column{number} AS {name}" for number, name in enumerate(names, 1))
    row = f"({', '.join('?' * len(names))})"
    sql = f"(SELECT {columns} FROM (VALUES {', '.join([row] * len(rows))}) v)"
    return sql, [value for row in rows for value in row]
