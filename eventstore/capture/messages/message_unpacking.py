"""Turn the payload of a whole websocket message into text or bytes: inflate and decode it. Pure.

A small payload may inflate to gigabytes (RFC 7692 sets no limit), and a large one takes long to
decode. So this works in steps of bounded size. The relay's tee takes the first step itself, and
leaves the rest to `unpacking_thread.py`. The frame scanner makes the payloads.
"""

from __future__ import annotations

import codecs
import zlib
from typing import Any, NamedTuple, cast

#: Bytes that a compressed message may have once it is inflated.
INFLATED_LIMIT = 32 * 1024 * 1024
#: Bytes of a message that are handled at once, which takes well below a millisecond.
UNPACKED_PIECE = 256 * 1024
# The work of handling one part of a message, in bytes that take as long.
_PART_WORK = 64
# A compressed message is sent without these last bytes (RFC 7692, 7.2.1).
_DEFLATE_END = b"\x00\x00\xff\xff"
_NOT_READ = "compressed messages of this direction are not read from here on"


class Compression(NamedTuple):
    """What a handshake agreed on about compression (RFC 7692).

    Attributes:
        agreed: Whether permessage-deflate is used.
        client_takeover, server_takeover: Whether that side's compressed messages may refer to its
            earlier ones.
    """

    agreed: bool = False
    client_takeover: bool = True
    server_takeover: bool = True


class MessageGap(NamedTuple):
    """A place where a message could not be read.

    Attributes:
        reason: `message_too_large`, `overflow` if memory was full, or `protocol_error`.
        facts: What is known of it.
        compressed: Whether a compressed message is missing. Later ones may refer to its content.
    """

    reason: str
    facts: dict[str, Any]
    compressed: bool = False


class Payload(NamedTuple):
    """The payload of a whole message, as it came, without its mask.

    Attributes:
        parts: Its bytes, in pieces.
        size: How many bytes they are.
        is_text: Whether it is a text message; otherwise it is binary.
        compressed: Whether it is compressed.
    """

    parts: list[bytes]
    size: int
    is_text: bool
    compressed: bool


#: A message: whole or, if it is large, in pieces.
Message = str | bytes | list[str] | list[bytes]


def joined(message: Message) -> str | bytes:
    """Return a message as one text or one bytes object."""
    if isinstance(message, str | bytes):
        return message
    if message and isinstance(message[0], str):
        return "".join(message)
    return b"".join(cast("list[bytes]", message))


def size_of(message: Message) -> int:
    """Return how many characters or bytes a message has."""
    return sum(map(len, message)) if isinstance(message, list) else len(message)


class Unpacker:
    """Unpacks the messages of one direction in order; one is finished before the next begins.

    Args:
        takeover: Whether a compressed message may refer to earlier ones, which is usual.
        limit: Bytes that a compressed message may have once it is inflated.
    """

    def __init__(self, takeover: bool = True, limit: int = INFLATED_LIMIT) -> None:
        self.limit = limit
        self._takeover = takeover
        self._inflater: Any = None
        self._lost = False

    def begin(self, payload: Payload) -> UnpackingJob | None:
        """Begin to unpack a message.

        Returns:
            The job. None for a compressed message that may refer to a lost one; the log names it.
        """
        if not payload.compressed:
            return UnpackingJob(self, payload, None)
        if self._lost:
            return None
        if self._inflater is None or not self._takeover:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        return UnpackingJob(self, payload, self._inflater)

    def lose(self, gap: MessageGap) -> MessageGap:
        """Note that a compressed message is lost, wholly or in part.

        Returns:
            The gap to record. It says so if no later compressed message can be read.
        """
        self._inflater = None
        if not self._takeover or self._lost:
            return gap
        self._lost = True
        detail = gap.facts.get("detail")
        explained = f"{detail}; {_NOT_READ}" if detail else _NOT_READ
        return gap._replace(facts={**gap.facts, "detail": explained})

    def keep(self, inflater: Any) -> None:
        """Keep the inflater, which the next message needs."""
        self._inflater = inflater


class UnpackingJob:
    """One message that is being unpacked. Another thread may continue it.

    Attributes:
        result: The message, or the gap in its place, once `step` has returned True.
        size: Bytes of the payload.
        made: Bytes of the message so far.
    """

    def __init__(self, unpacker: Unpacker, payload: Payload, inflater: Any) -> None:
        self.result: Message | MessageGap = b""
        self.size = payload.size
        self._unpacker, self._inflater = unpacker, inflater
        self._compressed = payload.compressed
        parts = [*payload.parts, _DEFLATE_END] if inflater is not None else payload.parts
        self._left = list(reversed(parts))
        self.made = self._worked = 0
        self._bytes: list[bytes] = []
        self._text: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")() if payload.is_text else None

    def step(self, most: int) -> bool:
        """Read and make about so many more bytes; return True once the job is done."""
        until = self._worked + most
        try:
            while self._left:
                if self._worked >= until:
                    return False
                self._take(self._next())
                if self._inflater is not None and self.made > self._unpacker.limit:
                    facts = {"bytes": self.made, "compressed": self.size}
                    self.fail(MessageGap("message_too_large", facts, compressed=True))
                    return True
        except zlib.error:
            detail = "compressed data that cannot be inflated"
            self.fail(MessageGap("protocol_error", {"detail": detail}, compressed=True))
            return True
        self._finish()
        return True

    def _next(self) -> bytes:
        """Return the next bytes of the message, at most a piece of them."""
        part = self._left.pop()
        if self._inflater is None:
            if len(part) > UNPACKED_PIECE:
                self._left.append(part[UNPACKED_PIECE:])
            self._worked += UNPACKED_PIECE
            return part[:UNPACKED_PIECE]
        made: bytes = self._inflater.decompress(part, UNPACKED_PIECE)
        rest: bytes = self._inflater.unconsumed_tail
        if self._inflater.eof:
            rest = self._inflater.unused_data
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        if rest or len(made) == UNPACKED_PIECE:
            self._left.append(rest)
        # Input that makes no output, such as empty blocks, is work too. So is each part: a message
        # may have a million fragments of one byte.
        self._worked += len(made) + len(part) - len(rest) + _PART_WORK
        return made

    def _take(self, piece: bytes) -> None:
        self.made += len(piece)
        if self._decoder is not None:
            try:
                self._text.append(self._decoder.decode(piece))
            except UnicodeDecodeError:
                self._keep_bytes()
            else:
                return
        self._bytes.append(piece)

    def _keep_bytes(self) -> None:
        """Go back from text to bytes: a text message that is not UTF-8 is recorded as bytes."""
        # If a character is cut in two, the decoder holds its first bytes.
        held = self._decoder.getstate()[0] if self._decoder is not None else b""
        self._bytes = [*(text.encode() for text in self._text), held]
        self._decoder, self._text = None, []

    def _finish(self) -> None:
        if self._inflater is not None:
            self._unpacker.keep(self._inflater)
        if self._decoder is not None and self._decoder.getstate()[0]:
            self._keep_bytes()
        pieces: list[str] | list[bytes] = self._bytes if self._decoder is None else self._text
        self.result = pieces if self.made > UNPACKED_PIECE else joined(pieces)

    def fail(self, gap: MessageGap) -> None:
        """Give the message up, and put a gap in its place."""
        self._left, self._bytes, self._text = [], [], []
        self.result = self._unpacker.lose(gap) if self._compressed else gap
