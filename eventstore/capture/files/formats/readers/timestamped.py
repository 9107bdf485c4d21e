"""Read envelopes and events with a `timestamp`, or another time that is not named `at`."""

from __future__ import annotations

from typing import Any

from eventstore.capture.files.formats.members import (
    direction_word,
    first_time,
    has_wire_type,
    message_key,
    message_of,
    time_keys,
)
from eventstore.capture.files.formats.reading import Reading, ValueFormat
from eventstore.realtime.catalogue import direction_of
from eventstore.realtime.frames import STORE, Frame, parse
from eventstore.realtime.recording_lines import StoredPlace
from eventstore.realtime.values import dumps, identifier, integer, mapping

# Members of an event alone that may hold its time; events of the protocol have none of these.
_BARE_KEYS = ("timestamp", "at", "time", "ts", "_timestamp", "_time", "_ts", "@timestamp")


def looks_like(value: dict[str, Any]) -> bool:
    """Return True if an object is an envelope, or an event, with such a time."""
    if _is_envelope(value):
        return value.get("at") is None and any(key != "at" for key in time_keys(value))
    is_bare = isinstance(value.get("type"), str) and "direction" not in value
    return is_bare and any(key in value for key in _BARE_KEYS)


def _is_envelope(value: dict[str, Any]) -> bool:
    direction = value.get("direction")
    is_told = direction == STORE or direction_word(direction) is not None
    return (is_told or not has_wire_type(value)) and _key(value) is not None


def _key(value: dict[str, Any]) -> str | None:
    """Return the key of the message: one of our own keys, or another that holds an event."""
    if isinstance(value.get("frame"), str):
        return "frame"
    if isinstance(value.get("event"), dict):
        return "event"
    key = message_key(value)
    return key if key is not None and "type" in _event(value, key) else None


def _event(value: dict[str, Any], key: str) -> dict[str, Any]:
    message = value.get(key)
    return mapping(parse(message) if isinstance(message, str) else message)


def read(value: dict[str, Any], text: str | None) -> Reading:
    """Read an object. An event alone is kept whole, with its time."""
    if not _is_envelope(value):
        if not isinstance(value.get("type"), str):
            return Reading(None)
        time = first_time({key: value[key] for key in _BARE_KEYS if key in value})
        whole = dumps(value) if text is None else text
        place = StoredPlace(is_sender_told=False)
        return Reading(Frame(direction_of(value), whole, time.at), time.unread, place)
    key = _key(value) or "event"
    word = value.get("direction")
    told = STORE if word == STORE else direction_word(word)
    direction = direction_of(_event(value, key)) if told is None else told
    time = first_time(value)
    place = StoredPlace(
        integer(value.get("seq")),
        identifier(value.get("session_id")),
        is_sender_told=told is not None,
    )
    return Reading(Frame(direction, message_of(value, key, text), time.at), time.unread, place)


FORMAT = ValueFormat("timestamped", "events with a timestamp", looks_like, read)
