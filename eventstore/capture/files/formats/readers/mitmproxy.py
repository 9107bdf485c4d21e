"""Read what `mitmdump --flow-detail 4` prints of websockets: a line for each message, and its text.

Its first lines say where it listens and who connects, each with a time of day in brackets. The
messages have no times. mitmdump's HAR files have them, and `har.py` reads these.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from eventstore.capture.files.formats.members import direction_word, read_time
from eventstore.capture.files.formats.mixed_connections import FileMessage
from eventstore.capture.files.formats.reading import Reading
from eventstore.capture.files.formats.text_lines import text_lines, without_colours
from eventstore.realtime.frames import Frame
from eventstore.realtime.json_cursor import MAX_LINE, TOO_LONG
from eventstore.realtime.recording_lines import BadLine

NAME = "mitmproxy"
WHAT = "a log of mitmdump"
NOTHING = (
    "it is a log of mitmdump without the texts of a Realtime websocket's messages: let mitmdump"
    " write them into a HAR file, which has their times as well (--set hardump=FILE.har; of a saved"
    " flow file: mitmdump -nr FLOWS --set hardump=FILE.har), or print them with --flow-detail 4 and"
    " without -v, which takes them out again"
)
HINT = (
    "a log of mitmdump has neither times nor binary messages; a HAR file has both: mitmdump --set"
    " hardump=FILE.har, or of a saved flow file mitmdump -nr FLOWS --set hardump=FILE.har"
)

_MESSAGE = re.compile(
    r"\s{0,8}(?:\[(?P<time>[^\]]{1,40})\]\s{1,8})?(?P<client>\S{1,100})\s(?P<arrow>->|<-)"
    r"\sWebSocket\s(?P<kind>\w{1,20})\smessage\s(?:->|<-)\s(?P<server>\S.*)"
)
# What mitmdump says of itself on its first lines.
_OWN_LINES = re.compile(
    r"\[\d\d:\d\d:\d\d\.\d{3}\](\[[^\]]{1,100}\] client connect| .{0,200} listening at .*)"
)
_INDENT = "    "
_LINE_BYTES = 64  # bytes of memory that a line takes besides its text
_CUT_OFF = "(cut off)"


def looks_like(head: str) -> bool:
    """Return True if one of a text's first lines is a websocket message."""
    return any(_MESSAGE.fullmatch(without_colours(line)) for line in head.splitlines())


def is_mitmdump_log(head: str) -> bool:
    """Return True if a text begins with what mitmdump prints when it is started."""
    return any(_OWN_LINES.fullmatch(without_colours(line)) for line in head.splitlines()[:5])


def messages(stream: BinaryIO) -> Iterator[FileMessage]:
    """Yield the messages of every websocket in the log; other lines are left out."""
    began: tuple[int, re.Match[str]] | None = None
    body: list[str] = []
    size = 0
    for number, line in text_lines(stream):
        match = None if isinstance(line, BadLine) else _MESSAGE.fullmatch(line)
        is_body = isinstance(line, str) and (line.startswith(_INDENT) or not line.strip())
        if match is None and is_body and isinstance(line, str):
            if began is not None:
                body.append(line[len(_INDENT) :])
                size += len(line) + _LINE_BYTES
            if size <= MAX_LINE:
                continue
            line = BadLine(number, TOO_LONG)
        if began is not None:
            yield _message(*began, body)
        began, body, size = (number, match) if match is not None else None, [], 0
        if isinstance(line, BadLine):
            yield FileMessage("", number, line)
    if began is not None:
        yield _message(*began, body)


def _message(number: int, match: re.Match[str], body: list[str]) -> FileMessage:
    server = match["server"].split("?")[0][:200]  # a query may hold keys
    return FileMessage(f"{match['client']} {server}", number, _read(number, match, body), server)


def _read(number: int, match: re.Match[str], body: list[str]) -> Reading | BadLine:
    text = "\n".join(body).strip()
    if text.endswith(_CUT_OFF):
        return BadLine(
            number, "a message that is cut off; mitmdump --flow-detail 4 prints it whole"
        )
    direction = direction_word(match["arrow"])
    if direction is None or match["kind"] != "text" or not text:
        return Reading(None)
    time = read_time(match["time"])
    return Reading(Frame(direction, text, time.at), time.unread)
