"""Find the user's audio of each item in a session's log. Called by `EventStore.reseed`.

The audio of an item is in the item itself if a client created it as a whole, or if a server sent it
back. Otherwise it is a part of the streamed audio. With turn detection, the server states its start
and end on the input clock, which counts all audio that was appended. Without turn detection, it is
all audio since the last turn.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pybase64

from eventstore.projection.content import Speech
from eventstore.projection.pending import (
    ItemCreate,
    Pending,
    add_create,
    refuse_creates,
    take_create,
)
from eventstore.projection.state import SessionState
from eventstore.realtime.audio import (
    PCM_FORMAT,
    PCM_RATE,
    UNKNOWN_FORMAT,
    bytes_per_ms,
    stated_input_format,
)
from eventstore.realtime.catalogue import INPUT_AUDIO, RENAMED, canonical
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse
from eventstore.realtime.values import identifier, mapping, sequence, text
from eventstore.replay.reseed.client_images import ContentKey

Json = dict[str, Any]


@dataclass
class _InputAudio:
    """The streamed audio that is not yet part of a turn, and the audio of items that was found.

    Attributes:
        session: The session's configuration so far.
        format: The format of the audio.
        whole: True if the log has all audio since the connection began, where the input clock
            begins, too.
        starts_at_ms: The time of the input clock at which this format began.
        starts_at: How many bytes in this format came before `sound`.
        sound: The audio that is not yet part of a turn.
        creates: The items that the client created and the server has not yet added.
        found: The audio of items and its format, by item id and index of the content part.
    """

    session: Json = field(default_factory=dict)
    format: Json = field(default_factory=lambda: PCM_FORMAT)
    whole: bool = False
    starts_at_ms: float = 0.0
    starts_at: int = 0
    sound: bytearray = field(default_factory=bytearray)
    creates: Pending[ItemCreate] = field(default_factory=Pending)
    found: dict[ContentKey, tuple[bytes, Json]] = field(default_factory=dict)


def user_audio(state: SessionState, events: Iterable[StoredEvent]) -> dict[ContentKey, bytes]:
    """Return the audio of the user's items, as far as it is known for certain.

    Audio in another format than the session's last one is left out, because the new session would
    play it as noise. So is PCM at a rate that a client cannot request.

    Args:
        state: The session's state at the event that is wanted.
        events: The events of `USER_AUDIO_TYPES` up to that event, in order.

    Returns:
        The audio's bytes, by item id and index of the content part.
    """
    streamed = _InputAudio()
    for event in events:
        handler = _HANDLERS.get(canonical(event.type))
        body = parse(event.text) if isinstance(event.text, str) else None
        if handler is not None and body is not None:
            handler(streamed, state, event.seq, body)
    wanted = stated_input_format(state.wire, state.rates)
    if wanted == UNKNOWN_FORMAT or wanted.get("rate", PCM_RATE) != PCM_RATE:
        return {}
    return {place: sound for place, (sound, format_) in streamed.found.items() if format_ == wanted}


def _configured(streamed: _InputAudio, state: SessionState, seq: int, body: Json) -> None:
    streamed.session = {**streamed.session, **mapping(body.get("session"))}
    format_ = stated_input_format(streamed.session, state.rates)
    if format_ != streamed.format:
        # The input clock goes on. Places in bytes are counted anew for the new format.
        _drop(streamed, len(streamed.sound))
        streamed.starts_at_ms += streamed.starts_at / bytes_per_ms(streamed.format)
        streamed.starts_at, streamed.format = 0, format_


def _opened(streamed: _InputAudio, state: SessionState, seq: int, body: Json) -> None:
    if streamed.whole:
        # A second `session.created` is a new connection, whose input clock begins at 0.
        streamed.sound.clear()
        streamed.starts_at, streamed.starts_at_ms = 0, 0.0
    streamed.whole = True
    _configured(streamed, state, seq, body)


def _appended(streamed: _InputAudio, state: SessionState, seq: int, body: Json) -> None:
    streamed.sound += _decoded(body.get("audio"))


def _cleared(streamed: _InputAudio, state: SessionState, seq: int, body: Json) -> None:
    _drop(streamed, len(streamed.sound))


def _committed(streamed: _InputAudio, state: SessionState, seq: int, body: Json) -> None:
    item = state.items.get(identifier(body.get("item_id")) or "")
    start, end = _stretch(streamed, item.speech if item is not None else None)
    if item is not None and start < end <= len(streamed.sound):
        streamed.found[(item.id, 0)] = (bytes(streamed.sound[start:end]), streamed.format)
    # The audio after the turn's end came before the server noticed the end. It belongs to the next
    # turn.
    _drop(streamed, min(end, len(streamed.sound)))


def _stretch(streamed: _InputAudio, speech: Speech | None) -> tuple[int, int]:
    """Return the bytes of `streamed.sound` at which a turn begins and ends; equal if unknown."""
    end = len(streamed.sound)
    if speech is None or (speech.start_ms is None and speech.end_ms is None):
        return 0, end
    start_ms, end_ms = speech.start_ms, speech.end_ms
    if start_ms is None or start_ms < streamed.starts_at_ms or not streamed.whole:
        return 0, 0
    # The padding before a turn can reach into the last turn, which has that audio already.
    start = max(0, _position(streamed, start_ms))
    return start, end if end_ms is None else max(0, _position(streamed, end_ms))


def _position(streamed: _InputAudio, ms: int) -> int:
    """Return the byte of `streamed.sound` at a time of the input clock: the start of a sample."""
    width = 2 if streamed.format["type"] == "audio/pcm" else 1
    samples = round((ms - streamed.starts_at_ms) * bytes_per_ms(streamed.format) / width)
    return samples * width - streamed.starts_at


def _drop(streamed: _InputAudio, count: int) -> None:
    del streamed.sound[:count]
    streamed.starts_at += count


def _created(streamed: _InputAudio, state: SessionState, seq: int, body: Json) -> None:
    content = mapping(body.get("item")).get("content")
    add_create(streamed.creates, seq, body, content=content)


def _refused(streamed: _InputAudio, state: SessionState, seq: int, body: Json) -> None:
    refuse_creates(streamed.creates, text(mapping(body.get("error")).get("event_id")))


def _added(streamed: _InputAudio, state: SessionState, seq: int, body: Json) -> None:
    wire = mapping(body.get("item"))
    _keep_content(streamed, wire, take_create(streamed.creates, wire).get("content"))
    _keep_content(streamed, wire, wire.get("content"))


def _shown(streamed: _InputAudio, state: SessionState, seq: int, body: Json) -> None:
    wire = mapping(body.get("item"))
    _keep_content(streamed, wire, wire.get("content"))


def _keep_content(streamed: _InputAudio, wire: Json, content: Any) -> None:
    item_id = identifier(wire.get("id"))
    for index, part in enumerate(map(mapping, sequence(content))):
        sound = _decoded(part.get("audio")) if part.get("type") == "input_audio" else b""
        if item_id is not None and sound:
            streamed.found[(item_id, index)] = (sound, streamed.format)


def _decoded(audio: Any) -> bytes:
    try:
        return pybase64.b64decode(text(audio) or "", validate=False)
    except (binascii.Error, ValueError):
        return b""


_HANDLERS = {
    "session.created": _opened,
    "session.updated": _configured,
    "input_audio_buffer.committed": _committed,
    "input_audio_buffer.cleared": _cleared,
    "error": _refused,
    "conversation.item.create": _created,
    "conversation.item.added": _added,
    "conversation.item.done": _shown,
    "conversation.item.retrieved": _shown,
    **dict.fromkeys(INPUT_AUDIO, _appended),
}

#: The types of events that hold the user's audio or describe it, in every dialect.
USER_AUDIO_TYPES = sorted({*_HANDLERS, *(beta for beta, ga in RENAMED.items() if ga in _HANDLERS)})
