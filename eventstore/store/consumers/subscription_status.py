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

WITH_NEWS_NOW = (
    "SELECT COUNT(*) FROM streams s LEFT JOIN checkpoints c ON c.session_id = s.session_id"
    " AND c.consumer = ? WHERE (s.fed_seq IS NULL OR s.fed_seq < s.head_seq)"
    " AND s.erased_at IS NULL AND COALESCE(c.seq, s.fed_seq, 0) < s.head_seq"
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
        behind = int(tx.rows(WITH_NEWS_NOW, (consumer.name,))[0][0])
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
