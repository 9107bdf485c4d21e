"""Read and write recordings as JSON lines: bare events, or envelopes with direction and time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

import orjson
import pybase64

from eventstore.common.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.catalogue import direction_of
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import DIRECTIONS, Frame
from eventstore.realtime.json_cursor import MAX_LINE, TOO_LONG, BrokenJsonError, JsonCursor
from eventstore.realtime.text.object_text import member_text
from eventstore.realtime.values import dumps, identifier, integer, is_deeper
from eventstore.times import RelativeTimeError, parse_arrival, to_iso

_PIECE = 1 << 16
#: How deep a line may be nested. Parsers give up at about a thousand levels, some at fewer the
#: deeper they are called; within this limit, none does.
MAX_LINE_DEPTH = 500
_TOO_DEEP = (
    f"nested too deeply, in more than {MAX_LINE_DEPTH} levels: give such an event as the text of"
    " an envelope's frame"
)
# What an exported line has beside its frame, and the members of which one holds that.
_EXPORTED = {"seq", "at", "direction"}
_FRAME_MEMBERS = ("frame", "frame_base64", "frame_utf8_base64")
BOM = b"\xef\xbb\xbf"
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class BadLine(NamedTuple):
    """A line that cannot be read, and why."""

    number: int
    reason: str


def read_frames(stream: BinaryIO) -> Iterator[tuple[int, Frame | BadLine]]:
    """Line numbers and frames of a recording, or what is wrong with a line.

    Read are one JSON object a line, and one JSON array of them. An object is an envelope where
    it has a `direction`, or an `event` or `frame` and no `type`; else it is a bare event, and
    its direction follows from its type.
    """
    return ((number, frame) for number, frame, _ in read_numbered(stream))


class StoredPlace(NamedTuple):
    """Where a line says that its frame was stored.

    Attributes:
        seq: its number in the session; other tools than the store number their lines, too.
        session_id: the id under which it was stored.
        is_exported: whether the line is exactly as a store exports it.
    """

    seq: int | None = None
    session_id: str | None = None
    is_exported: bool = False


def read_numbered(stream: BinaryIO) -> Iterator[tuple[int, Frame | BadLine, StoredPlace]]:
    """`read_frames`, each with its place in the store that it comes from."""
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
    """The first byte that says something; the stream stands at its start, behind any mark."""
    start = len(BOM) if stream.read(len(BOM)) == BOM else 0
    stream.seek(start)
    found = b""
    while not found and (piece := stream.read(_PIECE)):
        found = piece.lstrip()
    stream.seek(start)
    return found[:1]


def json_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | BadLine]]:
    """Yield lines by their numbers; one that is too long is passed over without being held."""
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
    """Yield the elements of one JSON array, each as its own text; read in pieces.

    What is wrong between or behind elements comes as an element that cannot be read.
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
    """Return the line that stands for a value that is no JSON, and for all behind it."""
    return BadLine(number, f"{error}; what follows it cannot be read")


def as_bytes(text: str) -> bytes:
    """Return the bytes of a text that a `JsonCursor` has read."""
    return text.encode("utf-8", "surrogateescape")


def _frame(text: bytes) -> tuple[Frame, StoredPlace]:
    return frame_of(parse_object(text), text)


def parse_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object that a line, or an element of an array, is.

    Raises:
        InvalidInputError: it is none, or it is nested too deeply.
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
    """Return the frame of a bare event or of an envelope, and where it was stored.

    Args:
        value: the object.
        text: its text in the file.

    Raises:
        InvalidInputError: it is neither, or its time or its direction is none.
    """
    if "direction" in value or ("type" not in value and ("event" in value or "frame" in value)):
        seq, session_id = integer(value.get("seq")), identifier(value.get("session_id"))
        frame = _from_envelope(value, text)
        return frame, StoredPlace(
            seq, session_id, seq is not None and _is_exported(value, frame.at)
        )
    if not isinstance(value.get("type"), str):
        raise InvalidInputError(
            "neither an event with a type nor an envelope with a direction"
            f" (its members: {brief(list(value)[:6])})"
        )
    return Frame(direction_of(value), _decoded(text), None), StoredPlace()


def _loads_slowly(text: bytes) -> Any:
    # Lone surrogates, NaN and the like: the strict reader refuses what real streams hold.
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
    """Return the text of an envelope's event, as it stands in the line."""
    return member_text(line.decode("utf-8"), "event", event)


def _is_exported(value: dict[str, Any], at: int | None) -> bool:
    """Return True if an envelope has just the members that `envelope` writes, and such a time."""
    frames = value.keys() - _EXPORTED - {"session_id"}
    is_ours = value.keys() >= _EXPORTED and len(frames) == 1 and frames.pop() in _FRAME_MEMBERS
    return is_ours and value["at"] == to_iso(at)


def envelope_line(event: StoredEvent, session_id: str | None = None) -> bytes:
    """One event of the log as a line of JSON: its `envelope`."""
    return dumps(envelope(event, session_id)).encode() + b"\n"


def envelope(event: StoredEvent, session_id: str | None = None) -> dict[str, Any]:
    """Return an event of the log with its `seq`, `at`, `direction` and `frame`.

    The envelope has a `session_id` as well where one is given.

    A binary message is written as `frame_base64`, and as `frame_utf8_base64` a text with two halves
    of a character side by side, which JSON would join.
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
