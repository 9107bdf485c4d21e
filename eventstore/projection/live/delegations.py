"""Handle delegations of a Live session: work that the model gives to an app or to a backend.

A backend of the Responses API sends the events of its own stream, each in a `response.event`. They
are folded by the handlers of Realtime's responses, which have events of the same names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.projection.handlers import conversation, responses
from eventstore.projection.handlers.conversation import mark_changed, merge_item
from eventstore.projection.handlers.session import note_error
from eventstore.projection.live.live_items import (
    add_item,
    given_id,
    is_free_for,
    live_of,
    place_on_timeline,
)
from eventstore.projection.live_state import (
    MAX_PARTS,
    MAX_TARGETS,
    Delegation,
    LiveItem,
    LiveResponse,
    LiveState,
)
from eventstore.projection.state import Item, LogEvent, Response, SessionState
from eventstore.realtime.values import identifier, mapping, sequence, text

#: Events with which a backend's response ends.
_ENDS = frozenset(
    {"response.completed", "response.failed", "response.incomplete", "response.cancelled"}
)
#: Events that tell the whole response.
_DESCRIBES = frozenset({"response.created", "response.in_progress", "response.queued"})
_HANDLERS = {**conversation.HANDLERS, **responses.HANDLERS}


def _created(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    wire = mapping(body.get("delegation"))
    id_ = identifier(wire.get("id"))
    if id_ is None:
        state.diagnose(event, "delegation_without_id", f"{event.type} names no delegation")
        return
    if not is_free_for(state, id_, "work"):
        state.diagnose(event, "id_of_another_item", f"{event.type} names an item of another kind")
        return
    live = live_of(state)
    item = add_item(state, event, id_, "work")
    item.wire = {**wire, "type": "delegation"}
    if item.live is not None:
        item.live.delegation_id = id_
        item.live.start_ms = place_on_timeline(body.get("offset_ms"))
    target = text(wire.get("target")) or "unknown"
    delegation = live.delegations.get(id_)
    if delegation is None:
        delegation = live.delegations[id_] = Delegation(
            id_,
            target,
            event.seq,
            event.at,
            place_on_timeline(body.get("offset_ms")),
            live.saying.get("user"),
        )
        counted = target if target in live.targets or len(live.targets) < MAX_TARGETS else "other"
        live.targets[counted] = live.targets.get(counted, 0) + 1
    if target == "client":
        live.open_for_client[id_] = None
    response_id = identifier(wire.get("response_id"))
    if response_id is not None:
        live.backend[id_] = response_id


def note_answer(
    state: SessionState, event: LogEvent, item: Item, kind: str, delegation_id: str | None
) -> None:
    """Note that an item is an app's answer to a delegation; commentary ends it until more comes.

    Args:
        kind: The kind of context: `instructions`, `thinking` or `commentary`.
        delegation_id: The delegation that the client's event names. If the event is not in the log,
            thinking and commentary answer the last delegation that no app has answered yet.
    """
    live = live_of(state)
    if delegation_id is None and event.direction == "server" and kind != "instructions":
        delegation_id = next(reversed(live.open_for_client), None)
    delegation = live.delegations.get(delegation_id or "")
    if delegation is None:
        return
    if item.live is not None:
        item.live.delegation_id = delegation.id
    if len(delegation.answers) < MAX_PARTS:
        delegation.answers[item.id] = None
    if kind == "commentary":
        end_delegation(state, event, delegation.id)
    mark_changed(state, state.items[delegation.id])


def undo_answer(state: SessionState, item: Item) -> None:
    """Note that an item did not answer its delegation after all."""
    live = live_of(state)
    named = item.live.delegation_id if item.live is not None else None
    delegation = live.delegations.get(named or "")
    if delegation is None or item.id not in delegation.answers:
        return
    del delegation.answers[item.id]
    if delegation.done_seq == item.done_seq:
        last = _last_commentary(state, delegation)
        delegation.done_seq = last.done_seq if last is not None else None
        delegation.done_at = last.done_at if last is not None else None
        if last is None and delegation.target == "client":
            live.open_for_client[delegation.id] = None
    mark_changed(state, state.items[delegation.id])


def _last_commentary(state: SessionState, delegation: Delegation) -> Item | None:
    for id_ in reversed(delegation.answers):
        item = state.items[id_]
        if item.live is not None and item.live.context == "commentary":
            return item
    return None


def end_delegation(state: SessionState, event: LogEvent, delegation_id: str | None) -> None:
    """Note that an event ends a delegation. A later one may end it again."""
    live = live_of(state)
    delegation = live.delegations.get(delegation_id or "")
    if delegation is None:
        return
    delegation.done_seq, delegation.done_at = event.seq, event.at
    live.open_for_client.pop(delegation.id, None)
    mark_changed(state, state.items[delegation.id])


def _backend_event(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Fold one event of a backend's stream."""
    nested = mapping(body.get("event"))
    kind = text(nested.get("type")) or ""
    delegation_id = identifier(body.get("delegation_id"))
    if kind == "error":
        note_error(state, event, nested)
        return
    if not all(is_free_for(state, id_, "backend") for id_ in _items_named(nested)):
        state.diagnose(event, "id_of_another_item", f"{kind} names an item that was said")
        return
    wire = _without_cleared(mapping(nested.get("response")))
    response_id = _response_of(state, event, delegation_id, wire)
    inner = event._replace(type=kind, event=nested)
    # What the user said is answered by the assistant's voice, and not by its backend.
    unanswered, state.unanswered = state.unanswered, {}
    try:
        if kind in _DESCRIBES:
            responses.HANDLERS["response.created"](state, inner, {"response": wire})
        elif kind in _ENDS:
            responses.HANDLERS["response.done"](state, inner, {"response": _ended(wire)})
        elif kind in _HANDLERS:
            _HANDLERS[kind](state, inner, {**nested, "response_id": response_id})
    finally:
        state.unanswered = unanswered
    response = state.responses.get(response_id)
    if response is not None:
        _mark_delegated(state, response, delegation_id)
        if kind in _ENDS:
            end_delegation(state, event, delegation_id)


def _items_named(nested: dict[str, Any]) -> Iterator[str]:
    """Yield the ids of the items that a backend's event names."""
    told = [nested.get("item"), *sequence(mapping(nested.get("response")).get("output"))]
    ids = [nested.get("item_id"), *(mapping(item).get("id") for item in told)]
    return filter(None, map(identifier, ids))


def _without_cleared(wire: dict[str, Any]) -> dict[str, Any]:
    """Return a backend's response without the fields that Live clears, to keep messages small."""
    return {
        name: value
        for name, value in wire.items()
        if value not in (None, [], {}) or name not in ("output", "tools", "instructions", "input")
    }


def _response_of(
    state: SessionState, event: LogEvent, delegation_id: str | None, wire: dict[str, Any]
) -> str:
    """Return the id of the response to which a backend's event belongs.

    Only events of a whole response name it. The events between them belong to the last one of the
    same delegation.
    """
    backend = live_of(state).backend
    id_ = identifier(wire.get("id")) or backend.get(delegation_id or "")
    if id_ is None:  # The recording began in the middle of it.
        id_ = f"resp_work_{event.seq}"
    if len(backend) >= MAX_PARTS and (delegation_id or "") not in backend:
        del backend[next(iter(backend))]  # the oldest one, which is hardly going on
    backend[delegation_id or ""] = id_
    return id_


def _ended(wire: dict[str, Any]) -> dict[str, Any]:
    """Return a backend's response with the reason of its end where Realtime has it."""
    status, error = text(wire.get("status")), mapping(wire.get("error"))
    reason = text(mapping(wire.get("incomplete_details")).get("reason"))
    if "status_details" in wire or not (error or reason):
        return wire
    details = {"type": status, "reason": reason, "error": error or None}
    return {**wire, "status_details": {k: v for k, v in details.items() if v is not None}}


def _mark_delegated(state: SessionState, response: Response, delegation_id: str | None) -> None:
    """Note that a response, and each item of it, was made by a backend."""
    live = live_of(state)
    state.awaiting_text.discard(response.id)  # It is not said to the user, who waits for nothing.
    if response.live is None:
        response.live = LiveResponse()
    if response.live.delegation_id is None and delegation_id is not None:
        response.live.delegation_id = delegation_id
        state.dirty.responses.add(response.id)
        delegation = live.delegations.get(delegation_id)
        if delegation is not None and len(delegation.responses) < MAX_PARTS:
            delegation.responses[response.id] = None
            mark_changed(state, state.items[delegation.id])
    # The backend has a model of its own, and neither a voice nor a format of audio.
    told = text(response.wire.get("model")) or _configured_model(state)
    if response.session.get("model") != told or len(response.session) != 1:
        response.session = {"model": told}
    if response.output:
        last = state.items[next(reversed(response.output))]
        if last.live is None:
            last.live = LiveItem("backend", delegation_id=response.live.delegation_id)
            _note_call(live, last)


def _note_call(live: LiveState, item: Item) -> None:
    """Note the delegation of an item that calls a tool, since its output does not name it."""
    call_id = identifier(item.wire.get("call_id"))
    delegation_id = None if item.live is None else item.live.delegation_id
    if call_id is not None and delegation_id is not None and len(live.backend_calls) < MAX_PARTS:
        live.backend_calls[call_id] = delegation_id


def _configured_model(state: SessionState) -> str | None:
    delegation = mapping(state.wire.get("delegation"))
    return text(mapping(delegation.get("responses")).get("model"))


def _input_item(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Add an item that an app gives to the backend, such as the output of a tool."""
    wire = mapping(body.get("item"))
    id_ = given_id(identifier(wire.get("id"))) or f"item_input_{event.seq}"
    if id_ in state.items:
        return
    add_item(state, event, id_, "backend")
    item = merge_item(state, event, {"type": "message", **wire, "id": id_})
    if item is None:
        return
    item.done, item.done_at, item.done_seq = True, event.at, event.seq
    call_id = identifier(wire.get("call_id"))
    if item.live is not None and call_id is not None:
        item.live.delegation_id = live_of(state).backend_calls.pop(call_id, None)


HANDLERS = {
    "session.delegation.created": _created,
    "response.event": _backend_event,
    "response.item.create": _input_item,
}
