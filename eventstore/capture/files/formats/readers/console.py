"""Read the log of OpenAI's realtime console and of its copies: `{time, source, event}`."""

from __future__ import annotations

from typing import Any

from eventstore.capture.files.formats.members import (
    direction_word,
    first_time,
    has_wire_type,
    message_of,
)
from eventstore.capture.files.formats.reading import Reading, ValueFormat
from eventstore.realtime.frames import Frame
from eventstore.realtime.values import integer


def looks_like(value: dict[str, Any]) -> bool:
    """Return True if an object is an entry of the console's log."""
    if direction_word(value.get("source")) is None or "direction" in value:
        return False
    return isinstance(value.get("event"), dict) and not has_wire_type(value)


def read(value: dict[str, Any], text: str | None) -> Reading:
    """Read an entry. The console writes consecutive events of one type once, with their `count`."""
    direction = direction_word(value.get("source"))
    event = value.get("event")
    if direction is None or not isinstance(event, dict) or not isinstance(event.get("type"), str):
        return Reading(None)
    time = first_time(value)
    count = integer(value.get("count")) or 1
    frame = Frame(direction, message_of(value, "event", text), time.at)
    return Reading(frame, time.unread, repeats=max(0, count - 1))


FORMAT = ValueFormat("console", "a log of OpenAI's realtime console", looks_like, read)
