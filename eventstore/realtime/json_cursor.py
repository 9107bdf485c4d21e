"""Read the JSON text of a file of any length, value by value, with one value in memory at a time.

Called by recording_lines.py, and by the readers of other tools' files. In contrast to
json_scanner.py, which reads a text that is in memory, the text is read in pieces here. Python's
JSON decoder finds the end of each value.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

#: The longest line, or value in a file, in bytes. It is twice the longest message that a relay
#: takes (frame_scanner.py), because a line may contain the message with escapes.
MAX_LINE = 128 * 1024 * 1024
TOO_LONG = f"longer than {MAX_LINE // 1024 // 1024} MiB: no frame of a call is"

_PIECE = 1 << 20
_SPACE = re.compile(r"\s*")
# How many characters `ahead` returns.
_AHEAD = 100
# More characters than a word or an escape has, which the end of a piece may cut.
_CUT = 16


class BrokenJsonError(ValueError):
    """The text is no JSON. What follows in it cannot be read."""


class JsonCursor:
    """A position in JSON text, which moves forward.

    Args:
        stream: The text as UTF-8. It is read from its current position.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._decoder = json.JSONDecoder()
        self._buffer, self._position, self._ended = "", 0, False

    def peek(self) -> str:
        """Return the next character that is no space, without moving behind it; "" at the end."""
        while True:
            self._position = _end_of_space(self._buffer, self._position)
            if self._position < len(self._buffer) or self._ended:
                return self._buffer[self._position : self._position + 1]
            self._more()

    def take(self, sign: str) -> bool:
        """Move behind a character if it is the next one, and return True if it was."""
        if self.peek() != sign:
            return False
        self._position += 1
        return True

    def ahead(self) -> str:
        """Return the next 100 characters, without moving; "" at the end."""
        self.peek()
        return self._buffer[self._position : self._position + _AHEAD]

    def value(self) -> tuple[Any, str]:
        """Read the next value, and move behind it.

        Returns:
            The value, and its text in the file.

        Raises:
            BrokenJsonError: The text is no JSON, or the value is longer than `MAX_LINE`.
        """
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._position)
                is_closed = self._buffer[end - 1] in '}]"'  # a number may go on: 1, 1.5, 1.5e10
                if is_closed or self._ended or end + _CUT < len(self._buffer):
                    text = self._buffer[self._position : end]
                    self._position = end
                    return value, text
            except json.JSONDecodeError as error:
                if self._ended or not self._is_cut(error):
                    raise BrokenJsonError(f"not JSON ({error.msg})") from error
            except (ValueError, RecursionError) as error:
                raise BrokenJsonError("a number that is too long, or nested too deeply") from error
            if len(self._buffer) - self._position > MAX_LINE:
                raise BrokenJsonError(TOO_LONG)
            self._more()

    def members(self) -> Iterator[str]:
        """Yield the names of the next object's members. The caller must read each one's value."""
        if not self.take("{"):
            raise BrokenJsonError("not a JSON object")
        first = True
        while not self.take("}"):
            if not first and not self.take(","):
                raise BrokenJsonError("no comma between two members")
            name, _ = self.value()
            if not isinstance(name, str) or not self.take(":"):
                raise BrokenJsonError("a member without a name")
            yield name
            first = False

    def items(self) -> Iterator[int]:
        """Yield the numbers, from 1, of the next array's elements. The caller must read each."""
        if not self.take("["):
            raise BrokenJsonError("not a JSON array")
        number = 0
        while not self.take("]"):
            if number and not self.take(","):
                raise BrokenJsonError("no comma between two elements")
            number += 1
            yield number

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Return True if an error may only come from the end of the piece that was read."""
        return error.msg.startswith("Unterminated") or error.pos >= len(self._buffer) - _CUT

    def _more(self) -> None:
        """Read the next piece of the file.

        It is as long as the text that is kept, so that a long value is parsed only a few times.
        """
        held = self._buffer[self._position :]
        piece = self._stream.read(max(_PIECE, len(held)))
        self._ended = not piece
        self._buffer = held + self._decode(piece, final=not piece)
        self._position = 0


def _end_of_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found is not None else position
