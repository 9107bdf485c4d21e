"""Read events of the OpenAI Agents SDK, which wrap the server's: `raw_model_event` and others."""

from __future__ import annotations

from typing import Any

from eventstore.capture.files.formats.members import first_time, has_wire_type, message_of
from eventstore.capture.files.formats.reading import Reading, ValueFormat
from eventstore.errors import InvalidInputError
from eventstore.realtime.catalogue import direction_of
from eventstore.realtime.frames import CLIENT, Frame, parse
from eventstore.realtime.recording_lines import StoredPlace
from eventstore.realtime.text.object_text import member_text

_WRAPPERS = ("raw_model_event", "raw_server_event", "raw_client_event", "transport_event")
_INNER_KEYS = ("data", "event")


def looks_like(value: dict[str, Any]) -> bool:
    """Return True if an object wraps an event of the Realtime protocol."""
    return value.get("type") in _WRAPPERS and _inner_key(value) is not None


def _inner_key(value: dict[str, Any]) -> str | None:
    return next((key for key in _INNER_KEYS if isinstance(value.get(key), dict | str)), None)


def read(value: dict[str, Any], text: str | None) -> Reading:
    """Read an event of the SDK. An event that the SDK made from the server's holds no frame."""
    time, client = first_time(value), False
    for _ in _WRAPPERS:
        key = _inner_key(value)
        if value.get("type") not in _WRAPPERS or key is None:
            return Reading(None)
        client = client or value["type"] == "raw_client_event"
        inner = value[key]
        event = parse(inner) if isinstance(inner, str) else inner
        if event is None:
            raise InvalidInputError(f"its {key} is no event")
        if event.get("type") not in _WRAPPERS:
            if not _is_wire_event(event, value["type"]):
                return Reading(None)
            direction = CLIENT if client else direction_of(event)
            frame = Frame(direction, message_of(value, key, text), time.at)
            return Reading(frame, time.unread, StoredPlace(is_sender_told=client))
        if text is not None:
            text = inner if isinstance(inner, str) else member_text(text, key, inner)
        value = event
    return Reading(None)


def _is_wire_event(event: dict[str, Any], wrapper: str) -> bool:
    """Return False for an event that the SDK made, such as `audio` or `turn_ended`."""
    if wrapper == "raw_model_event":
        return has_wire_type(event)
    return isinstance(event.get("type"), str)


FORMAT = ValueFormat("agents-sdk", "events of the OpenAI Agents SDK", looks_like, read)
