"""Say how far projections of one's own are, and with which sessions they failed.

Called by the verbs `projections` and `status`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Engine

from eventstore.store.consumers.consumers import Consumer, all_consumers
from eventstore.store.consumers.news import count_behind
from eventstore.store.database.transaction import Transaction, read
from eventstore.times import to_iso

#: How many sessions that failed are named.
MOST_NAMED = 100
_FAILED = "consumer = ? AND failed_at IS NOT NULL AND error IS NOT NULL"
COUNT_FAILED = f"SELECT COUNT(*) FROM checkpoints WHERE {_FAILED}"
LIST_FAILED = (
    f"SELECT session_id, seq, tries, failed_at, error FROM checkpoints WHERE {_FAILED}"
    " ORDER BY session_id LIMIT ?"
)


def projection_status(engine: Engine, here: Collection[str]) -> list[dict[str, Any]]:
    """Return the projections of a store, and how far each of them is, by name.

    Args:
        here: The names of those that this process can run.
    """
    with read(engine) as tx:
        consumers = [one for one in all_consumers(tx) if one.kind == "projection"]
        return [_status(tx, one, one.name in here) for one in consumers]


def _status(tx: Transaction, consumer: Consumer, runs_here: bool) -> dict[str, Any]:
    failed = int(tx.rows(COUNT_FAILED, (consumer.name,))[0][0])
    named = tx.rows(LIST_FAILED, (consumer.name, MOST_NAMED)) if failed else []
    return {
        "name": consumer.name,
        "version": consumer.version,
        "tables": list(consumer.definition.get("tables", ())),
        "older_tables": list(consumer.definition.get("older_tables", ())),
        "inline": bool(consumer.definition.get("inline")),
        "runs_here": runs_here,
        "behind": count_behind(tx, consumer.name, consumer.version),
        "failed": failed,
        "failures": [
            {
                "session_id": session_id,
                "seq": seq,
                "tries": tries,
                "failed_at": to_iso(at),
                "error": error,
            }
            for session_id, seq, tries, at, error in named
        ],
    }
