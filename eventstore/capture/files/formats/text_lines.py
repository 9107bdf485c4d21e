"""Read the lines of a text file for readers of logs: decoded, without terminal colours, bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from eventstore.realtime.recording_lines import BadLine, first_byte, json_lines

_COLOUR = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")


def text_lines(stream: BinaryIO) -> Iterator[tuple[int, str | BadLine]]:
    """Yield number and text of each line of a file, without its line end."""
    first_byte(stream)
    for number, line in json_lines(stream):
        if isinstance(line, BadLine):
            yield number, line
            continue
        try:
            yield number, without_colours(line.decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            yield number, BadLine(number, f"not UTF-8 text ({error.reason})")


def without_colours(text: str) -> str:
    """Return text without the escape sequences that set a terminal's colours."""
    return _COLOUR.sub("", text) if "\x1b" in text else text
