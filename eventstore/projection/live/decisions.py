"""Handle decisions of a Live session: questions that a model answers about the conversation."""

from __future__ import annotations

import hashlib
from typing import Any

from eventstore.projection.handlers.conversation import merge_item, unplace_item
from eventstore.projection.live.delegations import end_delegation
from eventstore.projection.live.live_items import add_item, given_id, live_of
from eventstore.projection.live_state import MAX_PARTS
from eventstore.projection.state import BilledUsage, LogEvent, SessionState
from eventstore.realtime.frames import SERVER
from eventstore.realtime.values import identifier, mapping, text


def _decided(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    decision = mapping(mapping(body.get("event")).get("decision"))
    id_ = f"item_decision_{event.seq}"
    item = add_item(state, event, id_, "work")
    sources = ("delegation_id", "trigger_id", "source_event_id")
    told = {name: body[name] for name in sources if text(body.get(name)) is not None}
    item.wire = {**decision, **told, "type": "decision", "id": id_}
    item.done, item.done_at, item.done_seq = True, event.at, event.seq
    delegation_id = identifier(body.get("delegation_id"))
    if item.live is not None:
        item.live.delegation_id = delegation_id
    delegation = live_of(state).delegations.get(delegation_id or "")
    if delegation is not None and len(delegation.answers) < MAX_PARTS:
        delegation.answers[id_] = None
    end_delegation(state, event, delegation_id)
    usage = mapping(decision.get("usage"))
    if event.direction == SERVER:
        model = text(decision.get("model"))
        name, number = _name_of(state, told)
        state.billed[id_, 0] = BilledUsage(
            event.seq, event.at, id_, number, model, usage or None, "decision", name
        )
        state.dirty.billed.add((id_, 0))


def _name_of(state: SessionState, sources: dict[str, Any]) -> tuple[str | None, int]:
    """Return a name of a decision that each recording of the call has, made of what it is about.

    A decision has no id of its own, and its place in the log is another in each recording.

    Args:
        sources: The ids that its event tells.

    Returns:
        The name, or None if the event tells no source; and how many had the same name before.
    """
    if not sources:
        return None, 0
    name = hashlib.sha256(repr(sorted(sources.items())).encode()).hexdigest()[:24]
    before = live_of(state).decisions.get(name, 0)
    live_of(state).decisions[name] = before + 1
    return name, before


def _item_created(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    wire = mapping(body.get("item"))
    id_ = given_id(identifier(wire.get("id")))
    if id_ is None:
        return
    add_item(state, event, id_, "backend")
    item = merge_item(state, event, {**wire, "id": id_})
    if item is not None:
        item.done, item.done_at, item.done_seq = True, event.at, event.seq


def _item_deleted(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = state.items.get(given_id(identifier(body.get("item_id"))) or "")
    if item is not None and item.live is not None and item.live.kind == "backend":
        unplace_item(state, item)
        item.deleted_seq = event.seq
        state.dirty.items.add(item.id)


HANDLERS = {
    "decision.event": _decided,
    "decision.item.created": _item_created,
    "decision.item.deleted": _item_deleted,
}
