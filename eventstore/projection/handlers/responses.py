"""Handle events of responses: their requests, their output items, their end and their times."""

from __future__ import annotations

from typing import Any

from eventstore.projection.handlers import text_deltas
from eventstore.projection.handlers.conversation import (
    ensure_item,
    ensure_part,
    finish_part,
    is_repeated_event,
    is_settled,
    mark_changed,
    merge_item,
    note_part_type,
    part_index,
    place_item,
)
from eventstore.projection.handlers.requests import add_request, take_request
from eventstore.projection.handlers.session import extend_audio, name_conversation
from eventstore.projection.handlers.text_deltas import note_first_text
from eventstore.projection.state import Item, LogEvent, Response, ResponseRequest, SessionState
from eventstore.projection.timed_words import WordTiming, add_timed
from eventstore.realtime.audio import output_format
from eventstore.realtime.catalogue import canonical
from eventstore.realtime.values import identifier, mapping, number, sequence, text

#: The type of item to which finished arguments belong, by the type of their event.
_CALLED_BY = {
    "response.function_call_arguments.done": "function_call",
    "response.mcp_call_arguments.done": "mcp_call",
}


def ensure_response(state: SessionState, event: LogEvent, response_id: str) -> Response:
    """Return the response with this id, marked as changed. It is added if the id is new."""
    response = state.responses.get(response_id)
    if response is None:
        response = state.responses[response_id] = Response(
            response_id,
            event.seq,
            event.at,
            conversation=name_conversation(state, None),
            session=state.wire,
            rates=state.rates,
        )
        state.dirty.session = True
    state.dirty.responses.add(response_id)
    return response


def note_answered(state: SessionState, response: Response) -> None:
    """Note that a response answers the user's items since the last response of the conversation."""
    if response.conversation is None:
        return
    for item_id in state.unanswered:
        state.items[item_id].answered_by = response.id
        state.dirty.items.add(item_id)
    state.unanswered.clear()


def _growing_response(state: SessionState, event: LogEvent, response_id: str) -> Response:
    """Return the response of an event; note what it answers if its beginning was not recorded."""
    response = ensure_response(state, event, response_id)
    if not response.created_seq:
        note_answered(state, response)
    return response


def response_of(state: SessionState, event: LogEvent, body: dict[str, Any]) -> Response | None:
    """Return the response that an event names, or None if it names none."""
    response_id = identifier(body.get("response_id"))
    return None if response_id is None else _growing_response(state, event, response_id)


def _item_of(state: SessionState, event: LogEvent, body: dict[str, Any]) -> Item | None:
    """Return the item that a response's event names, or None; add the item to the response."""
    item_id = identifier(body.get("item_id"))
    if item_id is None:
        return None
    item = ensure_item(state, event, item_id)
    _tie(state, event, item, body)
    _settle(state, item)
    return item


def _tie(state: SessionState, event: LogEvent, item: Item, body: dict[str, Any]) -> None:
    """Add an item to the output of the response that an event names, unless it has a response."""
    response_id = identifier(body.get("response_id"))
    if item.response_id is None and response_id is not None and item.id not in state.unanswered:
        item.response_id, item.tied_seq = response_id, event.seq
    if item.response_id is not None:
        response = _growing_response(state, event, item.response_id)
        if item.id not in response.output:
            response.output[item.id] = None
            if not item.linked:
                response.unplaced[item.id] = None


def _create(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    asked = mapping(body.get("response"))
    add_request(
        state, ResponseRequest(event.seq, event.at, "client", text(body.get("event_id")), asked)
    )


def _created(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    wire = mapping(body.get("response"))
    response_id = identifier(wire.get("id"))
    if response_id is None:
        state.diagnose(event, "response_without_id", f"{event.type} names no response")
        return
    response = ensure_response(state, event, response_id)
    _describe(state, event, response, wire)
    if response.created_at is None:
        response.created_at, response.created_seq = event.at, event.seq
    if response.request is None:
        response.request = take_request(state, wire)
    _join_conversation(state, response)
    note_answered(state, response)


def _describe(
    state: SessionState, event: LogEvent, response: Response, wire: dict[str, Any]
) -> None:
    """Update a response with the object that a server's event has of it."""
    before, response.wire = response.wire, state.merged(event, response.wire, wire)
    # The length of audio in the rows of items depends on the format.
    if response.output and output_format(response.wire) != output_format(before):
        state.dirty.items.update(response.output)


def _join_conversation(state: SessionState, response: Response) -> None:
    """Set the conversation of a response, or None if it is outside of every conversation."""
    if "conversation_id" in response.wire:
        id_ = text(response.wire["conversation_id"]) or None
        outside = id_ is None
    else:
        id_ = None
        outside = response.request is not None and (
            response.request.body.get("conversation") == "none"
        )
    response.conversation = None if outside else name_conversation(state, id_)


def _done(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    wire = mapping(body.get("response"))
    response_id = identifier(wire.get("id")) or identifier(body.get("response_id"))
    if response_id is None:
        state.diagnose(event, "response_without_id", f"{event.type} names no response")
        return
    response = ensure_response(state, event, response_id)
    _describe(state, event, response, wire)
    if response.done_seq is None:
        response.done_seq, response.done_at = event.seq, event.at
        state.dirty.items.update(response.output)
    # xAI reports the usage beside the response's object.
    usage = mapping(wire.get("usage")) or mapping(body.get("usage"))
    response.usage = usage or response.usage
    state.awaiting_text.discard(response_id)
    details = mapping(response.wire.get("status_details"))
    if response.wire.get("status") == "cancelled" and details.get("reason") == "turn_detected":
        state.interrupted.add(response_id)
    if response.created_at is None and "conversation_id" in wire:
        _join_conversation(state, response)
    if not response.created_seq:
        note_answered(state, response)
    for entry in sequence(wire.get("output")):
        # Recordings of selected events may have no other event of this item.
        if identifier(mapping(entry).get("id")) not in state.items:
            _output_item(state, event, {"response_id": response_id, "item": entry})
    if response.conversation is not None:
        for item_id in response.unplaced:
            mark_changed(state, state.items[item_id])
            _settle(state, state.items[item_id])
        response.unplaced.clear()


def _settle(state: SessionState, item: Item) -> None:
    """Give an output item a guessed place, until an event of the conversation tells the place."""
    response = state.responses.get(item.response_id or "")
    inside = response is not None and response.conversation is not None
    if inside and not item.linked and item.deleted_seq is None:
        place_item(state, item, None)
        item.guessed = True


def _output_item(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = merge_item(state, event, mapping(body.get("item")))
    if item is None:
        return
    _tie(state, event, item, body)
    if event.type.endswith(".done"):
        item.done, item.done_at, item.done_seq = True, event.at, event.seq


def _part_added(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = _item_of(state, event, body)
    if item is None:
        return
    ensure_part(item, event, body)
    note_part_type(state, item, part_index(body), event, mapping(body.get("part")).get("type"))
    response = state.responses.get(item.response_id or "")
    if response is not None and response.first_text_at is None and response.done_seq is None:
        state.awaiting_text.add(response.id)


def _part_done(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = _item_of(state, event, body)
    if item is None:
        return
    part = ensure_part(item, event, body)
    wire = mapping(body.get("part"))
    note_part_type(state, item, part_index(body), event, wire.get("type"))
    # Some servers end a part with an empty text, after the event of the text itself.
    said, transcript = text(wire.get("text")), text(wire.get("transcript"))
    finish_part(
        part,
        text=said if said and part.text is None else None,
        transcript=transcript if transcript and part.transcript is None else None,
    )


def _text_done(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    _finish_text(state, event, body, "text")


def _transcript_done(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    _finish_text(state, event, body, "transcript")


def _finish_text(state: SessionState, event: LogEvent, body: dict[str, Any], field: str) -> None:
    item = _item_of(state, event, body)
    words = text(body.get(field))
    if item is not None and words is not None:
        note_first_text(state, event, item.response_id)
        finish_part(ensure_part(item, event, body), **{field: words})


def _audio_delta(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = state.items.get(identifier(body.get("item_id")) or "")
    if item is None or item.response_id is None:
        item = _item_of(state, event, body)
        if item is None:
            return
    if is_repeated_event(state, event, body):
        return
    is_new = part_index(body) not in item.parts
    part = ensure_part(item, event, body)
    part.audio = extend_audio(part.audio, event)
    # The heard text of a truncated item depends on the length of its audio.
    if is_new or item.truncation is not None or is_settled(state, item):
        mark_changed(state, item)
    response = state.responses.get(item.response_id or "")
    if response is not None and response.first_audio_seq is None:
        note_first_audio(state, event, response)


def note_first_audio(state: SessionState, event: LogEvent, response: Response) -> None:
    """Note the time of a response's first audio, and of the end of the user's speech before it."""
    response.first_audio_at, response.first_audio_seq = event.at, event.seq
    response.speech_ended_at, state.speech_ended_at = state.speech_ended_at, None
    response.speech_ended_seq = state.speech_ended_seq
    state.dirty.responses.add(response.id)


def _word_timed(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep the time of a word in a part's audio, which Azure Voice Live tells."""
    item = state.items.get(identifier(body.get("item_id")) or "")
    if item is None or item.response_id is None:
        item = _item_of(state, event, body)
    said = text(body.get("text"))
    start, lasts = number(body.get("audio_offset_ms")), number(body.get("audio_duration_ms"))
    if item is not None and said is not None and start is not None and lasts is not None:
        add_timed(ensure_part(item, event, body).timed, WordTiming(said, start, start + lasts))
        if item.truncation is not None or is_settled(state, item):
            mark_changed(state, item)


def _audio_done(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    _item_of(state, event, body)


def _arguments_done(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = _item_of(state, event, body)
    arguments = text(body.get("arguments"))
    if item is None or arguments is None:
        return
    item.arguments = arguments
    item.argument_deltas.clear()
    told = {name: body[name] for name in ("call_id", "name") if text(body.get(name))}
    # In recordings of selected events, only this event may tell the call's name.
    item.wire = {"type": _CALLED_BY[canonical(event.type)], **told, **item.wire}
    if item.call_seq is None:
        item.call_seq = event.seq


HANDLERS = {
    **text_deltas.HANDLERS,
    "response.create": _create,
    "response.created": _created,
    "response.done": _done,
    "response.output_item.added": _output_item,
    "response.output_item.done": _output_item,
    "response.content_part.added": _part_added,
    "response.content_part.done": _part_done,
    "response.output_text.done": _text_done,
    "response.output_audio.delta": _audio_delta,
    "response.output_audio.done": _audio_done,
    "response.output_audio_transcript.done": _transcript_done,
    "response.audio_timestamp.delta": _word_timed,
    "response.function_call_arguments.done": _arguments_done,
    "response.mcp_call_arguments.done": _arguments_done,
}
