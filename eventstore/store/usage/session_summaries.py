"""Add summaries to sessions in a list: turns, tokens, money, and the slowest answer.

Called by query_sessions.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.pricing.prices import Prices
from eventstore.store.database.transaction import Transaction
from eventstore.store.usage.latency_buckets import ANSWER_US
from eventstore.store.usage.query_usage import usage_of_sessions

_TURNS = "SELECT session_id, turns FROM session_figures WHERE session_id IN ({})"
_SLOWEST = (
    f"SELECT r.session_id, MAX({ANSWER_US}) FROM responses r"
    " WHERE r.session_id IN ({}) GROUP BY r.session_id"
)


def add_summaries(tx: Transaction, sessions: list[dict[str, Any]], prices: Prices) -> None:
    """Add to each session's resource, under `eventstore`, its `summary`.

    `turns` counts the messages of user and assistant, as the order by turns does. `cost_usd` is
    None if no usage has a known price, and `unpriced` is True if some has none. `slowest_ms` is the
    longest wait for an answer in milliseconds, or None if unknown.
    """
    ids = [session["id"] for session in sessions]
    if not ids:
        return
    marks = ", ".join("?" * len(ids))
    turns: dict[str, int] = dict(tx.rows(_TURNS.format(marks), ids))
    slowest: dict[str, int | None] = dict(tx.rows(_SLOWEST.format(marks), ids))
    usage = usage_of_sessions(tx, ids, prices)
    for session in sessions:
        id_ = session["id"]
        micros, used = slowest.get(id_), usage[id_]
        session["eventstore"]["summary"] = {
            "turns": turns.get(id_, 0),
            **{name: used[name] for name in ("input_tokens", "cached_tokens", "output_tokens")},
            "cost_usd": used["cost_usd"],
            "unpriced": bool(used["unpriced"]["models"]),
            "slowest_ms": None if micros is None else micros / 1000,
        }
