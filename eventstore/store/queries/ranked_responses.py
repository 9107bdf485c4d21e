"""Pages of responses that are filtered or sorted by figures: tokens, latency, duration, tools.

A page is read from the index of its order. If a condition leaves few responses, it is read from
those. Called by query_responses.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.errors import NotFoundError
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import identifier
from eventstore.store.database.transaction import Transaction
from eventstore.store.filters import search
from eventstore.store.filters.filters import ResponseFilter, ResponsePaging
from eventstore.store.filters.find_response import find_response
from eventstore.store.filters.forced_joins import lookup_join, ordered_join
from eventstore.store.filters.narrowing import Narrowing, narrowest, narrowing_conditions
from eventstore.store.filters.response_conditions import EQUAL, IDS, LEAST
from eventstore.store.filters.score_conditions import (
    add_sorting_score,
    sorting_name,
    sorting_place,
)
from eventstore.store.filters.sql_conditions import (
    Where,
    choose_start,
    count_up_to,
    few_that_say,
    is_rare,
    key_condition,
)

_COLUMNS = {
    "created": "at",
    "duration": "duration_us",
    "latency": "answer_us",
    "tokens": "total_tokens",
    "score": "number",
}
_INDEXES = {
    "created": "responses_at",
    "duration": "responses_duration",
    "latency": "responses_answer",
    "tokens": "responses_tokens",
}
#: A pair of metadata is frequent if so many responses have it.
_SELDOM = 20_000
_FIGURES = {"tool", "language", "kind", "score", "label", *LEAST}
_OF_RESPONSE = "x.session_id = r.session_id AND x.response_id = r.response_id"
_VALUE = "SELECT {} FROM responses WHERE session_id = ? AND response_id = ?"


def is_ranked_responses(filters: ResponseFilter, paging: ResponsePaging) -> bool:
    """Return True if a page is sorted by a figure, or has a filter on figures or facets."""
    return paging.sort != "created" or not filters.named().isdisjoint(_FIGURES)


def ranked_keys(
    tx: Transaction, filters: ResponseFilter, paging: ResponsePaging, where: Where
) -> tuple[str, list[Any], str]:
    """Return the statement of the keys of a page, its parameters, and its ORDER BY for alias `k`.

    Args:
        where: The conditions on `responses r`, except those on the text.

    Raises:
        NotFoundError: The cursor names no response.
        AmbiguousError: The cursor names responses of several sessions.
    """
    terms = search.parse_terms(filters.text) if filters.text is not None else []
    few = few_that_say(tx, terms, IDS) if terms else None
    lead = few if few is not None else _few_responses(tx, filters)
    by_score = paging.sort == "score"
    source, by = _source(tx, filters, paging, lead, where)
    if lead is not None:
        where = Where(where.conditions, [*lead[1], *where.parameters])
    if terms and few is None:
        at_once = is_rare(tx, terms)
        condition, values = search.response_says(terms, tx.postgresql, at_once)
        where.add(condition, *values)
    column = _COLUMNS[paging.sort]
    if by_score:
        add_sorting_score(where, tx, filters, IDS, paging.order)
    direction, compare = ("ASC", ">") if paging.ascends else ("DESC", "<")
    names = list(dict.fromkeys((column, "at", *IDS)))
    if paging.cursor is not None:
        at, *ids = find_response(tx, paging.cursor, filters.session, filters.scope)
        place = dict(zip(("at", *IDS), (at, *ids), strict=True))
        if by_score:
            found = sorting_place(tx, sorting_name(filters), IDS, ids, paging.order)
            if found is None:
                raise NotFoundError(f"response {paging.cursor} has no score to go on from")
            place[column], place["at"] = found
        else:
            row = tx.row(_VALUE.format(column), ids)
            place[column] = row[0] if row is not None else at
        marks = ", ".join("?" * len(names))
        columns = ", ".join(f"{by}.{name}" for name in names)
        where.add(f"({columns}) {compare} ({marks})", *(place[name] for name in names))

    def order(alias: str) -> str:
        return ", ".join(f"{alias}.{name} {direction}" for name in names)

    sql = (
        f"SELECT {', '.join(f'{by}.{name}' for name in names)} FROM {source}{where.sql()}"
        f" ORDER BY {order(by)} LIMIT ?"
    )
    return sql, [*where.parameters, paging.limit + 1], order("k")


def _source(
    tx: Transaction,
    filters: ResponseFilter,
    paging: ResponsePaging,
    lead: Narrowing | None,
    where: Where,
) -> tuple[str, str]:
    """Return SQL behind FROM with `responses r`, and the alias with the columns of the order.

    Args:
        lead: The few responses to read from; None to read an index in order.
        where: The conditions, to which those of the source are added.
    """
    by_score = paging.sort == "score"
    if lead is not None:
        source = f"{lead[0]} d {lookup_join(tx, 'responses', 'r', 'd', IDS)}"
        if not by_score:
            return source, "r"
        return f"{source} {ordered_join(tx)} scores x ON {_OF_RESPONSE}", "x"
    if by_score:
        by_index = "" if tx.postgresql else " INDEXED BY scores_number"
        return f"scores x{by_index} {lookup_join(tx, 'responses', 'r', 'x', IDS)}", "x"
    pair = _seldom_pair(tx, filters, paging)
    if pair is not None:
        where.add("m.key = ? AND m.value = ?", pair.key, pair.value)
        return f"response_metadata m {lookup_join(tx, 'responses', 'r', 'm', IDS)}", "m"
    return f"responses r{'' if tx.postgresql else f' INDEXED BY {_INDEXES[paging.sort]}'}", "r"


def _few_responses(tx: Transaction, filters: ResponseFilter) -> Narrowing | None:
    """Return the responses of the condition that leaves the fewest, or None if it leaves many."""
    return narrowest(tx, _narrowing(filters), IDS)


def _seldom_pair(
    tx: Transaction, filters: ResponseFilter, paging: ResponsePaging
) -> Condition | None:
    """SQLite: return a pair of metadata that few enough responses have to read a page from them.

    The pair's index has the times, in whose order the page is read until it is full. PostgreSQL
    knows how frequent a pair is, and chooses itself.
    """
    if tx.postgresql or paging.sort != "created":
        return None
    scope = (filters.scope,) if filters.scope is not None else ()
    start = choose_start(tx, filters.metadata + scope)
    if start is None or start.operator != "=":
        return None
    test, values = key_condition(start)
    number = count_up_to(tx, f"response_metadata x WHERE {test}", values, _SELDOM)
    return start if number < _SELDOM else None


def _narrowing(filters: ResponseFilter) -> Iterator[Narrowing]:
    """Yield each condition that an index knows, as a source `x` of the responses that pass it."""
    yield from narrowing_conditions(filters, "response", "responses")
    if filters.session is not None:
        session = identifier(filters.session) or filters.session
        yield "responses x WHERE x.session_id = ?", [session]
    for compare, names in (("=", EQUAL), (">=", LEAST)):
        for name, column in names.items():
            if (value := getattr(filters, name)) is not None:
                yield f"responses x WHERE x.{column} {compare} ?", [value]
