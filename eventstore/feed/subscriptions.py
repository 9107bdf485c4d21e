"""Add a subscription to a store's consumers, and take it away. Called by feed.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Engine

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.feed.delivery import From, Of, Wanted
from eventstore.realtime.metadata import Condition
from eventstore.realtime.values import dumps
from eventstore.store.consumers.consumers import (
    DROP,
    SET_DEFINITION,
    Consumer,
    add_consumer,
    all_consumers,
    find_consumer,
    move_pass,
)
from eventstore.store.consumers.news import is_left_out
from eventstore.store.database.retries import run_retried, write_retried
from eventstore.store.database.transaction import Transaction, read
from eventstore.times import now

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z")
#: A subscription that begins now has had what there is of the sessions that have news.
BEGIN_NOW = (
    "INSERT INTO checkpoints (session_id, consumer, seq, version, tries)"
    " SELECT session_id, CAST(? AS VARCHAR(128)), head_seq, 0, 0 FROM streams"
    " WHERE (fed_seq IS NULL OR fed_seq < head_seq) AND erased_at IS NULL"
)
DELETE_CHECKPOINTS = "DELETE FROM checkpoints WHERE consumer = ?"


def add_subscription(
    engine: Engine,
    name: str,
    of: Of | None,
    from_: From,
    types: tuple[str, ...] | None,
    conditions: tuple[Condition, ...] | None,
) -> Consumer:
    """Add a subscription if the store has none of this name, and return it as the store knows it.

    Args:
        name: Its name.
        of: What it is of; None for what it is of already, or for events.
        from_: Where it begins; a subscription that is there goes on where it was.
        types: Only events of these types; None for those that it has already, or all.
        conditions: Conditions on metadata; None for those that it has already, or none.

    Raises:
        InvalidInputError: The name cannot be one, or is a projection's; or the subscription is
            there and is of something else.
    """
    check_name(name)
    wanted = Wanted(of or "events", types, conditions or ())
    if types is not None and wanted.of != "events" and of is not None:
        raise InvalidInputError(f"types are of events, and {name} is of {wanted.of}")
    found = write_retried(engine, lambda tx: _add(tx, name, wanted, from_))
    if found.kind != "subscription":
        raise InvalidInputError(f"{name} is a {found.kind} of this store; take another name")
    before = Wanted.of_json(found.definition)
    if of is not None and of != before.of:
        raise InvalidInputError(f"the subscription {name} is of {before.of}; take another name")
    if types is not None and before.of != "events":
        raise InvalidInputError(f"types are of events, and {name} is of {before.of}")
    wanted = Wanted(
        before.of,
        before.types if types is None else types,
        before.conditions if conditions is None else conditions,
    )
    told = found.definition | wanted.as_json()
    if told != found.definition:
        run_retried(engine, SET_DEFINITION, (dumps(told), name))
    return found._replace(definition=told)


def add_brief_subscription(engine: Engine, name: str) -> Consumer:
    """Add a subscription to changes that begins now, and that this process drops when it ends.

    If the process is killed, the next one that adds such a subscription drops it.
    """
    with read(engine) as tx:
        consumers = all_consumers(tx)
    for one in consumers:
        if one.definition.get("brief") and is_left_out(one):
            forget(engine, one.name)
    return write_retried(
        engine, lambda tx: _add(tx, name, Wanted("changes"), "now", {"brief": True})
    )


def check_name(name: str) -> None:
    """Raise InvalidInputError if a subscription cannot have this name."""
    if not isinstance(name, str) or not _NAME.match(name):
        raise InvalidInputError(
            f"{brief(name)} is no name of a subscription: use letters, digits and . _ : -"
        )


def _add(
    tx: Transaction,
    name: str,
    wanted: Wanted,
    from_: From,
    notes: Mapping[str, Any] = MappingProxyType({}),
) -> Consumer:
    found = find_consumer(tx, name)
    if found is not None:
        return found
    definition = {**wanted.as_json(), "from": from_, **notes}
    if add_consumer(tx, name, "subscription", 0, definition, now()) and from_ == "now":
        move_pass(tx, name, None)  # what was before is not wanted
        tx.run(BEGIN_NOW, (name,))
    added = find_consumer(tx, name)
    if added is None:
        raise InvalidInputError(f"the subscription {name} was dropped at this moment; try again")
    return added


def drop_subscription(engine: Engine, name: str) -> None:
    """Forget a subscription, and how far it was in each session.

    Raises:
        InvalidInputError: The store has no such subscription.
    """
    with read(engine) as tx:
        found = find_consumer(tx, name)
    if found is None or found.kind != "subscription":
        raise InvalidInputError(f"the store has no subscription {brief(name)}")
    forget(engine, name)


def forget(engine: Engine, name: str) -> None:
    """Drop a consumer and its checkpoints."""
    run_retried(engine, DROP, (name,))
    run_retried(engine, DELETE_CHECKPOINTS, (name,))
