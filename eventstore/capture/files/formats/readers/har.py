"""Read HAR files of Chrome, Playwright and proxies: the `_webSocketMessages` of each websocket.

Firefox writes a websocket's URL into its HAR files, and none of its messages. The request of a
websocket may be written after its messages, so the connections are sorted first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from eventstore.capture.files.formats.mixed_connections import FileMessage
from eventstore.capture.files.formats.readers import har_message
from eventstore.capture.files.formats.reading import Reading
from eventstore.errors import InvalidInputError
from eventstore.realtime.json_cursor import BrokenJsonError, JsonCursor
from eventstore.realtime.recording_lines import BadLine, broken, first_byte
from eventstore.realtime.values import mapping

NAME = "har"
WHAT = "a HAR file"
NOTHING = (
    "it is a HAR file without messages of a Realtime websocket: open the browser's network panel"
    " before the call, and export with content; a call by WebRTC sends none of its events there"
)
_NO_MESSAGES = (
    "it is a HAR file that names a websocket ({address}), and has none of its messages: Firefox"
    " never writes them; export the HAR from Chrome, or by mitmdump --set hardump=FILE.har, or"
    " record calls with: eventstore record"
)


def messages(stream: BinaryIO) -> Iterator[FileMessage]:
    """Yield the messages of every websocket in the file, and the name of each websocket.

    Raises:
        InvalidInputError: If there are websockets, but none has a message.
    """
    first_byte(stream)
    reader = _HarReader(JsonCursor(stream))
    try:
        yield from reader.object()
    except BrokenJsonError as error:
        number = reader.number + 1
        yield FileMessage("", number, broken(number, error))
        return
    if reader.silent and not reader.number:
        raise InvalidInputError(_NO_MESSAGES.format(address=reader.silent))


class _HarReader:
    """Goes through a HAR file: its log, the log's entries, and the messages and URL of each entry.

    Attributes:
        number: How many messages came so far.
        silent: The URL of the first websocket without a message; empty if there is none.
    """

    def __init__(self, cursor: JsonCursor) -> None:
        self.number, self._entry, self._cursor = 0, 0, cursor
        self.silent = ""

    def object(self, level: int = 0) -> Iterator[FileMessage]:
        """Yield the messages in the next object: the file (level 0), its log (1), an entry (2)."""
        cursor, entry, before = self._cursor, str(self._entry), self.number
        address, is_told = "", False
        for name in cursor.members():
            sign = cursor.peek()
            if name == "log" and sign == "{" and level == 0:
                yield from self.object(1)
            elif name == "entries" and sign == "[" and level < 2:
                yield from self._entries()
            elif name == "_webSocketMessages" and sign == "[":
                is_told = True
                yield from self._messages(entry)
            elif name == "request" and sign == "{":
                address = _address(cursor.value()[0])
            else:
                cursor.value()
        if level == 2 and self.number > before:
            yield FileMessage(entry, self.number, None, label=address)
        elif address.startswith(("ws:", "wss:")) and not is_told:
            self.silent = self.silent or address

    def _entries(self) -> Iterator[FileMessage]:
        for _ in self._cursor.items():
            self._entry += 1
            if self._cursor.peek() == "{":
                yield from self.object(2)
            else:
                self._cursor.value()

    def _messages(self, entry: str) -> Iterator[FileMessage]:
        for _ in self._cursor.items():
            value, _ = self._cursor.value()
            self.number += 1
            yield FileMessage(entry, self.number, _read(value, self.number))


def _read(value: Any, number: int) -> Reading | BadLine:
    try:
        return har_message.read(mapping(value))
    except InvalidInputError as error:
        return BadLine(number, str(error))


def _address(request: Any) -> str:
    """Return the URL of a request without its query, which may hold keys."""
    url = mapping(request).get("url")
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        return f"{parts.scheme}://{parts.hostname}{parts.path}"[:200] if parts.hostname else ""
    except ValueError:
        return ""
