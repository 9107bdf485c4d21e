"""Unfold entries of a file that are whole connections, each with a list of its messages.

Cassettes of opencode's http-recorder and of Ruby's simple-websocket-vcr have this form.
`recording_file.py` calls it for every file of objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from eventstore.capture.files.formats.members import first_direction, message_key
from eventstore.capture.files.formats.offsets import start_in
from eventstore.realtime.recording_lines import BadLine

_LIST_NAMES = ("events", "messages", "frames", "interactions")


class FileEntry(NamedTuple):
    """One entry of a file.

    Attributes:
        number: Its place in the file.
        value: Its object, or what is wrong with it.
        text: The object's text, if the file has one for it alone.
        begins: True for the first message of a connection, False for its other messages. None in
            files whose connections are recognized by their events.
        started_at: When its connection started, if the file says so.
    """

    number: int
    value: Any
    text: str | None
    begins: bool | None = None
    started_at: int | None = None


def messages_of(entries: Iterable[FileEntry]) -> Iterator[FileEntry]:
    """Yield the entries of a file; an entry that is a connection is replaced by its messages."""
    for entry in entries:
        inner = _list_of(entry.value)
        if inner is None:
            is_read = isinstance(entry.value, dict | BadLine)
            yield entry if is_read else entry._replace(value=_no_object(entry.number))
            continue
        started_at = start_in(entry.value) if isinstance(entry.value, dict) else None
        for place, value in enumerate(inner):
            message = value if isinstance(value, dict) else _no_object(entry.number)
            yield FileEntry(entry.number, message, None, place == 0, started_at)


def _list_of(value: Any) -> list[Any] | None:
    """Return the messages of an entry that is a connection, else None."""
    if isinstance(value, list):
        return value if _holds_messages(value) else None
    if not isinstance(value, dict) or first_direction(value) is not None:
        return None
    return next((value[key] for key in _LIST_NAMES if _holds_messages(value.get(key))), None)


def _holds_messages(value: Any) -> bool:
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    return first_direction(value[0]) is not None and message_key(value[0]) is not None


def _no_object(number: int) -> BadLine:
    return BadLine(number, "not a JSON object")
