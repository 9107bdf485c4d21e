"""Read from events what the user said: streamed audio, whole items, and the turns. Pure.

Called by sound_events.py, one handler for each type of event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.projection.pending import add_create, refuse_creates, take_create
from eventstore.realtime.audio import bytes_per_ms
from eventstore.realtime.catalogue import INPUT_AUDIO
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.values import identifier, mapping, non_negative_integer, sequence, text
from eventstore.sound.audio_formats import decode_base64
from eventstore.sound.timeline.session_sound import Chunks, Json, SessionSound, SpokenTurn

_LONGEST_MS = 86_400_000


def item_sounds(item: Json) -> Iterator[bytes]:
    """Yield the user's audio in each content part of an item; empty for a part without audio."""
    for part in map(mapping, sequence(item.get("content"))):
        yield decode_base64(part.get("audio")) if part.get("type") == "input_audio" else b""


def _appended(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    size, format_ = len(decode_base64(body.get("audio"))), sound.input_format()
    if not size or format_ is None:
        return
    if sound.waits:
        # On the clock of the samples, a user's reply begins when the answer has ended.
        sound.shift = max(sound.shift, sound.answered - sound.live_end)
        sound.waits = False
    if not sound.live or sound.live[-1].format != format_:
        sound.live.append(Chunks(format_, moment=sound.now))
    sound.live_end += size / bytes_per_ms(format_) / 1000
    arrival = sound.now[0] if event.at is not None else float("inf")
    sound.live[-1].add(event.seq, size, (arrival, sound.live_end + sound.shift))


def _position(sound: SessionSound, ms: Any) -> float | None:
    """Return a time of the server's input clock as seconds of streamed audio in the log.

    Args:
        ms: The time that an event states, in milliseconds since the connection's first audio.
    """
    stated = non_negative_integer(ms)
    if ms is None or not sound.live or stated > _LONGEST_MS:
        return None
    # The server cannot be ahead of the audio that it received. If it is ahead of the log, frames
    # are missing in the log, and the input clock began earlier than the log's audio.
    sound.zero = min(sound.zero or 0.0, sound.live_end - stated / 1000)
    return sound.zero + stated / 1000


def _turn(sound: SessionSound, body: Json) -> SpokenTurn | None:
    item_id = identifier(body.get("item_id"))
    if item_id is None:
        return None
    return sound.spoken.setdefault(item_id, SpokenTurn(item_id, sound.now))


def _speech_started(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    sound.speech_at = sound.now
    turn = _turn(sound, body)
    if turn is not None:
        turn.start = _position(sound, body.get("audio_start_ms"))


def _speech_stopped(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    turn = _turn(sound, body)
    if turn is not None:
        turn.end, turn.ended = _position(sound, body.get("audio_end_ms")), sound.now


def _commit(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    sound.waits = True


def _committed(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    turn = _turn(sound, body)
    if turn is not None and turn.ended is None:
        turn.ended = sound.now
        if sound.live:
            turn.start = sound.turn_start if turn.start is None else turn.start
            turn.end = sound.live_end
    sound.turn_start = sound.live_end


def _cleared(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    sound.turn_start = sound.live_end


def _item_created(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    add_create(sound.creates, event.seq, body)
    item = mapping(body.get("item"))
    sizes, format_ = [len(found) for found in item_sounds(item)], sound.input_format()
    if not any(sizes) or format_ is None:
        return
    sound.shift = max(sound.shift, sound.answered - sound.live_end)
    now = (sound.now[0], sound.live_end + sound.shift)
    chunks = Chunks(format_, item_id=identifier(item.get("id")), moment=now)
    for part, size in enumerate(sizes):
        if size:
            chunks.add(event.seq, size, now, part)
            sound.shift += size / bytes_per_ms(format_) / 1000
    sound.created[event.seq] = chunks


def _item_added(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    wire = mapping(body.get("item"))
    chunks = sound.created.get(take_create(sound.creates, wire).get("seq", 0))
    if chunks is not None:
        chunks.item_id = identifier(wire.get("id"))


def _refused(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    cause = text(mapping(body.get("error")).get("event_id"))
    for seq in refuse_creates(sound.creates, cause or None):
        sound.created.pop(seq, None)


HANDLERS = {
    "input_audio_buffer.speech_started": _speech_started,
    "input_audio_buffer.speech_stopped": _speech_stopped,
    "input_audio_buffer.commit": _commit,
    "input_audio_buffer.committed": _committed,
    "input_audio_buffer.cleared": _cleared,
    "conversation.item.create": _item_created,
    "conversation.item.added": _item_added,
    "error": _refused,
    **dict.fromkeys(INPUT_AUDIO, _appended),
}
