"""Read messages out of a copy of one direction of a websocket (RFC 6455 and 7692). Pure."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

#: Bytes of a message beyond which it is passed over.
MESSAGE_LIMIT = 64 * 1024 * 1024

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_FIN, _RSV1, _RSV2_3, _OPCODE, _MASKED, _LENGTH = 0x80, 0x40, 0x30, 0x0F, 0x80, 0x7F
_CONTROL_LIMIT = 125
_NO_CODE = 1005
# A compressed message is sent without this end of it (RFC 7692, 7.2.1).
_DEFLATE_END = b"\x00\x00\xff\xff"
_INFLATE_PIECE = 1024 * 1024


class Gap(NamedTuple):
    """A place where no message could be read.

    Attributes:
        reason: `message_too_large`, or `protocol_error`: nothing is read behind that.
        facts: what is known of it.
    """

    reason: str
    facts: dict[str, Any]


class CloseFrame(NamedTuple):
    """What a close frame said: 1005 where it had no code."""

    code: int
    reason: str


class _NotAFrameError(Exception):
    """Bytes that no websocket frame consists of."""


class FrameScanner:
    """Finds the messages in one direction's bytes, wherever these are cut into chunks.

    Args:
        masked: whether it is the client's direction.
        deflate: whether permessage-deflate was agreed on.
        limit: a message of more bytes is passed over.

    Attributes:
        close: the first close frame.
        failed: whether something came that is no frame; what follows is not read.
        pending: how many of the last bytes belong to a frame that is not complete.
    """

    def __init__(self, masked: bool, deflate: bool = False, limit: int = MESSAGE_LIMIT) -> None:
        self.close: CloseFrame | None = None
        self.failed = False
        self.pending = 0
        self._masked, self._limit, self._deflate = masked, limit, deflate
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._header = b""  # the beginning of one that is not complete
        # The frame that is being read.
        self._in_frame, self._opcode, self._final = False, 0, False
        self._left, self._mask, self._control = 0, b"", b""
        # The message that is being read.
        self._in_message, self._is_text, self._compressed = False, False, False
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[str | bytes | Gap]:
        """Take the next bytes.

        Returns:
            The messages that they complete, in order: text, bytes of a binary message (and of a
            text that is no UTF-8), and what could not be read. Never raises.
        """
        found: list[str | bytes | Gap] = []
        if self.failed:
            return found
        self.pending += len(data)
        try:
            self._scan(self._header + data if self._header else data, found)
        except _NotAFrameError as error:
            self.failed = True
            self._parts, self._header = [], b""
            found.append(Gap("protocol_error", {"detail": str(error)}))
        return found

    def _scan(self, data: bytes, found: list[str | bytes | Gap]) -> None:
        position, end = 0, len(data)
        while True:
            if not self._in_frame:
                size = self._begin_frame(data, position, end)
                if size == 0:
                    break
                position += size
            if self._left:
                piece = data[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                self._take(piece)
                if self._left:
                    break
            self._in_frame = False
            self.pending = end - position
            self._end_frame(found)
        self._header = data[position:]

    def _begin_frame(self, data: bytes, start: int, end: int) -> int:
        """Read a frame's header; how long it is, 0 where not all of it is there."""
        if end - start < 2:
            return 0
        first, second = data[start], data[start + 1]
        opcode, length = first & _OPCODE, second & _LENGTH
        self._check(first, second)
        behind = start + (2 if length < 126 else 4 if length == 126 else 10)
        size = behind - start + (4 if self._masked else 0)
        if end - start < size:
            return 0
        if length >= 126:
            length = int.from_bytes(data[start + 2 : behind], "big")
            if length >> 63:
                raise _NotAFrameError("a length of more than 63 bits")
        if self._masked:
            self._mask = data[behind : behind + 4]
        self._in_frame, self._opcode, self._final = True, opcode, bool(first & _FIN)
        self._left = length
        if opcode in (_TEXT, _BINARY):
            self._in_message, self._is_text = True, opcode == _TEXT
            self._compressed = bool(first & _RSV1)
        return size

    def _check(self, first: int, second: int) -> None:
        opcode = first & _OPCODE
        if bool(second & _MASKED) != self._masked:
            raise _NotAFrameError(f"a frame {'without' if self._masked else 'with'} a mask")
        if first & _RSV2_3 or (
            first & _RSV1 and not (self._deflate and opcode in (_TEXT, _BINARY))
        ):
            raise _NotAFrameError("reserved bits are set")
        if opcode >= _CLOSE:
            if opcode > _PONG:
                raise _NotAFrameError(f"opcode {opcode}")
            if not first & _FIN or second & _LENGTH > _CONTROL_LIMIT:
                raise _NotAFrameError("a control frame that is long or in fragments")
        elif opcode > _BINARY:
            raise _NotAFrameError(f"opcode {opcode}")
        elif (opcode != 0) == self._in_message:
            problem = "a message within another" if opcode else "a continuation of nothing"
            raise _NotAFrameError(problem)

    def _take(self, piece: bytes) -> None:
        """Some of the frame's payload."""
        if self._masked:
            mask, turned = self._mask, len(piece) % 4
            if self._left and turned:
                self._mask = mask[turned:] + mask[:turned]
            piece = apply_mask(piece, mask)
        if self._opcode >= _CLOSE:
            self._control += piece
        elif self._compressed:
            self._inflate(piece)
        else:
            self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            self._parts.clear()
        else:
            self._parts.append(piece)

    def _inflate(self, data: bytes) -> None:
        # Also what is passed over is inflated, in pieces: later messages may refer to it.
        try:
            while True:
                piece = self._inflater.decompress(data, _INFLATE_PIECE)
                self._keep(piece)
                data = self._inflater.unconsumed_tail
                if self._inflater.eof:
                    data = self._inflater.unused_data
                    self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
                if not data and len(piece) < _INFLATE_PIECE:
                    return
        except zlib.error as error:
            raise _NotAFrameError("compressed data that cannot be inflated") from error

    def _end_frame(self, found: list[str | bytes | Gap]) -> None:
        if self._opcode >= _CLOSE:
            if self._opcode == _CLOSE and self.close is None:
                self.close = _close_frame(self._control)
            self._control = b""
            return
        if not self._final:
            return
        if self._compressed:
            self._inflate(_DEFLATE_END)
        parts, size = self._parts, self._size
        self._in_message, self._parts, self._size = False, [], 0
        if size > self._limit:
            found.append(Gap("message_too_large", {"bytes": size}))
            return
        payload = parts[0] if len(parts) == 1 else b"".join(parts)
        found.append(_decoded(payload) if self._is_text else payload)


def _decoded(payload: bytes) -> str | bytes:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return payload


def _close_frame(payload: bytes) -> CloseFrame:
    if len(payload) < 2:
        return CloseFrame(_NO_CODE, "")
    return CloseFrame(int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace"))
