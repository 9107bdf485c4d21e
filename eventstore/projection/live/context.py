"""Handle what an app tells the model of a Live session: instructions, thinking and commentary.

The client's event has the text, and the server's answer the place on the timeline. Each is an item,
at once, so that nothing is lost if a recording has only one of both.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.content import ContentPart
from eventstore.projection.handlers.conversation import finish_part, mark_changed
from eventstore.projection.live.appends import answer_key, append_keys
from eventstore.projection.live.delegations import note_answer, undo_answer
from eventstore.projection.live.live_items import add_item, live_of, span_of
from eventstore.projection.live_state import ContextKind, LiveItem
from eventstore.projection.state import Item, LogEvent, SessionState
from eventstore.realtime.values import identifier, text


def _append(kind: ContextKind) -> Any:
    """Return the handler of a client's event that appends this kind of context."""

    def handler(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
        item = _add(state, event, kind, text(body.get("content")))
        item.wire["status"] = "in_progress"
        live_of(state).appends.add(event.seq, item.id, *append_keys(kind, body))
        note_answer(state, event, item, kind, identifier(body.get("delegation_id")))

    return handler


def _appended(kind: ContextKind) -> Any:
    """Return the handler of the server's answer that this kind of context was appended."""

    def handler(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
        appends = live_of(state).appends
        seq = appends.first(answer_key(kind, body))
        if seq is None:
            # Another connection has sent it, such as a sideband.
            item = _add(state, event, kind, None)
            note_answer(state, event, item, kind, None)
        else:
            item = state.items[appends.pop(seq)]
        item.wire = {**item.wire, "status": "completed"}
        if item.live is not None:
            item.live.start_ms, item.live.end_ms = span_of(body)
        mark_changed(state, item)

    return handler


def refuse_append(state: SessionState, item_id: str) -> None:
    """Note that the server refused what an app wanted to append: it answers no delegation."""
    item = state.items[item_id]
    item.wire = {**item.wire, "status": "incomplete"}
    undo_answer(state, item)
    mark_changed(state, item)


def _add(state: SessionState, event: LogEvent, kind: ContextKind, said: str | None) -> Item:
    item = add_item(state, event, f"item_{kind}_{event.seq}", "context")
    item.wire = {"type": "message", "role": "developer", "status": "completed"}
    item.done, item.done_at, item.done_seq = True, event.at, event.seq
    item.live = item.live or LiveItem("context")
    item.live.context = kind
    if said is not None:
        item.parts[0] = ContentPart(event.seq, type="input_text", typed_seq=event.seq)
        finish_part(item.parts[0], text=said)
    return item


HANDLERS = {
    "session.instructions.append": _append("instructions"),
    "session.instructions.appended": _appended("instructions"),
    "session.thinking.append": _append("thinking"),
    "session.thinking.appended": _appended("thinking"),
    "session.commentary.append": _append("commentary"),
    "session.commentary.appended": _appended("commentary"),
}
