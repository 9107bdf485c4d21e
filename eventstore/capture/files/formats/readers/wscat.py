"""Read what wscat and similar clients print: `> ` before what is sent, `< ` if it is received."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from eventstore.capture.files.formats.members import direction_word, read_time
from eventstore.capture.files.formats.reading import Reading
from eventstore.capture.files.formats.text_lines import text_lines, without_colours
from eventstore.realtime.frames import Frame, parse
from eventstore.realtime.json_cursor import MAX_LINE, TOO_LONG
from eventstore.realtime.recording_lines import BadLine

NAME = "wscat"
WHAT = "a log of wscat"

_MESSAGE = re.compile(
    r"\s{0,8}(?:\[?(?P<time>\d[\d:.,TZ+/ -]{4,40}?(?: ?[AP]M)?)\]?\s{1,8})?"
    r"(?P<arrow><<|>>|<-|->|[<>←→↑↓⬆⬇])\s{1,8}(?P<frame>\S.*)",
    re.DOTALL,
)
_LINE_BYTES = 64  # bytes of memory that a line takes besides its text
# What the tools print of themselves.
_OWN_LINES = re.compile(r"(Connected|Disconnected|Connecting|error:|Received p[io]ng|Closed)\b.*")


def looks_like(head: str) -> bool:
    """Return True if one of a text's first lines is a message."""
    found = (_MESSAGE.fullmatch(without_colours(line)) for line in head.splitlines()[:50])
    return any(match is not None and match["frame"].startswith("{") for match in found)


def read(stream: BinaryIO) -> Iterator[tuple[int, Reading | BadLine]]:
    """Yield line number and content of each message.

    A frame may have several lines. Lines that are not part of a frame are left out.
    """
    began: tuple[int, re.Match[str]] | None = None
    more: list[str] = []
    size = 0
    for number, line in text_lines(stream):
        match = None if isinstance(line, BadLine) else _MESSAGE.fullmatch(line)
        if match is None and isinstance(line, str) and not _OWN_LINES.fullmatch(line):
            if began is not None:
                more.append(line)
                size += len(line) + _LINE_BYTES
            if size <= MAX_LINE:
                continue
            line = BadLine(number, TOO_LONG)
        if began is not None:
            yield began[0], _reading(began[1], more)
        began, more, size = (number, match) if match is not None else None, [], 0
        if isinstance(line, BadLine):
            yield number, line
    if began is not None:
        yield began[0], _reading(began[1], more)


def _reading(match: re.Match[str], more: list[str]) -> Reading:
    text = match["frame"].rstrip()
    if more and parse(text) is None:
        whole = "\n".join((match["frame"], *more))
        with suppress(ValueError, RecursionError):
            text = whole[: json.JSONDecoder().raw_decode(whole)[1]]
    direction = direction_word(match["arrow"])
    if direction is None:
        return Reading(None)
    time = read_time(match["time"])
    return Reading(Frame(direction, text, time.at), time.unread)
