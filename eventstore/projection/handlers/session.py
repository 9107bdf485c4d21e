"""Handle events of sessions: configuration, the store's notes, translations, errors, limits.

The handlers of Live sessions call the public functions, too.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

from eventstore.projection.content import AudioSpan
from eventstore.projection.handlers.scores import SCORE_NOTES
from eventstore.projection.handlers.session_billing import note_configuration, note_end, note_usage
from eventstore.projection.pending import refuse_creates
from eventstore.projection.state import (
    MAX_ERROR_CODES,
    MAX_LIMITS,
    MAX_METADATA,
    Conversation,
    LogEvent,
    SessionState,
)
from eventstore.realtime.audio import rates_of_note
from eventstore.realtime.catalogue import (
    CLOSED,
    GAP,
    METADATA_SET,
    OPENED,
    REDACTED,
    SAME_CALL,
    SAMPLE_RATES,
)
from eventstore.realtime.values import (
    identifier,
    mapping,
    metadata_pairs,
    non_negative_integer,
    number,
    sequence,
    text,
)

_MAX_PARAMETERS = 100
_FIGURES = ("limit", "remaining", "reset_seconds")


def note_session(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep a session's configuration as the server tells it."""
    config = mapping(body.get("session"))
    # A new object each time, because responses refer to the configuration at their start.
    state.wire = state.merged(event, state.wire, config)
    if state.server_id is None:
        state.server_id = text(config.get("id"))
    note_configuration(state)


def note_requested(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep what a client asks for in a session's configuration."""
    state.requested = state.merged(event, state.requested, mapping(body.get("session")))


def closed_by_server(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Note that the server closed a session, and what it tells of the session's usage."""
    state.closed_at = event.at
    close_session(state)
    note_usage(state, event, body)
    note_end(state)


def close_session(state: SessionState) -> None:
    """Note that a session has ended. Rows of its items and responses then show their deltas."""
    if not state.closed:
        state.closed = state.dirty.session = True
        for item in state.items.values():
            state.dirty.items.add(item.id)
            if item.response_id is not None:
                state.dirty.responses.add(item.response_id)


def _opened(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    state.notes = {key: value for key, value in body.items() if key not in ("type", "metadata")}
    _set_metadata(state, event, body)
    model = _model_asked_for(text(body.get("url")))
    if model is not None and "model" not in state.wire:
        # Some servers never tell the model, but the client asked for it in the URL.
        state.wire = state.merged(event, state.wire, {"model": model})
        note_configuration(state)


def _model_asked_for(url: str | None) -> str | None:
    """Return the model, or Azure's deployment, that a URL names in its query; None if neither."""
    with suppress(ValueError):
        query = parse_qs(urlsplit(url or "").query, max_num_fields=_MAX_PARAMETERS)
        for name in ("model", "deployment"):
            if query.get(name):
                return query[name][0]
    return None


def _set_metadata(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    metadata = mapping(body.get("metadata"))
    merged = {**state.metadata, **metadata_pairs(metadata)}
    for key, value in metadata.items():
        if value is None:
            merged.pop(key, None)
    if len(merged) > MAX_METADATA:
        state.diagnose(event, "too_much_metadata", f"no more than {MAX_METADATA} pairs are kept")
        merged = dict(islice(merged.items(), MAX_METADATA))
    if merged != state.metadata:
        state.metadata = merged
        state.dirty.metadata = True


def _closed(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    # An app that closes a session may know neither when it ended nor why.
    state.closed_at = event.at if event.at is not None else state.closed_at
    close_session(state)
    state.close_reason = text(body.get("reason")) or state.close_reason
    note_end(state)


def _gap(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    reason = text(body.get("reason")) or "unknown"
    state.diagnose(event, "gap", f"frames are missing here: {reason}")


def _redacted(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    state.redacted += non_negative_integer(body.get("secrets"))
    state.dirty.session = True


def _sample_rates(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep the sample rates that an import told, which win over those that the server states."""
    state.rates = rates_of_note(body)
    state.dirty.session = True


def _same_call(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Note another recording of the same call, which counts the usage that both recordings have."""
    other = identifier(body.get("session"))
    if other is None or other == state.session_id:
        return
    state.same_call = other
    state.only_here = frozenset(filter(None, map(text, sequence(body.get("only_here")))))
    state.dirty.usage = True


def _conversation_created(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    name_conversation(state, text(mapping(body.get("conversation")).get("id")) or None)


def note_error(state: SessionState, event: LogEvent, error: dict[str, Any]) -> str:
    """Count an error of the server, add a diagnostic, and return the error's code."""
    state.errors += 1
    code = text(error.get("code")) or text(error.get("type")) or "error"
    state.diagnose(event, code, text(error.get("message")) or "the server sent an error")
    if len(state.error_codes) < MAX_ERROR_CODES:
        state.error_codes[code] = None
    return code


def _error(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    error = mapping(body.get("error"))
    code = note_error(state, event, error)
    cause = text(error.get("event_id"))
    failed = None
    if cause is not None:
        failed = state.requests.first(("event", cause))
    elif code == "conversation_already_has_active_response" or (
        state.requests.count("client") == 1 and not state.creates
    ):
        failed = state.requests.first("client")
    if failed is not None:
        state.requests.pop(failed)
    refuse_creates(state.creates, cause)


def _rate_limits(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep the account's rate limits as the server told each of them last."""
    known = {limit["name"]: limit for limit in state.rate_limits}
    for told in map(mapping, sequence(body.get("rate_limits"))):
        name = (text(told.get("name")) or "")[:64]
        if name and (name in known or len(known) < MAX_LIMITS):
            figures = {key: number(told.get(key)) for key in _FIGURES}
            known[name] = {"name": name, **figures, "seq": event.seq}
    state.rate_limits = list(known.values())


def _warning(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    warning = mapping(body.get("warning"))
    code = text(warning.get("code")) or "warning"
    state.diagnose(event, code, text(warning.get("message")) or "the server sent a warning")


def _translated(side: str) -> Any:
    """Return the handler of transcript deltas of a translation; `side` is `input` or `output`."""

    def handler(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
        delta = text(body.get("delta"))
        if delta is not None:
            state.dirty.session_billed |= side not in state.translation
            state.translation.setdefault(side, []).append(delta)

    return handler


def _translated_audio(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    state.dirty.session_billed |= state.translation_audio is None
    state.translation_audio = extend_audio(state.translation_audio, event)


def extend_audio(span: AudioSpan | None, event: LogEvent) -> AudioSpan:
    """Return a span of audio, extended by the audio of one more delta; None begins a new span."""
    if span is None:
        span = AudioSpan(event.seq, event.seq)
    span.last_seq = event.seq
    span.bytes += event.audio_bytes
    span.chunks += 1
    return span


def name_conversation(state: SessionState, id_: str | None) -> int:
    """Return the index of the conversation with this id, which is added if it is new.

    Args:
        state: The session's state.
        id_: The conversation's id. The session's last conversation takes it if it has no id yet.
            None means the session's current conversation.
    """
    conversations = state.conversations
    if not conversations:
        conversations.append(Conversation(id_))
        return _named(state, id_)
    if id_ is None:
        return len(conversations) - 1
    index = state.conversation_indexes.get(id_)
    if index is not None:
        return index
    if conversations[-1].id is not None:
        conversations.append(Conversation(id_))
        return _named(state, id_)
    conversations[-1].id = id_
    index = _named(state, id_)
    # Each item and response of the conversation shows the id.
    state.dirty.items.update(i.id for i in state.items.values() if i.conversation == index)
    state.dirty.responses.update(r.id for r in state.responses.values() if r.conversation == index)
    return index


def _named(state: SessionState, id_: str | None) -> int:
    """Mark the last conversation, which is new or got its id, as changed; return its index."""
    index = len(state.conversations) - 1
    state.dirty.conversations.add(index)
    if id_ is not None:
        state.conversation_indexes[id_] = index
    return index


#: The handlers of the store's own notes, which sessions of every protocol have.
NOTES = {
    OPENED: _opened,
    METADATA_SET: _set_metadata,
    CLOSED: _closed,
    GAP: _gap,
    REDACTED: _redacted,
    SAME_CALL: _same_call,
    SAMPLE_RATES: _sample_rates,
    **SCORE_NOTES,
}
HANDLERS = {
    **NOTES,
    "session.created": note_session,
    "session.updated": note_session,
    "session.update": note_requested,
    "session.closed": closed_by_server,
    "session.usage.updated": note_usage,
    "session.input_transcript.delta": _translated("input"),
    "session.output_transcript.delta": _translated("output"),
    "session.output_audio.delta": _translated_audio,
    "conversation.created": _conversation_created,
    "error": _error,
    "warning": _warning,
    "rate_limits.updated": _rate_limits,
}
