"""Handle events of conversations: items and their order, content parts, truncation, deletion.

The handlers of responses, speech and transcriptions call the public functions, too.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.content import ContentPart, Truncation
from eventstore.projection.handlers.session import name_conversation
from eventstore.projection.pending import add_create, take_create
from eventstore.projection.state import Item, LogEvent, SessionState
from eventstore.realtime.values import (
    identifier,
    mapping,
    non_negative_integer,
    one_of,
    sequence,
    text,
)

MAX_PART_INDEX = 1000
TEXT_PART_TYPES = frozenset({"text", "output_text", "input_text"})
AUDIO_PART_TYPES = frozenset({"audio", "output_audio", "input_audio"})
CALL_TYPES = frozenset({"function_call", "mcp_call"})


def ensure_item(state: SessionState, event: LogEvent, item_id: str) -> Item:
    """Return the item with this id, marked as changed. It is added if the id is new."""
    item = state.items.get(item_id)
    if item is None:
        item = state.items[item_id] = Item(item_id, event.seq, event.at)
        state.dirty.session = True
    mark_changed(state, item)
    return item


def mark_changed(state: SessionState, item: Item) -> None:
    """Mark an item and its response as changed, so that their rows are written."""
    state.dirty.items.add(item.id)
    if item.response_id is not None:
        state.dirty.responses.add(item.response_id)


def is_settled(state: SessionState, item: Item) -> bool:
    """Return True if an item gets no more deltas: it, its response or the session has ended.

    Until then, read models leave out the text of deltas, so that a delta changes no row.
    """
    if item.done or state.closed:
        return True
    response = state.responses.get(item.response_id or "")
    return response is not None and response.done_seq is not None


def append_delta(state: SessionState, item: Item, deltas: list[str], delta: str) -> None:
    """Add a delta to the deltas of an item's text, and mark the item if its row shows them."""
    deltas.append(delta)
    if is_settled(state, item):
        mark_changed(state, item)


def part_index(body: dict[str, Any]) -> int:
    """Return the `content_index` of an event, limited to `MAX_PART_INDEX`; 0 if it has none."""
    return min(non_negative_integer(body.get("content_index")), MAX_PART_INDEX)


def ensure_part(item: Item, event: LogEvent, body: dict[str, Any]) -> ContentPart:
    """Return the content part that an event names. It is added if it is new."""
    index = part_index(body)
    part = item.parts.get(index)
    if part is None:
        part = item.parts[index] = ContentPart(event.seq)
    return part


def accepts_text(part: ContentPart | None, seq: int) -> bool:
    """Return True if a text delta at `seq` adds to a part: the part is text, and not finished."""
    return (
        part is not None
        and part.type in TEXT_PART_TYPES
        and part.text is None
        and seq > part.typed_seq
    )


def accepts_transcript(part: ContentPart | None, seq: int) -> bool:
    """Return True if a transcript delta at `seq` adds to a part: it is audio, and not finished."""
    return part is not None and accepts_heard(part) and seq > part.typed_seq


def accepts_heard(part: ContentPart) -> bool:
    """Return True if deltas of a transcription add to a part, even deltas that came before it."""
    return part.type in AUDIO_PART_TYPES and part.transcript is None


def accepts_arguments(item: Item, seq: int) -> bool:
    """Return True if an arguments delta at `seq` adds to an item: it is a call, not finished."""
    return item.arguments is None and item.call_seq is not None and seq > item.call_seq


def note_part_type(
    state: SessionState, item: Item, index: int, event: LogEvent, type_: Any
) -> None:
    """Set the type of an item's part, unless an earlier event has told one.

    Args:
        state: The session's state.
        item: The item, which has a part at `index`.
        index: The part's index.
        event: The event that tells the type.
        type_: The type, which may be any JSON value.
    """
    part = item.parts[index]
    if part.type is None and isinstance(type_, str):
        part.type, part.typed_seq = type_, event.seq
        if state.early_transcripts and accepts_heard(part):
            part.heard_deltas += state.early_transcripts.pop((item.id, index), [])


def merge_item(state: SessionState, event: LogEvent, wire: dict[str, Any]) -> Item | None:
    """Update an item with the object that a server's event has of it.

    Args:
        state: The session's state.
        event: The event.
        wire: The item's object in the event. Its fields replace earlier ones.

    Returns:
        The item, or None if the object has no id.
    """
    item_id = identifier(wire.get("id"))
    if item_id is None:
        state.diagnose(event, "item_without_id", f"{event.type} names no item")
        return None
    item = ensure_item(state, event, item_id)
    if not wire.get("content") and item.wire.get("content"):
        wire = {**wire, "content": item.wire["content"]}
    item.wire = state.merged(event, item.wire, wire)
    is_call = one_of(item.wire.get("type"), CALL_TYPES) is not None
    if item.call_seq is None and is_call:
        item.call_seq = event.seq
    for index, content in enumerate(sequence(wire.get("content"))[:MAX_PART_INDEX]):
        _see_content(state, item, event, index, mapping(content))
    if is_call and event.type.endswith(".done"):
        item.arguments = text(wire.get("arguments")) or item.arguments
    return item


def _see_content(
    state: SessionState, item: Item, event: LogEvent, index: int, content: dict[str, Any]
) -> None:
    part = item.parts.get(index)
    if part is None:
        part = item.parts[index] = ContentPart(event.seq)
    note_part_type(state, item, index, event, content.get("type"))
    said = text(content.get("text"))
    if said:
        finish_part(part, text=said)
    transcript = text(content.get("transcript"))
    if transcript:
        finish_part(part, transcript=transcript)


def is_repeated_event(state: SessionState, event: LogEvent, body: dict[str, Any]) -> bool:
    """Return True if an event was delivered before, and remember the event (see repeats.py)."""
    return state.repeats.is_repeated(
        event.seq, event.direction, event.type, body, event.text, event.audio_bytes
    )


def finish_part(part: ContentPart, text: str | None = None, transcript: str | None = None) -> None:
    """Set the final text or transcript of a part, and drop its deltas."""
    if text is not None:
        part.text = text
        part.text_deltas.clear()
    if transcript is not None:
        part.transcript = transcript
        part.partial = None
        part.transcript_deltas.clear()
        part.heard_deltas.clear()


def place_item(
    state: SessionState, item: Item, previous: str | None, at_start: bool = False
) -> None:
    """Add an item to the order of its conversation.

    Args:
        state: The session's state.
        item: An item that has no place in an order.
        previous: The id of the item before it. None or an unknown id means the end, because some
            servers send null in the middle of a conversation.
        at_start: True to add the item before all others.
    """
    if item.conversation is None:
        index = None
        if item.response_id is not None:
            index = state.responses[item.response_id].conversation
        item.conversation = name_conversation(state, None) if index is None else index
    order = state.conversations[item.conversation].order
    if not order:
        state.dirty.conversations.add(item.conversation)
    if at_start:
        moved = order.insert(item.id, None)
    elif previous is not None and previous in order:
        moved = order.insert(item.id, previous)
    else:
        moved = order.append(item.id)
    item.linked = True
    state.placed += 1
    state.dirty.items.update(moved)


def unplace_item(state: SessionState, item: Item) -> None:
    """Remove an item from the order of its conversation, if it is in it."""
    if item.linked and item.conversation is not None:
        state.conversations[item.conversation].order.remove(item.id)
        state.placed -= 1
        item.linked = item.guessed = False


def _create(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    # Only the place is needed later, if the server's answer does not tell it.
    place = text(body.get("previous_item_id"))
    add_create(state.creates, event.seq, body, previous_item_id=place)


def _added(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    wire = mapping(body.get("item"))
    item = merge_item(state, event, wire)
    if item is None:
        return
    create = {} if item.response_id is not None else take_create(state.creates, wire)
    item.create_seq = create.get("seq", item.create_seq)
    if item.guessed:
        unplace_item(state, item)
    if item.linked:
        return
    item.deleted_seq = None
    previous = identifier(body.get("previous_item_id"))
    asked = create.get("previous_item_id")
    if previous is None and asked is not None and asked != "root":
        previous = identifier(asked)
    place_item(
        state, item, previous, at_start=previous == "root" or (previous is None and asked == "root")
    )
    if item.response_id is None and item.wire.get("role") == "user":
        state.unanswered[item.id] = None


def _done(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = merge_item(state, event, mapping(body.get("item")))
    if item is None:
        return
    item.done, item.done_at, item.done_seq = True, event.at, event.seq
    previous = identifier(body.get("previous_item_id"))
    if item.guessed and previous is not None:
        unplace_item(state, item)
    if not item.linked and item.deleted_seq is None:
        place_item(state, item, previous)


def _retrieved(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = merge_item(state, event, mapping(body.get("item")))
    if item is not None and not item.linked and item.deleted_seq is None:
        place_item(state, item, None)


def _truncated(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item_id = identifier(body.get("item_id"))
    if item_id is None:
        return
    item = ensure_item(state, event, item_id)
    item.truncation = Truncation(
        event.seq,
        event.at,
        non_negative_integer(body.get("content_index")),
        non_negative_integer(body.get("audio_end_ms")),
    )
    if item.response_id is not None:
        state.responses[item.response_id].truncated = True
        state.interrupted.add(item.response_id)


def _deleted(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item_id = identifier(body.get("item_id"))
    if item_id is None:
        return
    item = ensure_item(state, event, item_id)
    unplace_item(state, item)
    item.deleted_seq = event.seq


def _mcp(kind: str, progress: str) -> Any:
    """Return the handler of an MCP event, which sets the type and the progress of its item."""

    def handler(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
        item_id = identifier(body.get("item_id"))
        if item_id is None:
            return
        item = ensure_item(state, event, item_id)
        item.wire = {"type": kind, **item.wire}
        if progress == "failed" and item.progress != progress:
            state.errors += 1
            name = text(item.wire.get("name")) or text(item.wire.get("server_label"))
            state.diagnose(event, f"{kind}_failed", name or f"see item {item_id}")
        item.progress = progress

    return handler


HANDLERS = {
    "conversation.item.create": _create,
    "conversation.item.added": _added,
    "conversation.item.done": _done,
    "conversation.item.retrieved": _retrieved,
    "conversation.item.truncated": _truncated,
    "conversation.item.deleted": _deleted,
    "response.mcp_call.in_progress": _mcp("mcp_call", "in_progress"),
    "response.mcp_call.completed": _mcp("mcp_call", "completed"),
    "response.mcp_call.failed": _mcp("mcp_call", "failed"),
    "mcp_list_tools.in_progress": _mcp("mcp_list_tools", "in_progress"),
    "mcp_list_tools.completed": _mcp("mcp_list_tools", "completed"),
    "mcp_list_tools.failed": _mcp("mcp_list_tools", "failed"),
}
