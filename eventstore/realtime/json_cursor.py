"""Walk through the JSON text of a file of any length, holding one value of it at a time.

The scanner of json_scanner.py reads a text that is there as a whole. Here the text comes in pieces,
and a parser's own reader tells where each value ends. Called by recording_lines.py, and by the
readers of other tools' files.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

#: Bytes of a line, or of a value in a file, beyond which it is refused: twice as many as a relay
#: takes for a message (frame_scanner.py), which a line may write with escapes.
MAX_LINE = 128 * 1024 * 1024
TOO_LONG = f"longer than {MAX_LINE // 1024 // 1024} MiB: no frame of a call is"

_PIECE = 1 << 20
_SPACE = re.compile(r"\s*")
# Characters that show what comes next.
_AHEAD = 100
# A word or an escape that is cut is shorter than this.
_CUT = 16


class BrokenJsonError(ValueError):
    """Text that is no JSON: what follows in it cannot be read."""


class JsonCursor:
    """A place in JSON text.

    Args:
        stream: the text as UTF-8, from where it stands.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._decoder = json.JSONDecoder()
        self._buffer, self._position, self._ended = "", 0, False

    def peek(self) -> str:
        """Return the next character that is no space, without taking it; "" at the end."""
        while True:
            self._position = _end_of_space(self._buffer, self._position)
            if self._position < len(self._buffer) or self._ended:
                return self._buffer[self._position : self._position + 1]
            self._more()

    def take(self, sign: str) -> bool:
        """Go past a character where it is the next one; return True if it was."""
        if self.peek() != sign:
            return False
        self._position += 1
        return True

    def ahead(self) -> str:
        """Return the beginning of what comes next, without taking it; "" at the end."""
        self.peek()
        return self._buffer[self._position : self._position + _AHEAD]

    def value(self) -> tuple[Any, str]:
        """Take the next whole value.

        Returns:
            The value, and its text as it stands.

        Raises:
            BrokenJsonError: it is no JSON, or longer than a line may be.
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
        """Yield the names of the next object's members; whoever asks takes each one's value."""
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
        """Yield the numbers of the next array's elements; whoever asks takes each element."""
        if not self.take("["):
            raise BrokenJsonError("not a JSON array")
        number = 0
        while not self.take("]"):
            if number and not self.take(","):
                raise BrokenJsonError("no comma between two elements")
            number += 1
            yield number

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Return True if the text may be whole with what is not read yet."""
        return error.msg.startswith("Unterminated") or error.pos >= len(self._buffer) - _CUT

    def _more(self) -> None:
        """Read on. As much again as is held, so that a long value is not parsed too often."""
        held = self._buffer[self._position :]
        piece = self._stream.read(max(_PIECE, len(held)))
        self._ended = not piece
        self._buffer = held + self._decode(piece, final=not piece)
        self._position = 0


def _end_of_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found is not None else position
