"""Read from events what the assistant said, and when it was cut off. Pure.

Called by sound_events.py, one handler for each type of event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from eventstore.projection.handlers.conversation import part_index
from eventstore.realtime.audio import UNKNOWN_FORMAT, at_rate, bytes_per_ms, output_format
from eventstore.realtime.catalogue import AUDIO_DELTAS, canonical
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.values import identifier, mapping, non_negative_integer
from eventstore.sound.audio_formats import decode_base64
from eventstore.sound.timeline.session_sound import Chunks, Json, ResponsePlayback, SessionSound


def _reply(sound: SessionSound, response_id: str | None, wire: Json) -> ResponsePlayback | None:
    if response_id is None:
        return None
    format_ = at_rate(output_format(wire), sound.rates.output) or sound.output_format()
    return sound.replies.setdefault(response_id, ResponsePlayback(format_, sound.now))


def _response_created(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    wire = mapping(body.get("response"))
    _reply(sound, identifier(wire.get("id")), wire)


def _audio_delta(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    size = len(decode_base64(body.get("delta")))
    if not size:
        return
    response_id, item_id = identifier(body.get("response_id")), identifier(body.get("item_id"))
    key = (response_id, item_id, part_index(body))
    chunks = sound.output.get(key)
    if chunks is None:
        reply = _reply(sound, response_id, {})
        format_ = sound.output_format() if reply is None else reply.format
        chunks = sound.output[key] = Chunks(format_, item_id, response_id, sound.now, key[2])
    if chunks.format == UNKNOWN_FORMAT:
        sound.unknown.add("output")
        return
    chunks.add(event.seq, size, sound.now)
    begins = max(sound.answered, sound.live_end + sound.shift)
    sound.answered = begins + size / bytes_per_ms(chunks.format) / 1000


def _response_cancelled(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    sound.cancel_at = sound.now


def _response_done(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    wire = mapping(body.get("response"))
    reply = _reply(sound, identifier(wire.get("id")) or identifier(body.get("response_id")), {})
    if reply is None or reply.cut is not None or wire.get("status") != "cancelled":
        return
    by_user = mapping(wire.get("status_details")).get("reason") == "turn_detected"
    # Clients stop playing when they learn of the cancellation, before `response.done` arrives.
    told = sound.speech_at if by_user else sound.cancel_at
    reply.cut = told if told >= reply.created else sound.now


def _truncated(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    item_id = identifier(body.get("item_id"))
    if item_id is not None:
        place = (item_id, part_index(body))
        _, told = sound.truncations.get(place, (0, sound.now))
        sound.truncations[place] = (non_negative_integer(body.get("audio_end_ms")), told)


def _played(what: Literal["started", "stopped", "cleared"]) -> Callable[..., None]:
    def handler(sound: SessionSound, event: StoredEvent, body: Json) -> None:
        response_id = identifier(body.get("response_id")) or sound.playing
        reply = _reply(sound, response_id, {})
        if reply is None:
            return
        if what == "started":
            sound.playing, reply.started = response_id, sound.now
        else:
            reply.stopped = sound.now
        if what == "cleared":
            reply.cut, reply.cleared = sound.now, True

    return handler


HANDLERS = {
    "conversation.item.truncate": _truncated,
    "conversation.item.truncated": _truncated,
    "response.created": _response_created,
    "response.cancel": _response_cancelled,
    "response.done": _response_done,
    "output_audio_buffer.started": _played("started"),
    "output_audio_buffer.stopped": _played("stopped"),
    "output_audio_buffer.cleared": _played("cleared"),
    **dict.fromkeys(map(canonical, AUDIO_DELTAS), _audio_delta),
}
