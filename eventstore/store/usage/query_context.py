"""Return how the context grows from one response of a session to the next.

Called by verbs/analytics.py.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.filters.filters import ResponseFilter
from eventstore.store.usage.context_growth import SUMMED_TOKENS, sum_turns
from eventstore.store.usage.daily.coverage import (
    find_coverage,
    is_summable,
    row_parts,
    sums_of_days,
)
from eventstore.store.usage.usage_sources import responses_of


def query_context(engine: Engine, filters: ResponseFilter) -> dict[str, Any]:
    """Return the mean usage of the first response of a session, of its second, and so on.

    Args:
        filters: The filter on responses.
    """
    turns: dict[int, list[int]] = {}
    with read(engine) as tx:
        for _, turn, *sums in _rows(tx, filters):
            before = turns.get(turn, [0] * len(sums))
            turns[turn] = [a + int(b) for a, b in zip(before, sums, strict=True)]
    return {"object": "list", "data": [_entry(turn, *turns[turn]) for turn in sorted(turns)]}


def _rows(tx: Transaction, filters: ResponseFilter) -> list[Row]:
    if not is_summable(filters):
        return sum_turns(tx, responses_of(tx, filters))
    found = find_coverage(tx, filters.since, filters.until)
    rows = []
    for live in row_parts(filters, found):
        rows += sum_turns(tx, responses_of(tx, live.filters, live.day))
    sums = ", ".join(f"SUM(s.{name})" for name in SUMMED_TOKENS)
    for days in found.days:
        source, parameters = sums_of_days("turn_days", days, filters.model)
        sql = f"SELECT NULL, s.turn, SUM(s.number), {sums} FROM {source} GROUP BY s.turn"
        rows += tx.rows(sql, parameters)
    return rows


def _entry(turn: int, number: int, *sums: int) -> dict[str, Any]:
    means = {
        name: round(total / number, 1) for name, total in zip(SUMMED_TOKENS, sums, strict=True)
    }
    return {"object": "realtime.context", "turn": turn, "responses": number, **means}
