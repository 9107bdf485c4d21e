"""Read a browser's list of websocket messages: `{type: send|receive, time, opcode, data}`.

`har.py` reads the messages of whole HAR files by it.
"""

from __future__ import annotations

from typing import Any

import pybase64

from eventstore.capture.files.formats.members import direction_word, read_time
from eventstore.capture.files.formats.reading import Reading, ValueFormat
from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import Frame

_TEXT, _BINARY = 1, 2


def looks_like(value: dict[str, Any]) -> bool:
    """Return True if an object is a message as HAR files have them."""
    return value.get("type") in ("send", "receive") and isinstance(value.get("data"), str)


def read(value: dict[str, Any], text: str | None = None) -> Reading:
    """Read a message. Pings, pongs, closes and errors hold no frame.

    Raises:
        InvalidInputError: If a message has no data, or a binary one is not base64.
    """
    direction = direction_word(value.get("type"))
    opcode = value.get("opcode", _TEXT)
    if direction is None or opcode not in (_TEXT, _BINARY):
        return Reading(None)
    data = value.get("data")
    if not isinstance(data, str):
        raise InvalidInputError("a message without data; export the HAR with content")
    time = read_time(value.get("time"))
    if opcode == _TEXT:
        return Reading(Frame(direction, data, time.at), time.unread)
    try:
        return Reading(
            Frame(direction, pybase64.b64decode(data, validate=True), time.at), time.unread
        )
    except ValueError as error:
        raise InvalidInputError("a binary message that is no base64") from error


FORMAT = ValueFormat("har-messages", "a browser's websocket messages", looks_like, read)
