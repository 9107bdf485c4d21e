"""Read and write recordings as lines of JSON: bare events, or envelopes with direction and time.

Called by import, by export, and by the readers of other tools' files. docs/import-and-export.md
describes the format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson
import pybase64

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.catalogue import direction_of
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import DIRECTIONS, Frame
from eventstore.realtime.json_cursor import MAX_LINE, TOO_LONG, BrokenJsonError, JsonCursor
from eventstore.realtime.text.object_text import member_text
from eventstore.realtime.values import dumps, identifier, integer, is_deeper
from eventstore.times import RelativeTimeError, parse_arrival, to_iso

_PIECE = 1 << 16
#: How deep a line may be nested. Parsers fail at about a thousand levels, or at fewer if they are
#: called from deep inside a program. No parser fails within this limit.
MAX_LINE_DEPTH = 500
_TOO_DEEP = (
    f"nested too deeply, in more than {MAX_LINE_DEPTH} levels: give such an event as the text of"
    " an envelope's frame"
)
# The members that an exported line has beside its frame, and the members that can have the frame.
_EXPORTED = {"seq", "at", "direction"}
_FRAME_MEMBERS = ("frame", "frame_base64", "frame_utf8_base64")
BOM = b"\xef\xbb\xbf"
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class BadLine(NamedTuple):
    """A line that cannot be read.

    Attributes:
        number: The number of the line, or of the element of an array, from 1.
        reason: Why it cannot be read.
    """

    number: int
    reason: str


def read_frames(stream: BinaryIO) -> Iterator[tuple[int, Frame | BadLine]]:
    """Return an iterator of a recording's line numbers, each with its frame or a `BadLine`.

    A recording has one JSON object in each line, or is one JSON array of objects. An object is an
    envelope if it has a `direction`, or if it has an `event` or a `frame` and no `type`. Any other
    object is a bare event, whose direction follows from its type.

    Example:
        These two lines are the same event, as a bare event and in an envelope:

        {"type": "response.create"}
        {"direction": "client", "event": {"type": "response.create"}}
    """
    return ((number, frame) for number, frame, _ in read_numbered(stream))


class StoredPlace(NamedTuple):
    """What a line says beside its frame: its place in a store, and whether it says the sender.

    Attributes:
        seq: The line's `seq`, or None. Other tools number their lines, too.
        session_id: The line's `session_id`, or None.
        is_exported: True if the line has exactly the members that a store exports.
        is_sender_told: False if the line does not say who sent the frame. Then its direction
            follows from the frame's type.
    """

    seq: int | None = None
    session_id: str | None = None
    is_exported: bool = False
    is_sender_told: bool = True


def read_numbered(stream: BinaryIO) -> Iterator[tuple[int, Frame | BadLine, StoredPlace]]:
    """Yield line numbers and frames as `read_frames` does, each with its `StoredPlace`."""
    first = first_byte(stream)
    for number, line in array_elements(stream) if first == b"[" else json_lines(stream):
        if isinstance(line, BadLine):
            yield number, line, StoredPlace()
            continue
        text = line.strip()
        if number == 1:
            text = text.removeprefix(BOM)
        if not text:
            continue
        try:
            yield number, *_frame(text)
        except InvalidInputError as error:
            yield number, BadLine(number, str(error)), StoredPlace()


def first_byte(stream: BinaryIO) -> bytes:
    """Return the first byte that is no space, and set the stream to its start, behind any BOM."""
    start = len(BOM) if stream.read(len(BOM)) == BOM else 0
    stream.seek(start)
    found = b""
    while not found and (piece := stream.read(_PIECE)):
        found = piece.lstrip()
    stream.seek(start)
    return found[:1]


def json_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | BadLine]]:
    """Yield the number and the text of each line. A line that is too long is a `BadLine`.

    The rest of a line that is too long is skipped in pieces, so that it never fills the memory.
    """
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) <= MAX_LINE or line.endswith(b"\n"):
            yield number, line
            continue
        yield number, BadLine(number, TOO_LONG)
        while not line.endswith(b"\n") and (line := stream.readline(_PIECE)):
            pass


def array_elements(stream: BinaryIO) -> Iterator[tuple[int, bytes | BadLine]]:
    """Yield the number and the text of each element of one JSON array, read in pieces.

    An error between or behind the elements is yielded as an element that cannot be read.
    """
    cursor, number = JsonCursor(stream), 0
    cursor.take("[")
    while True:
        no_comma = number > 0 and not cursor.take(",")
        if (no_comma or number == 0) and cursor.take("]"):
            if rest := cursor.ahead():
                yield number + 1, b"behind the array: " + as_bytes(rest)
            return
        number += 1
        if not cursor.peek():
            yield number, b"the array has no end"
            return
        try:
            _, text = cursor.value()
        except BrokenJsonError as error:
            yield number, broken(number, error)
            return
        yield number, as_bytes(f"no comma before: {text}" if no_comma else text)


def broken(number: int, error: BrokenJsonError) -> BadLine:
    """Return the `BadLine` for a value that is no JSON, and for everything behind it."""
    return BadLine(number, f"{error}; what follows it cannot be read")


def as_bytes(text: str) -> bytes:
    """Return the bytes of a text that a `JsonCursor` has read."""
    return text.encode("utf-8", "surrogateescape")


def _frame(text: bytes) -> tuple[Frame, StoredPlace]:
    return frame_of(parse_object(text), text)


def parse_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a line, or of an element of an array.

    Raises:
        InvalidInputError: The text is no JSON object, or it is nested too deeply.
    """
    try:
        value = orjson.loads(text)
    except ValueError:
        value = _loads_slowly(text)
    if not isinstance(value, dict):
        raise InvalidInputError("not a JSON object")
    if text.count(b"{") + text.count(b"[") > MAX_LINE_DEPTH and is_deeper(value, MAX_LINE_DEPTH):
        raise InvalidInputError(_TOO_DEEP)
    return value


def frame_of(value: dict[str, Any], text: bytes) -> tuple[Frame, StoredPlace]:
    """Return the frame of a bare event or of an envelope, and its `StoredPlace`.

    Args:
        value: The object.
        text: The object's text in the file.

    Raises:
        InvalidInputError: The object is neither, or its time or its direction is wrong.
    """
    if "direction" in value or ("type" not in value and ("event" in value or "frame" in value)):
        seq, session_id = integer(value.get("seq")), identifier(value.get("session_id"))
        frame = _from_envelope(value, text)
        is_exported = seq is not None and _is_exported(value, frame.at)
        return frame, StoredPlace(seq, session_id, is_exported, "direction" in value)
    if not isinstance(value.get("type"), str):
        raise InvalidInputError(
            "neither an event with a type nor an envelope with a direction"
            f" (its members: {brief(list(value)[:6])})"
        )
    return Frame(direction_of(value), _decoded(text), None), StoredPlace(is_sender_told=False)


def _loads_slowly(text: bytes) -> Any:
    # orjson refuses lone surrogates and NaN, which real recordings have.
    try:
        return json.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"not UTF-8 text ({error.reason})") from error
    except RecursionError as error:
        raise InvalidInputError(_TOO_DEEP) from error
    except ValueError as error:
        raise InvalidInputError(f"not JSON ({error})") from error


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"not UTF-8 text ({error.reason})") from error


def _from_envelope(value: dict[str, Any], text: bytes) -> Frame:
    event = value.get("event")
    direction = value.get("direction", direction_of(event if isinstance(event, dict) else None))
    if direction not in DIRECTIONS:
        raise InvalidInputError(f"direction {brief(direction)}: use client, server or store")
    try:
        at = parse_arrival(value.get("at"))
    except RelativeTimeError as error:
        raise InvalidInputError(f"at {brief(value.get('at'))}: {error}") from error
    except ValueError as error:
        advice = "use ISO 8601 or epoch seconds"
        raise InvalidInputError(f"at {brief(value.get('at'))}: {advice}") from error
    frame = value.get("frame")
    if isinstance(frame, str):
        return Frame(direction, frame, at)
    if isinstance(value.get("frame_base64"), str):
        try:
            return Frame(direction, pybase64.b64decode(value["frame_base64"], validate=True), at)
        except ValueError as error:
            raise InvalidInputError("frame_base64 is no base64") from error
    if isinstance(value.get("frame_utf8_base64"), str):
        try:
            raw = pybase64.b64decode(value["frame_utf8_base64"], validate=True)
            return Frame(direction, raw.decode("utf-8", "surrogatepass"), at)
        except ValueError as error:
            raise InvalidInputError("frame_utf8_base64 is no base64 of text") from error
    if isinstance(event, dict):
        return Frame(direction, event_text(text, event), at)
    raise InvalidInputError("an envelope needs an event (an object) or a frame (a text)")


def event_text(line: bytes, event: dict[str, Any]) -> str:
    """Return the text of an envelope's event exactly as the line has it."""
    return member_text(line.decode("utf-8"), "event", event)


def _is_exported(value: dict[str, Any], at: int | None) -> bool:
    """Return True if an envelope has exactly the members and the form of time of `envelope`."""
    frames = value.keys() - _EXPORTED - {"session_id"}
    is_ours = value.keys() >= _EXPORTED and len(frames) == 1 and frames.pop() in _FRAME_MEMBERS
    return is_ours and value["at"] == to_iso(at)


def envelope_line(event: StoredEvent, session_id: str | None = None) -> bytes:
    """Return one event of the log as a line of JSON (see `envelope`)."""
    return dumps(envelope(event, session_id)).encode() + b"\n"


def envelope(event: StoredEvent, session_id: str | None = None) -> dict[str, Any]:
    """Return the envelope of an event of the log, as export writes it.

    Args:
        event: The event.
        session_id: The session's id, to be written as well; None to leave it out.

    Returns:
        An object with `seq`, `at`, `direction`, and one of these: `frame` (the text),
        `frame_base64` (a binary message), or `frame_utf8_base64` (a text with two surrogates side
        by side, which JSON would join to one character).
    """
    made: dict[str, Any] = {
        "seq": event.seq,
        "at": to_iso(event.at),
        "direction": event.direction,
    }
    if session_id is not None:
        made["session_id"] = session_id
    if isinstance(event.text, bytes):
        made["frame_base64"] = pybase64.b64encode_as_string(event.text)
    elif not event.text.isascii() and _HALVES.search(event.text):
        raw = event.text.encode("utf-8", "surrogatepass")
        made["frame_utf8_base64"] = pybase64.b64encode_as_string(raw)
    else:
        made["frame"] = event.text
    return made
