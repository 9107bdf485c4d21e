"""Collect from a session's events what they say about its sound, and read the sound itself. Pure.

Called by timeline.py (`collect_sound`) and call_audio.py (`audio_of`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from eventstore.projection.repeats import Repeats
from eventstore.realtime.audio import rates_of_note
from eventstore.realtime.catalogue import (
    AUDIO_DELTAS,
    INPUT_AUDIO,
    SAMPLE_RATES,
    SET_LATER,
    canonical,
)
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse
from eventstore.realtime.protocols import LIVE, REALTIME, Protocol, told_protocol
from eventstore.realtime.values import mapping
from eventstore.sound.audio_formats import decode_base64
from eventstore.sound.timeline import input_events, output_events
from eventstore.sound.timeline.live_sound import FIXTURE_PLAY, LiveSound
from eventstore.sound.timeline.session_sound import Json, SessionSound
from eventstore.store.log.counted_events import counted_body


def collect_sound(events: Iterable[StoredEvent]) -> SessionSound | LiveSound:
    """Read a session's events, in order, and return what they say about its sound.

    Until an event proves which protocol the session speaks, events count for both.
    """
    sound, repeats, live = SessionSound(), Repeats(), LiveSound()
    protocol: Protocol | None = None
    for event in events:
        if event.type in SET_LATER:
            continue
        if protocol is None:
            protocol = told_protocol(event.direction, event.type, _proof(event))
        if protocol != LIVE:
            _add(sound, repeats, event)
        if protocol != REALTIME:
            live.add(event)
    return live if protocol == LIVE else sound


def _proof(event: StoredEvent) -> Json | None:
    """Return the parsed event, or None for audio of the user, which proves no protocol."""
    if event.type in INPUT_AUDIO or not isinstance(event.text, str):
        return None
    return parse(event.text)


def _add(sound: SessionSound, repeats: Repeats, event: StoredEvent) -> None:
    sound.now = (sound.clock.moment(event.at), sound.live_end + sound.shift)
    handler = _HANDLERS.get(canonical(event.type))
    body = counted_body(repeats, event) if handler is not None else None
    if handler is not None and body is not None:
        handler(sound, event, body)


def audio_of(event: StoredEvent) -> list[bytes]:
    """Return the audio of an event: one sound, or one for each content part of an item."""
    body = (parse(event.text) if isinstance(event.text, str) else None) or {}
    if event.type in INPUT_AUDIO:
        return [decode_base64(body.get("audio"))]
    if event.type in AUDIO_DELTAS:
        return [decode_base64(body.get("delta"))]
    if event.type == FIXTURE_PLAY:
        return [decode_base64(body.get("audio"))]
    return list(input_events.item_sounds(mapping(body.get("item"))))


def _configured(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    sound.session = {**sound.session, **mapping(body.get("session"))}


def _opened(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    if sound.zero is not None:
        # A second `session.created` is a new connection, whose input clock begins at 0 again.
        sound.zero = sound.turn_start = sound.live_end
    else:
        sound.zero = 0.0
    _configured(sound, event, body)


def _requested(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    sound.requested = {**sound.requested, **mapping(body.get("session"))}


def _sample_rates(sound: SessionSound, event: StoredEvent, body: Json) -> None:
    sound.rates = rates_of_note(body)


_HANDLERS: dict[str, Callable[[SessionSound, StoredEvent, Json], None]] = {
    "session.created": _opened,
    "session.updated": _configured,
    "session.update": _requested,
    SAMPLE_RATES: _sample_rates,
    **input_events.HANDLERS,
    **output_events.HANDLERS,
}
