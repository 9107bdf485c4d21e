"""Find messages in a copy of one direction of a websocket (RFC 6455 and 7692). Pure.

Large and compressed messages are found here and unpacked by message_unpacking.py. docs/adr/0037
says why the parser of `websockets` is not used. The relay's tee has a scanner for each direction.
"""

from __future__ import annotations

from typing import NamedTuple

from eventstore.capture.messages.message_unpacking import UNPACKED_PIECE, MessageGap, Payload
from eventstore.realtime.unfinished_messages import UnfinishedMessages

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

#: Bytes of a message on the wire; a longer message is skipped.
MESSAGE_LIMIT = 64 * 1024 * 1024

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_FIN, _RSV1, _RSV2_3, _OPCODE, _MASKED, _LENGTH = 0x80, 0x40, 0x30, 0x0F, 0x80, 0x7F
_CONTROL_LIMIT = 125
_NO_CODE = 1005
# About how many bytes a piece of a message takes besides its content.
_PIECE_OVERHEAD = 64

#: A small message, the payload of another message, or a place where a message could not be read.
ScannedMessage = str | bytes | Payload | MessageGap


class CloseFrame(NamedTuple):
    """Code and reason of a close frame; the code is 1005 if it had none (RFC 6455, 7.4.1)."""

    code: int
    reason: str


class _NotAFrameError(Exception):
    """Bytes that are not a websocket frame."""


class FrameScanner:
    """Finds the messages in one direction's bytes, however these are cut into chunks.

    Args:
        masked: Whether it is the client's direction, whose frames are masked.
        deflate: Whether permessage-deflate was agreed on.
        limit: A message of more bytes is skipped.
        unfinished: Counts the bytes of messages that are not complete.

    Attributes:
        close: The first close frame.
        failed: Whether something came that is not a frame. The bytes behind it are not read.
        pending: How many of the last bytes belong to a frame that is not complete.
        behind: Whether some of the last bytes are not scanned yet; call `feed` again.
        held: Bytes of memory that the unfinished message takes.
    """

    def __init__(
        self,
        masked: bool,
        deflate: bool = False,
        limit: int = MESSAGE_LIMIT,
        unfinished: UnfinishedMessages | None = None,
    ) -> None:
        self.close: CloseFrame | None = None
        self.failed = self.behind = False
        self.pending = self.held = 0
        self._masked, self._limit, self._deflate = masked, limit, deflate
        self._unfinished = unfinished or UnfinishedMessages()
        self._unread = b""  # the beginning of a header, or what is not looked at yet
        # The frame that is being read.
        self._in_frame, self._opcode, self._final = False, 0, False
        self._left, self._mask, self._control = 0, b"", b""
        # The message that is being read.
        self._in_message, self._is_text, self._compressed = False, False, False
        self._parts: list[bytes] = []
        self._size = 0
        self._given_up: str | None = None

    def feed(self, data: bytes, most: int | None = None) -> list[ScannedMessage]:
        """Take the next bytes, and return what they complete. Never raises.

        Args:
            most: How many frames to scan; the rest waits for the next call (`behind`). None for
                all.

        Returns:
            In order: small messages as text, or as bytes if they are binary or not UTF-8; the
            payloads of other messages; and gaps where a message could not be read.
        """
        found: list[ScannedMessage] = []
        if self.failed:
            return found
        self.pending += len(data)
        try:
            self._scan(self._unread + data if self._unread else data, found, most)
        except _NotAFrameError as error:
            self.failed, self.behind, self._unread = True, False, b""
            self.forget()
            found.append(MessageGap("protocol_error", {"detail": str(error)}))
        return found

    def forget(self) -> None:
        """Drop the unfinished message, because no more bytes will come."""
        self._parts = []
        self._unfinished.release(self)

    def give_up(self) -> None:
        """Skip the rest of the unfinished message: those of all sessions are too large."""
        self._parts, self._given_up = [], "overflow"

    def _scan(self, data: bytes, found: list[ScannedMessage], most: int | None) -> None:
        position, end, frames = 0, len(data), 0
        self.behind = False
        while True:
            if not self._in_frame:
                if frames == most:
                    self.behind = position < end
                    break
                size = self._begin_frame(data, position, end)
                if size == 0:
                    break
                position += size
                frames += 1
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
        self._unread = data[position:]

    def _begin_frame(self, data: bytes, start: int, end: int) -> int:
        """Read a frame's header, and return its length; 0 if it is not complete."""
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
        """Take some of the frame's payload."""
        if self._masked:
            mask, turned = self._mask, len(piece) % 4
            if self._left and turned:
                self._mask = mask[turned:] + mask[:turned]
            piece = apply_mask(piece, mask)
        if self._opcode >= _CLOSE:
            self._control += piece
            return
        self._size += len(piece)
        if self._given_up is None and self._size > self._limit:
            self._given_up = "message_too_large"
            self.forget()
        if self._given_up is None:
            self._parts.append(piece)
            if self._left or not self._final:  # otherwise the message is complete now
                self._unfinished.add(self, len(piece) + _PIECE_OVERHEAD)

    def _end_frame(self, found: list[ScannedMessage]) -> None:
        if self._opcode >= _CLOSE:
            if self._opcode == _CLOSE and self.close is None:
                self.close = _close_frame(self._control)
            self._control = b""
            return
        if self._final:
            self._in_message = False
            found.append(self._end_message())

    def _end_message(self) -> ScannedMessage:
        parts, size, given_up = self._parts, self._size, self._given_up
        self._parts, self._size, self._given_up = [], 0, None
        if given_up is not None:
            return MessageGap(given_up, {"bytes": size}, self._compressed)
        self._unfinished.release(self)
        if self._compressed or size > UNPACKED_PIECE:
            return Payload(parts, size, self._is_text, self._compressed)
        payload = parts[0] if len(parts) == 1 else b"".join(parts)
        return _decoded(payload) if self._is_text else payload


def _decoded(payload: bytes) -> str | bytes:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return payload


def _close_frame(payload: bytes) -> CloseFrame:
    if len(payload) < 2:
        return CloseFrame(_NO_CODE, "")
    return CloseFrame(int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace"))
