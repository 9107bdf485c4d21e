"""Sum up the usage of each session's first response, its second, and so on.

Called by query_context.py, and by daily/compute.py for sums by day.
"""

from __future__ import annotations

from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.usage.usage_sources import UsageSource

#: Later responses of a session are counted as this one.
LAST_TURN = 200
SUMMED_TOKENS = ("input_tokens", "cached_tokens", "output_tokens")

_OF_ROW = ", ".join(f"u.{name}" for name in SUMMED_TOKENS)
_SUMMED = ", ".join(f"SUM(u.{name})" for name in SUMMED_TOKENS)
_TURN = f"CASE WHEN t.turn > {LAST_TURN} THEN {LAST_TURN} ELSE t.turn END"


def sum_turns(tx: Transaction, source: UsageSource) -> list[Row]:
    """Return rows of model, turn, number of responses, and sums of their tokens.

    The turn of a response is its position among all responses of its session, done or not, so that
    it never changes. Responses whose tokens are unknown (the first flag of `Reported`) are left
    out.

    Args:
        source: Usage `u` of responses `r`.
    """
    return tx.rows(
        f"WITH chosen AS (SELECT u.session_id, u.response_id, u.model, {_OF_ROW}"
        f" FROM {source.sql}{source.where.sql()} AND u.reported % 2 = 1),"
        " turns AS (SELECT p.session_id, p.response_id, ROW_NUMBER() OVER"
        " (PARTITION BY p.session_id ORDER BY p.seq, p.response_id) AS turn FROM responses p"
        " WHERE p.session_id IN (SELECT session_id FROM chosen))"
        f" SELECT u.model, {_TURN}, COUNT(*), {_SUMMED} FROM chosen u JOIN turns t"
        " ON t.session_id = u.session_id AND t.response_id = u.response_id"
        f" GROUP BY u.model, {_TURN}",
        source.where.parameters,
    )
