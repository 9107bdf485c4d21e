"""Say how far projections of one's own are, and with which sessions they failed.

Called by the verbs `projections` and `status`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Engine

from eventstore.store.consumers.consumers import Consumer, all_consumers
from eventstore.store.consumers.failures import failures_of
from eventstore.store.consumers.news import count_behind
from eventstore.store.database.transaction import Transaction, read


def projection_status(engine: Engine, here: Collection[str]) -> list[dict[str, Any]]:
    """Return the projections of a store, and how far each of them is, by name.

    Args:
        here: The names of those that this process can run.
    """
    with read(engine) as tx:
        consumers = [one for one in all_consumers(tx) if one.kind == "projection"]
        return [_status(tx, one, one.name in here) for one in consumers]


def _status(tx: Transaction, consumer: Consumer, runs_here: bool) -> dict[str, Any]:
    return {
        "name": consumer.name,
        "version": consumer.version,
        "tables": list(consumer.definition.get("tables", ())),
        "older_tables": list(consumer.definition.get("older_tables", ())),
        "inline": bool(consumer.definition.get("inline")),
        "runs_here": runs_here,
        "behind": count_behind(tx, consumer.name, consumer.version),
        **failures_of(tx, consumer.name),
    }
