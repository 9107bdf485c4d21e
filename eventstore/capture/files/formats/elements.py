"""Find the JSON objects in a file: on lines, in an array, one after the other, or in a list of one
object.

`recording_file.py` calls it. Each object comes as its number and its text, as
`recording_lines.json_lines` yields them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO

from eventstore.capture.files.formats.members import MESSAGE_KEYS
from eventstore.realtime.json_cursor import BrokenJsonError, JsonCursor
from eventstore.realtime.recording_lines import (
    BadLine,
    array_elements,
    as_bytes,
    broken,
    first_byte,
    json_lines,
)

Elements = Iterator[tuple[int, bytes | BadLine]]
Layout = Callable[[BinaryIO], Elements]

#: If a file is one JSON object, its messages are in one of these members.
_LIST_NAMES = (
    *("interactions", "recorded_interactions", "websocket_interactions", "websocket_messages"),
    *("messages", "events", "frames", "runs", "logs", "log", "loggedEvents", "realtimeEvents"),
    *("records", "entries"),
)
# An object with one of these members is itself a message, whatever lists it holds.
_MESSAGE_MEMBERS = frozenset(
    {"type", "direction", "source", "run_type", "eventName", *MESSAGE_KEYS}
)


def from_start(stream: BinaryIO) -> bytes:
    """Go to the start of a file, skip a byte order mark, and return the first byte that is not a
    space.
    """
    stream.seek(0)
    return first_byte(stream)


def is_har(stream: BinaryIO) -> bool:
    """Return True if a file is one object that begins as HAR files do."""
    for name, sign in _members(stream):
        if (name, sign) in (("log", "{"), ("_webSocketMessages", "[")):
            return True
        if name in _MESSAGE_MEMBERS or name in _LIST_NAMES:
            return False
    return False


def layout_of(stream: BinaryIO) -> Layout:
    """Return how the objects of a file are arranged; the file begins with `{` or `[`."""
    if from_start(stream) == b"[":
        return array_elements
    if (name := _list_name(stream)) is not None:
        return partial(_listed, name=name)
    from_start(stream)
    return json_lines if _first_line_is_whole(stream) or not _has_value(stream) else _values


def _list_name(stream: BinaryIO) -> str | None:
    """Return the name of the list of messages, if the file is one object that has one."""
    for name, sign in _members(stream):
        if name in _LIST_NAMES and sign == "[":
            return name
        if name in _MESSAGE_MEMBERS:
            return None
    return None


def _members(stream: BinaryIO) -> Iterator[tuple[str, str]]:
    """Yield the members of a file that is one object: the name, and the value's first byte."""
    from_start(stream)
    cursor = JsonCursor(stream)
    with suppress(BrokenJsonError):
        for name in cursor.members():
            yield name, cursor.peek()
            cursor.value()


def _first_line_is_whole(stream: BinaryIO) -> bool:
    for _, line in json_lines(stream):
        if isinstance(line, BadLine):
            return False
        if line.strip():
            cursor = JsonCursor(BytesIO(line))
            try:
                cursor.value()
            except BrokenJsonError:
                return False
            return not cursor.peek()
    return False


def _has_value(stream: BinaryIO) -> bool:
    from_start(stream)
    try:
        value, _ = JsonCursor(stream).value()
    except BrokenJsonError:
        return False
    return isinstance(value, dict)


def _values(stream: BinaryIO) -> Elements:
    """Yield objects one after the other, each on any number of lines."""
    cursor, number = JsonCursor(stream), 0
    while cursor.peek():
        number += 1
        try:
            _, text = cursor.value()
        except BrokenJsonError as error:
            yield number, broken(number, error)
            return
        yield number, as_bytes(text)
        cursor.take(",")


def beside_list(stream: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each member of a file's object, except its list of messages."""
    if first_byte(stream) != b"{" or _list_name(stream) is None:
        return
    from_start(stream)
    cursor = JsonCursor(stream)
    with suppress(BrokenJsonError):
        for name in cursor.members():
            if cursor.peek() != "[":
                yield name, cursor.value()[0]
                continue
            for _ in cursor.items():
                cursor.value()


def _listed(stream: BinaryIO, name: str) -> Elements:
    """Yield the elements of one member of the file's object."""
    cursor, number = JsonCursor(stream), 0
    try:
        for key in cursor.members():
            if key != name or cursor.peek() != "[":
                cursor.value()
                continue
            for number in cursor.items():
                _, text = cursor.value()
                yield number, as_bytes(text)
    except BrokenJsonError as error:
        yield number + 1, broken(number + 1, error)
