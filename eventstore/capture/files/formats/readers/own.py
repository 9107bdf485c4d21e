"""Read our own JSON lines: bare events; envelopes with `direction`, `at`, `event` or `frame`."""

from __future__ import annotations

from typing import Any

from eventstore.capture.files.formats.reading import Reading, ValueFormat
from eventstore.errors import InvalidInputError
from eventstore.realtime.catalogue import is_known
from eventstore.realtime.frames import DIRECTIONS
from eventstore.realtime.recording_lines import frame_of
from eventstore.realtime.values import dumps


def looks_like(value: dict[str, Any]) -> bool:
    """Return True if an object is an envelope, or a bare event of a known type."""
    if value.get("direction") in DIRECTIONS:
        return isinstance(value.get("event"), dict) or isinstance(value.get("frame"), str)
    type_ = value.get("type")
    return "direction" not in value and isinstance(type_, str) and is_known(type_)


def read(value: dict[str, Any], text: str | None) -> Reading:
    """Read an object. A bad time is an error, not a warning: see `recording_lines.frame_of`."""
    try:
        line = dumps(value) if text is None else text
        frame, place = frame_of(value, line.encode("utf-8", "surrogateescape"))
    except (TypeError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidInputError("it cannot be written as JSON") from error
    return Reading(frame, place=place)


FORMAT = ValueFormat("jsonl", "JSON lines", looks_like, read)
