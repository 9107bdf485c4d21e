"""Handlers of the deltas of texts, transcripts and arguments that the model generates."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from eventstore.projection.content import ContentPart
from eventstore.projection.growing import growing_text
from eventstore.projection.handlers.conversation import (
    accepts_arguments,
    accepts_text,
    accepts_transcript,
    append_delta,
    is_repeated_event,
    is_settled,
    part_index,
)
from eventstore.projection.state import Item, LogEvent, SessionState
from eventstore.realtime.values import identifier, text

#: Where a part keeps the deltas of its text, and those of its transcript.
_TEXT_DELTAS = attrgetter("text_deltas")
_TRANSCRIPT_DELTAS = attrgetter("transcript_deltas")


def note_first_text(state: SessionState, event: LogEvent, response_id: str | None) -> None:
    """Note the time of a response's first text, if it is awaited."""
    response = state.responses.get(response_id or "")
    if response is not None and response.id in state.awaiting_text:
        response.first_text_at, response.first_text_seq = event.at, event.seq
        state.awaiting_text.discard(response.id)
        state.dirty.responses.add(response.id)


def _open_item(state: SessionState, event: LogEvent, body: dict[str, Any]) -> Item | None:
    """Return the item to which a delta adds, or None if its response has ended.

    The seqs are compared, not the order of calls, because a rebuild reads deltas last.
    """
    item = state.items.get(identifier(body.get("item_id")) or "")
    response = state.responses.get(item.response_id or "") if item is not None else None
    if item is None or response is None or event.seq <= item.tied_seq:
        return None
    return item if response.done_seq is None or event.seq < response.done_seq else None


def _text_delta(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    _add_delta(state, event, body, accepts_text, _TEXT_DELTAS)


def _transcript_delta(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    _add_delta(state, event, body, accepts_transcript, _TRANSCRIPT_DELTAS)


def _add_delta(
    state: SessionState,
    event: LogEvent,
    body: dict[str, Any],
    accepts: Callable[[ContentPart, int], bool],
    deltas_of: Callable[[ContentPart], list[str]],
) -> None:
    """Add a delta to the part that it names, if that part accepts it and it is no repetition."""
    note_first_text(state, event, identifier(body.get("response_id")))
    item, delta = _open_item(state, event, body), text(body.get("delta"))
    if item is None or delta is None:
        return
    part = item.parts.get(part_index(body))
    if part is None or not accepts(part, event.seq):
        return
    _append(state, event, body, item, deltas_of(part))


def _append(
    state: SessionState,
    event: LogEvent,
    body: dict[str, Any],
    item: Item,
    deltas: list[str],
) -> None:
    """Add a delta to the deltas of an item, unless it is a repetition."""
    if is_repeated_event(state, event, body):
        return
    append_delta(state, item, deltas, body["delta"])
    if not is_settled(state, item):
        state.growing = growing_text(state, event, body, deltas)


def _arguments_delta(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item, delta = _open_item(state, event, body), text(body.get("delta"))
    if item is None or delta is None or not accepts_arguments(item, event.seq):
        return
    _append(state, event, body, item, item.argument_deltas)


HANDLERS = {
    "response.output_text.delta": _text_delta,
    "response.output_audio_transcript.delta": _transcript_delta,
    "response.function_call_arguments.delta": _arguments_delta,
    "response.mcp_call_arguments.delta": _arguments_delta,
}
