"""Handle events of the input audio buffer: the user's speech, its commits, and DTMF keys."""

from __future__ import annotations

from typing import Any

from eventstore.projection.content import ContentPart, Speech
from eventstore.projection.handlers.conversation import ensure_item, note_part_type
from eventstore.projection.handlers.requests import add_request
from eventstore.projection.state import MAX_DTMF, Item, LogEvent, ResponseRequest, SessionState
from eventstore.realtime.audio import at_rate, bytes_per_ms, input_format
from eventstore.realtime.values import identifier, integer, mapping, text


def _speech_of(state: SessionState, event: LogEvent, body: dict[str, Any]) -> Speech | None:
    item_id = identifier(body.get("item_id"))
    if item_id is None:
        return None
    item = ensure_item(state, event, item_id)
    if item.speech is None:
        item.speech = Speech(first_seq=state.commit_seq + 1)
        # The transcript may come before the event that adds the item.
        if 0 not in item.parts:
            item.parts[0] = ContentPart(event.seq)
            note_part_type(state, item, 0, event, "input_audio")
    return item.speech


def _started(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    state.speech_ended_at = None
    speech = _speech_of(state, event, body)
    if speech is not None:
        speech.start_ms = integer(body.get("audio_start_ms"))
        speech.started_at = event.at


def _stopped(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    state.speech_ended_at, state.speech_ended_seq = event.at, event.seq
    speech = _speech_of(state, event, body)
    if speech is not None:
        speech.end_ms = integer(body.get("audio_end_ms"))
        speech.stopped_at = event.at


def _committed(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    speech = _speech_of(state, event, body)
    if speech is not None:
        speech.committed_seq, speech.committed_at = event.seq, event.at
        format_ = at_rate(input_format(state.wire), state.rates.input)
        speech.bytes_per_ms = bytes_per_ms(format_)
        if speech.stopped_at is None and speech.end_ms is None:
            speech.bytes = state.input_bytes
            state.speech_ended_at, state.speech_ended_seq = event.at, event.seq
        else:
            _trigger_by_vad(state, event)
    state.commit_seq, state.input_bytes = event.seq, 0


def _trigger_by_vad(state: SessionState, event: LogEvent) -> None:
    """Add a request for a response, because the user's turn ended by VAD."""
    audio = mapping(mapping(state.wire.get("audio")).get("input"))
    detection = audio.get("turn_detection", state.wire.get("turn_detection"))
    if mapping(detection).get("create_response") is False:
        return
    # Only the latest turn can be waiting for its response.
    for seq in state.requests.all("vad"):
        state.requests.pop(seq)
    add_request(state, ResponseRequest(event.seq, event.at, "vad"))


def _cleared(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    state.commit_seq, state.input_bytes = event.seq, 0


def _timeout(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    speech = _speech_of(state, event, body)
    if speech is not None:
        speech.start_ms = integer(body.get("audio_start_ms"))
        speech.end_ms = integer(body.get("audio_end_ms"))
    _trigger_by_vad(state, event)


def _dtmf(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    key = text(body.get("event"))
    if key is None:
        return
    if len(state.dtmf) < MAX_DTMF:
        state.dtmf.append(key[:16])
    else:
        state.dtmf_left_out += 1


def needs_input_bytes(state: SessionState, body: dict[str, Any] | None) -> bool:
    """Return True if the length of a committed turn must be counted in bytes of input audio.

    Called by a load of a state before it applies the event. A load reads no input audio, so that it
    has to ask the database for the bytes.

    Args:
        state: The state before the event.
        body: The parsed event `input_audio_buffer.committed`, or None if it is unreadable.
    """
    item: Item | None = state.items.get(identifier((body or {}).get("item_id")) or "")
    speech = item.speech if item is not None else None
    return speech is None or (speech.stopped_at is None and speech.end_ms is None)


HANDLERS = {
    "input_audio_buffer.speech_started": _started,
    "input_audio_buffer.speech_stopped": _stopped,
    "input_audio_buffer.committed": _committed,
    "input_audio_buffer.cleared": _cleared,
    "input_audio_buffer.timeout_triggered": _timeout,
    "input_audio_buffer.dtmf_event_received": _dtmf,
}
