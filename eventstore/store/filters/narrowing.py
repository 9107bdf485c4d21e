"""Find the condition of a filter that the fewest rows pass, to read a page from those rows.

Called by queries/ranked_sessions.py and queries/ranked_responses.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from eventstore.store.database.transaction import Transaction
from eventstore.store.filters.filters import ResponseFilter, SessionFilter
from eventstore.store.filters.score_conditions import score_tests
from eventstore.store.filters.sql_conditions import (
    Where,
    add_time,
    count_up_to,
    key_condition,
    most_few,
)

#: SQL behind FROM whose rows `x` pass a condition (with its WHERE), and its parameters.
Narrowing = tuple[str, list[Any]]


def narrowing_conditions(
    filters: SessionFilter | ResponseFilter, of: Literal["session", "response"], timed: str
) -> Iterator[Narrowing]:
    """Yield the conditions on metadata, facets, scores and time, each as rows of its index.

    Args:
        of: Whose tables of metadata and facets to use.
        timed: The table with an index by time.
    """
    # A session's pairs are also in the metadata of its responses.
    scope = (filters.scope,) if filters.scope is not None else ()
    for condition in (*filters.metadata, *scope):
        if condition.operator != "!=":
            test, values = key_condition(condition)
            yield f"{of}_metadata x WHERE {test}", list(values)
    for facet in filters.facets():
        yield f"{of}_facets x WHERE x.facet = ? AND x.value = ?", list(facet)
    of_response = " AND x.response_id IS NOT NULL" if of == "response" else ""
    for test, values in score_tests(filters):
        yield f"scores x WHERE {test.format('x')}{of_response}", values
    span = Where([], [])
    add_time(span, "x.at", filters.since, filters.until)
    if span.conditions:
        yield f"{timed} x{span.sql()}", span.parameters


def narrowest(
    tx: Transaction, conditions: Iterable[Narrowing], keys: tuple[str, ...]
) -> Narrowing | None:
    """Return a source of keys by the condition that the fewest rows pass.

    Args:
        conditions: As `narrowing_conditions` yields them.
        keys: The columns that the source has.

    Returns:
        The source, a subquery in parentheses, and its parameters; None if every condition has
        `most_few` rows or more.
    """
    most = most_few(tx)
    least, lead = most, None
    for found, parameters in conditions:
        number = count_up_to(tx, found, parameters, most)
        if number < least:
            columns = ", ".join(f"x.{key}" for key in keys)
            least, lead = number, (f"(SELECT DISTINCT {columns} FROM {found})", parameters)
    return lead
