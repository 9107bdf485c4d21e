"""Handle the session events of Live: start, end, usage, mutes, pauses, transport and errors."""

from __future__ import annotations

from typing import Any

from eventstore.projection.content import ContentPart
from eventstore.projection.handlers.conversation import finish_part
from eventstore.projection.handlers.session import (
    closed_by_server,
    note_error,
    note_requested,
    note_session,
)
from eventstore.projection.handlers.session_billing import note_usage
from eventstore.projection.live.appends import event_key
from eventstore.projection.live.context import refuse_append
from eventstore.projection.live.live_items import add_item, given_id, live_of
from eventstore.projection.live_state import MAX_KEYS, MAX_MOMENTS, Moment
from eventstore.projection.state import MAX_DTMF, LogEvent, SessionState
from eventstore.realtime.values import identifier, mapping, number, sequence, text

#: How many messages may be told before the start, by the API's reference.
_MAX_HISTORY = 128


def _started(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    note_session(state, event, body)
    live = live_of(state)
    if live.started_at is None:
        live.started_at = event.at
    for place, told in enumerate(sequence(state.wire.get("input"))[:_MAX_HISTORY]):
        _add_history(state, event, place, mapping(told))


def _add_history(state: SessionState, event: LogEvent, place: int, message: dict[str, Any]) -> None:
    """Add an item for a message that the model was told before the start."""
    said = " ".join(
        words
        for part in sequence(message.get("content"))
        if (words := text(mapping(part).get("text")))
    )
    id_ = given_id(identifier(message.get("id"))) or f"item_history_{place}"
    if not said or id_ in state.items:
        return
    item = add_item(state, event, id_, "history")
    item.wire = {"type": "message", "status": "completed", **message}
    item.done = True
    item.parts[0] = ContentPart(event.seq, type="input_text", typed_seq=event.seq)
    finish_part(item.parts[0], text=said)


def _closed(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    note_session(state, event, body)
    closed_by_server(state, event, body)
    state.close_reason = text(body.get("reason")) or state.close_reason


def _usage(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    note_usage(state, event, body)
    ratio = number(mapping(body.get("context_window")).get("usage_ratio"))
    if ratio is not None:
        live_of(state).context_usage = ratio


def _moment(what: str, **changes: Any) -> Any:
    """Return the handler that notes a moment, and changes members of the Live state."""

    def handler(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
        live = live_of(state)
        for name, value in changes.items():
            setattr(live, name, value)
        if len(live.moments) >= MAX_MOMENTS:
            live.moments.pop(0)
        live.moments.append(Moment(what, event.seq, event.at))

    return handler


_note_failed = _moment("failed", transport="failed")


def _failed(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    _note_failed(state, event, body)
    note_error(state, event, mapping(body.get("error")))


def _key_received(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    key = text(body.get("event"))
    if key is not None and len(state.dtmf) < MAX_DTMF:
        state.dtmf.append(key[:16])
    elif key is not None:
        state.dtmf_left_out += 1


def _key_sent(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    key = text(body.get("event"))
    sent = live_of(state).sent_keys
    if key is not None and len(sent) < MAX_KEYS:
        sent.append(key[:16])


def _error(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Note an error, and that what it refuses was not appended."""
    error = mapping(body.get("error"))
    note_error(state, event, error)
    cause = text(error.get("client_event_id")) or text(body.get("client_event_id"))
    appends = live_of(state).appends
    refused = appends.first(event_key(cause)) if cause is not None else None
    if refused is not None:
        refuse_append(state, appends.pop(refused))


def _info(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    code = text(body.get("code")) or "info"
    state.diagnose(event, code, text(body.get("message")) or "the server sent a notice")


HANDLERS = {
    "session.start": note_requested,
    "session.started": _started,
    "session.update": note_requested,
    "session.updated": note_session,
    "session.closed": _closed,
    "session.usage.updated": _usage,
    "session.paused": _moment("paused", paused=True),
    "session.resumed": _moment("resumed", paused=False),
    "session.input_audio.muted": _moment("muted", muted=True),
    "session.input_audio.unmuted": _moment("unmuted", muted=False),
    "session.output_audio.fixture.playing": _moment("fixture_playing"),
    "session.output_audio.fixture.played": _moment("fixture_played"),
    "transport.ringing": _moment("ringing", transport="ringing"),
    "transport.answered": _moment("answered", transport="answered"),
    "transport.failed": _failed,
    "transport.dtmf.received": _key_received,
    "transport.dtmf.sent": _key_sent,
    "error": _error,
    "info": _info,
}
