"""Say how far subscriptions are. Called by the verb `subscriptions`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from eventstore.realtime.values import sequence
from eventstore.store.consumers.consumers import Consumer, all_consumers
from eventstore.store.consumers.failures import failures_of
from eventstore.store.consumers.news import count_behind
from eventstore.store.database.transaction import Transaction, read
from eventstore.times import to_iso

#: A subscription that began "now" has had the sessions that are settled, unless it has a
#: checkpoint there: it gets one where a session is settled without it.
NEW_TO_IT = (
    "SELECT COUNT(*) FROM streams s WHERE (s.fed_seq IS NULL OR s.fed_seq < s.head_seq)"
    " AND s.erased_at IS NULL AND NOT EXISTS (SELECT 1 FROM checkpoints c"
    " WHERE c.session_id = s.session_id AND c.consumer = ?)"
)
GONE_ON = (
    "SELECT COUNT(*) FROM checkpoints c JOIN streams s ON s.session_id = c.session_id"
    " WHERE c.consumer = ? AND c.seq < s.head_seq AND s.erased_at IS NULL"
)


def subscription_status(engine: Engine) -> list[dict[str, Any]]:
    """Return the subscriptions of a store, and how far each of them is, by name.

    Brief ones, which live pages have while somebody looks at them, are left out.
    """
    with read(engine) as tx:
        consumers = [
            one
            for one in all_consumers(tx)
            if one.kind == "subscription" and not one.definition.get("brief")
        ]
        return [_status(tx, one) for one in consumers]


def _status(tx: Transaction, consumer: Consumer) -> dict[str, Any]:
    wanted = consumer.definition
    if wanted.get("from") == "start":
        behind = count_behind(tx, consumer.name, 0)
    else:
        counts = (tx.rows(sql, (consumer.name,))[0][0] for sql in (NEW_TO_IT, GONE_ON))
        behind = sum(map(int, counts))
    return {
        "name": consumer.name,
        "of": wanted.get("of"),
        "begins": wanted.get("from"),
        "types": wanted.get("types"),
        "metadata": ["".join(map(str, sequence(one))) for one in sequence(wanted.get("metadata"))],
        "behind": behind,
        **failures_of(tx, consumer.name),
        "followed_at": to_iso(consumer.seen_at),
    }
