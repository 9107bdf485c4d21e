"""Build the WHERE clauses of queries: on metadata, time, facets, scope and text.

Used by all queries of lists and of usage.
"""

from __future__ import annotations

from math import isqrt
from typing import Any, NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import identifier
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.filters import search
from eventstore.store.filters.filters import Facets
from eventstore.store.filters.forced_joins import row_by_row
from eventstore.store.readmodels.words.search_tokens import Term

#: Up to how many rows of an index are counted, to choose the condition to start from.
MOST_COUNTED = 1000
# PostgreSQL: how many looks at a row in order take as long as looking up one that passes.
_LOOKS = 8
# PostgreSQL: how many entries a page has, about.
_PAGE = 20
# PostgreSQL: more rows would need more parameters than a statement can have.
_MOST_LISTED = 16_000
# PostgreSQL: of how many items that say all words of a phrase, in whatever order, one says the
# phrase at most. The planner knows the former alone.
_OF_WORDS = 10
# A word that nobody says, and no statistics know.
_UNHEARD = Term(["xqzvjwkxqzvjw"], prefix=False)
_LISTED = 20_000
#: PostgreSQL: about how many responses there are, as the last analysis or vacuum noted.
ROWS_ABOUT = "SELECT reltuples FROM pg_class WHERE oid = to_regclass('responses')"


class Where(NamedTuple):
    """Conditions that are joined by AND, and their parameters, in order.

    Attributes:
        conditions: The conditions.
        parameters: The parameters of the clauses before them, and of the conditions.
    """

    conditions: list[str]
    parameters: list[Any]

    def add(self, condition: str, *parameters: Any) -> None:
        """Add a condition and its parameters."""
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def sql(self) -> str:
        """Return the WHERE clause; empty if there is no condition."""
        return " WHERE " + " AND ".join(self.conditions) if self.conditions else ""


def add_time(where: Where, column: str, since: int | None, until: int | None) -> None:
    """Add the conditions that a time is at or after `since`, and before `until`."""
    if since is not None:
        where.add(f"{column} >= ?", since)
    if until is not None:
        where.add(f"{column} < ?", until)


def add_session(where: Where, tx: Transaction, alias: str, session_id: str) -> None:
    """Add the condition that rows are of one session.

    PostgreSQL puts a value that a column is equal to in the place of the column, in some of the
    subqueries. Citus then does not see any more that the tables are joined by their sessions, and
    refuses the query. It does not do so with a value of an array.

    Args:
        alias: The alias of the rows.
        session_id: The session's id. Citus refuses one that is longer than a key can be, so it is
            compared as it would be kept.
    """
    value = "ANY(ARRAY[?])" if tx.distributed else "?"
    where.add(f"{alias}.session_id = {value}", identifier(session_id) or session_id)


def add_scope(where: Where, scope: Condition | None, alias: str) -> None:
    """Add the condition that a row's session has a pair; a response's own pair does not count."""
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
    facets: Facets,
    lacked: Facets = (),
) -> None:
    """Add the condition that the rows of `alias` have all facets, and none of others.

    Args:
        table: The table of facets.
        keys: The columns that rows and their facets share.
        facets: The facets that the rows have.
        lacked: The facets that the rows do not have.

    Raises:
        InvalidInputError: The store is encrypted, and so has no facets.
    """
    if (facets or lacked) and tx.keys.name(tx) is not None:
        names = ", ".join(f"--{name}" for name, _ in (*facets, *lacked))
        raise InvalidInputError(
            f"{names}: tools, languages, errors, protocols and kinds are encrypted here, and no"
            " list is chosen by them; choose by metadata"
        )
    same = " AND ".join(f"y.{key} = {alias}.{key}" for key in keys)
    has_it = row_by_row(tx, f"SELECT 1 FROM {table} y WHERE {same} AND y.facet = ? AND y.value = ?")
    for facet in facets:
        where.add(has_it, *facet)
    for facet in lacked:
        where.add(f"NOT ({has_it})", *facet)


def counts_for_response(alias: str) -> str:
    """Return the condition that a row of `response_metadata` counts for its response.

    If the session has a value of a key, the response's own value of that key does not count. The
    operator sets the session's metadata, while the user of an app may be able to choose the
    response's: docs/adr/0019.
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

    `K!=V` holds if the pair is missing, so also if the key is missing.

    Args:
        table: The table of metadata.
        keys: The columns that rows and their metadata share, besides the session.
        timed: True if they share the time as well.
        counted: True compares only with pairs that count for a response; see `counts_for_response`.
    """
    joined = " AND ".join(f"x.{key} = {alias}.{key}" for key in ("session_id", *keys))
    test, values = key_condition(condition)
    if counted:
        test = f"{test} AND {counts_for_response('x')}"
    if condition.operator != "!=" or not timed:
        negated = "NOT " if condition.operator == "!=" else ""
        found = f"SELECT 1 FROM {table} x WHERE {joined} AND {test}"
        if tx.distributed and not negated and not counted:
            # On a shard, PostgreSQL would read all rows that match, for lack of the page's limit.
            where.add(row_by_row(tx, found), *values)
        else:
            where.add(f"{negated}EXISTS ({found})", *values)
        return
    # If nearly all rows have the pair, nearly all are looked up. The order of the pair's own index,
    # with the same time, keeps these lookups next to each other.
    by_index = "" if tx.postgresql else f" INDEXED BY {table}_value"
    where.add(
        f"NOT EXISTS (SELECT 1 FROM {table} x{by_index} WHERE {joined} AND {test}"
        f" AND x.at = {alias}.at)",
        *values,
    )


def key_condition(condition: Condition) -> tuple[str, list[str]]:
    """Return the condition on a row `x` of metadata, and its parameters."""
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
    """Return the first text behind all texts with a prefix, or None if there is none.

    Texts are in the order of code points.
    """
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
    """Return the condition on metadata to start a query from, or None to start from the time.

    It is the only condition with `=`, or the one with the fewest rows.

    Args:
        table: The table of metadata.
    """
    equal = [c for c in conditions if c.operator == "="]
    if len(equal) == 1:
        return equal[0]
    if equal:
        return min(
            equal, key=lambda condition: count_pairs_up_to(tx, condition, table, MOST_COUNTED)
        )
    others = [condition for condition in conditions if condition.operator != "!="]
    most = most_few(tx) if others else 0
    for condition in others:
        # A query starts from a rare key. Rows with a common key are soon found in the order of
        # time.
        if count_pairs_up_to(tx, condition, table, most) < most:
            return condition
    return None


def most_few(tx: Transaction) -> int:
    """Return below which number the rows that pass a condition are few.

    A page is read from few rows by looking up and sorting all of them. With more, rows are looked
    at in the order of the list until the page is full. If R of N rows pass, that are N / R rows for
    each entry of the page: 200,000 for a page of 20 if 1,000 of ten million pass. So PostgreSQL
    looks up to the square root of N times a constant, at which both take as long. SQLite keeps the
    large rows of responses in the index of their key, so that a lookup takes it many times as long.
    """
    if not tx.postgresql or tx.distributed:
        return MOST_COUNTED
    ((number,),) = tx.rows(ROWS_ABOUT)
    few = isqrt(max(0, int(number)) * _PAGE // _LOOKS)
    return min(max(MOST_COUNTED, few), _MOST_LISTED)


def count_pairs_up_to(tx: Transaction, condition: Condition, table: str, most: int) -> int:
    """Return how many rows of metadata pass a condition, counted up to a limit."""
    test, values = key_condition(condition)
    return count_up_to(tx, f"{table} x WHERE {test}", values, most)


def count_up_to(
    tx: Transaction, found: str, parameters: list[str], limit: int | None = None
) -> int:
    """Return how many rows there are behind FROM, counted up to a limit, or `MOST_COUNTED`.

    Args:
        found: SQL behind FROM.
    """
    sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {found} LIMIT ?) probed"
    return int(tx.rows(sql, [*parameters, limit or MOST_COUNTED])[0][0])


def few_that_say(
    tx: Transaction, terms: list[Term], names: tuple[str, ...]
) -> tuple[str, list[Any]] | None:
    """Return a source of the items that say the terms, without duplicates, or None for many items.

    Args:
        names: The columns of the source.

    Returns:
        A subquery in parentheses with the values of the columns, and its parameters.
    """
    # Counting in the index first spares SQLite to read each item, to find that there are many.
    if not tx.postgresql and count_up_to(tx, *search.fts_matches(terms)) >= MOST_COUNTED:
        return None
    say = search.rows_that_say if names == ("session_id",) else search.items_that_say
    found, values = say(terms, tx.postgresql)
    columns = ", ".join(f"i.{name}" for name in names)
    most = most_few(tx)
    # To find that a common word has too many items takes time as well: 20 µs an item.
    is_phrase = any(len(term.tokens) > 1 for term in terms)
    common = most * _OF_WORDS if is_phrase else most
    if most > MOST_COUNTED and _is_surely_common(tx, found, values, common):
        most = MOST_COUNTED
    rows = tx.rows(f"SELECT {columns} FROM {found} LIMIT ?", [*values, most])
    if len(rows) >= most:
        return None
    return values_source([row for row in dict.fromkeys(rows) if None not in row], names)


def _is_surely_common(tx: Transaction, found: str, values: list[str], most: int) -> bool:
    """PostgreSQL: return True if the planner knows the words, and expects more rows than `most`.

    The planner knows the commonest words alone. It takes each other one for half as common as the
    rarest of these, which may be far more than `most` in a large store.
    """
    expected = _expected(tx, found, values)
    return expected > most and expected > _expected(tx, *search.items_that_say([_UNHEARD], True))


def _expected(tx: Transaction, found: str, values: list[str]) -> int:
    """PostgreSQL: return how many rows the planner expects behind FROM."""
    ((plans,),) = tx.rows(f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {found}", values)
    return int(plans[0]["Plan"]["Plan Rows"])


def is_rare(tx: Transaction, terms: list[Term]) -> bool:
    """Return True if listing all items with the terms is faster than a look at a thousand."""
    return not tx.postgresql and count_up_to(tx, *search.fts_matches(terms), _LISTED) < _LISTED


def values_source(rows: list[Row], names: tuple[str, ...]) -> tuple[str, list[Any]]:
    """Return a subquery with these rows and column names, and its parameters."""
    rows = rows or [(None,) * len(names)]
    columns = ", ".join(f"column{number} AS {name}" for number, name in enumerate(names, 1))
    row = f"({', '.join('?' * len(names))})"
    sql = f"(SELECT {columns} FROM (VALUES {', '.join([row] * len(rows))}) v)"
    return sql, [value for row in rows for value in row]
