"""Read cassettes of websockets, as JSON or YAML: `{direction: sent|received, data, at}`.

Tests of pydantic-ai and other recorders like VCR write them, with various names for the same
members: `members.py` lists those that are understood.
"""

from __future__ import annotations

from typing import Any

import pybase64

from eventstore.capture.files.formats.members import (
    first_direction,
    first_time,
    has_wire_type,
    message_key,
    message_of,
)
from eventstore.capture.files.formats.readers import own
from eventstore.capture.files.formats.reading import Reading, ValueFormat
from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import Frame


def looks_like(value: dict[str, Any]) -> bool:
    """Return True if an object is a message of a cassette, and not a line of our own format."""
    has_both = message_key(value) is not None and first_direction(value) is not None
    return has_both and not own.looks_like(value) and not has_wire_type(value)


def read(value: dict[str, Any], text: str | None) -> Reading:
    """Read a message. Other entries of a cassette, such as a close, hold no frame."""
    key, direction = message_key(value), first_direction(value)
    if key is None or direction is None:
        return Reading(None)
    time = first_time(value)
    message: str | bytes = message_of(value, key, text)
    if "base64" in (value.get("bodyEncoding"), value.get("encoding")):
        try:
            message = pybase64.b64decode(message, validate=True)
        except ValueError as error:
            raise InvalidInputError(f"its {key} is no base64") from error
    return Reading(Frame(direction, message, time.at), time.unread)


FORMAT = ValueFormat("cassette", "a cassette of websocket messages", looks_like, read)
