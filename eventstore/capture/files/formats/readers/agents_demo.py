"""Read the event log of OpenAI's realtime-agents demo: `{direction, eventName, eventData}`."""

from __future__ import annotations

from typing import Any

from eventstore.capture.files.formats.members import direction_word, first_time, message_of
from eventstore.capture.files.formats.reading import Reading, ValueFormat
from eventstore.realtime.catalogue import direction_of
from eventstore.realtime.frames import Frame
from eventstore.realtime.recording_lines import StoredPlace


def looks_like(value: dict[str, Any]) -> bool:
    """Return True if an object is an entry of the demo's log."""
    return "eventName" in value and "eventData" in value


def read(value: dict[str, Any], text: str | None) -> Reading:
    """Read an entry. Steps of the demo itself, which it logs too, hold no frame."""
    event = value.get("eventData")
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        return Reading(None)
    time = first_time(value)
    told = direction_word(value.get("direction"))
    frame = Frame(told or direction_of(event), message_of(value, "eventData", text), time.at)
    return Reading(frame, time.unread, StoredPlace(is_sender_told=told is not None))


FORMAT = ValueFormat("agents-demo", "a log of OpenAI's realtime-agents demo", looks_like, read)
