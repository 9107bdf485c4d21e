"""List the sessions with which a consumer failed. Called to show how far consumers are."""

from __future__ import annotations

from typing import Any

from eventstore.store.database.transaction import Transaction
from eventstore.times import to_iso

#: How many sessions that failed are named.
MOST_NAMED = 100
_FAILED = "consumer = ? AND failed_at IS NOT NULL AND error IS NOT NULL"
COUNT_FAILED = f"SELECT COUNT(*) FROM checkpoints WHERE {_FAILED}"
LIST_FAILED = (
    f"SELECT session_id, seq, tries, failed_at, error FROM checkpoints WHERE {_FAILED}"
    " ORDER BY session_id LIMIT ?"
)


def failures_of(tx: Transaction, consumer: str) -> dict[str, Any]:
    """Return with how many sessions a consumer `failed`, and the first `failures` of them."""
    failed = int(tx.rows(COUNT_FAILED, (consumer,))[0][0])
    named = tx.rows(LIST_FAILED, (consumer, MOST_NAMED)) if failed else []
    return {
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
