"""Turn the payload of a whole websocket message into its text or bytes: inflate it, decode it.

A small payload may inflate to gigabytes (RFC 7692 sets no bound), and a large one takes long to
decode. So this works in steps of bounded size: the relay takes a step on the way, and leaves the
rest to its unpacking thread. The frame scanner makes the payloads. Pure.
"""

from __future__ import annotations

import codecs
import zlib
from typing import Any, NamedTuple, cast

#: Bytes that a compressed message may have once it is inflated.
INFLATED_LIMIT = 32 * 1024 * 1024
#: Bytes of a message that are handled at once. Each takes well below a millisecond.
PIECE = 256 * 1024
# What handling one part of a message takes beside its bytes, in bytes that take as long.
_OF_PART = 64
# A compressed message is sent without this end of it (RFC 7692, 7.2.1).
_DEFLATE_END = b"\x00\x00\xff\xff"
_BEHIND = "compressed messages of this direction are not read from here on"


class Compression(NamedTuple):
    """What a handshake agreed on.

    Attributes:
        agreed: permessage-deflate is used.
        client_takeover, server_takeover: a side's compressed messages may refer to its earlier
            ones.
    """

    agreed: bool = False
    client_takeover: bool = True
    server_takeover: bool = True


class MessageGap(NamedTuple):
    """A place where no message could be read.

    Attributes:
        reason: `message_too_large`, `overflow` where memory was full, or `protocol_error`.
        facts: what is known of it.
        compressed: a compressed message is missing, and later ones may refer to what it held.
    """

    reason: str
    facts: dict[str, Any]
    compressed: bool = False


class Payload(NamedTuple):
    """What a whole message carries, as it came, without its mask.

    Attributes:
        parts: its bytes, in pieces.
        size: how many bytes they are.
        is_text: it is a text message, not a binary one.
        compressed: it is compressed.
    """

    parts: list[bytes]
    size: int
    is_text: bool
    compressed: bool


#: A message, whole or, where it is large, in pieces.
Message = str | bytes | list[str] | list[bytes]


def joined(message: Message) -> str | bytes:
    """Return a message whole."""
    if isinstance(message, str | bytes):
        return message
    if message and isinstance(message[0], str):
        return "".join(message)
    return b"".join(cast("list[bytes]", message))


def size_of(message: Message) -> int:
    """Return how many characters or bytes a message has."""
    return sum(map(len, message)) if isinstance(message, list) else len(message)


class Unpacker:
    """Unpacks the messages of one direction, in order; one is finished before the next begins.

    Args:
        takeover: a compressed message may refer to the ones before it, as it usually may.
        limit: bytes that a compressed message may have once it is inflated.
    """

    def __init__(self, takeover: bool = True, limit: int = INFLATED_LIMIT) -> None:
        self.limit = limit
        self._takeover = takeover
        self._inflater: Any = None
        self._lost = False

    def begin(self, payload: Payload) -> UnpackingJob | None:
        """Begin with a message.

        Returns:
            The unpacking; None for a compressed message that refers to one that is lost, which
            the log has been told of.
        """
        if not payload.compressed:
            return UnpackingJob(self, payload, None)
        if self._lost:
            return None
        if self._inflater is None or not self._takeover:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        return UnpackingJob(self, payload, self._inflater)

    def lose(self, gap: MessageGap) -> MessageGap:
        """Note that a compressed message is not inflated to its end.

        Returns:
            The gap, which says where that ends the reading of all compressed messages.
        """
        self._inflater = None
        if not self._takeover or self._lost:
            return gap
        self._lost = True
        detail = gap.facts.get("detail")
        said = f"{detail}; {_BEHIND}" if detail else _BEHIND
        return gap._replace(facts={**gap.facts, "detail": said})

    def keep(self, inflater: Any) -> None:
        """Keep the inflater that the next message goes on with."""
        self._inflater = inflater


class UnpackingJob:
    """One message that is being unpacked. Another thread may go on with it.

    Attributes:
        result: the message, or the gap in its place, once `step` has returned True.
        size: bytes of the payload.
        made: bytes of the message so far.
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
        """Go on until about so many more bytes are read and made.

        Returns:
            True once it is done.
        """
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
        """Take the next bytes of the message, at most a piece of them."""
        part = self._left.pop()
        if self._inflater is None:
            if len(part) > PIECE:
                self._left.append(part[PIECE:])
            self._worked += PIECE
            return part[:PIECE]
        made: bytes = self._inflater.decompress(part, PIECE)
        rest: bytes = self._inflater.unconsumed_tail
        if self._inflater.eof:
            rest = self._inflater.unused_data
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        if rest or len(made) == PIECE:
            self._left.append(rest)
        # What makes nothing, as empty blocks do, is work as well; and so is each part, of one byte
        # in a message of a million fragments.
        self._worked += len(made) + len(part) - len(rest) + _OF_PART
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
        """Go back from text to bytes: a text message that is no UTF-8 is recorded as bytes."""
        # Where a character is cut in two, the decoder holds its beginning.
        held = self._decoder.getstate()[0] if self._decoder is not None else b""
        self._bytes = [*(text.encode() for text in self._text), held]
        self._decoder, self._text = None, []

    def _finish(self) -> None:
        if self._inflater is not None:
            self._unpacker.keep(self._inflater)
        if self._decoder is not None and self._decoder.getstate()[0]:
            self._keep_bytes()
        pieces: list[str] | list[bytes] = self._bytes if self._decoder is None else self._text
        self.result = pieces if self.made > PIECE else joined(pieces)

    def fail(self, gap: MessageGap) -> None:
        """Give the message up, with a gap in its place."""
        self._left, self._bytes, self._text = [], [], []
        self.result = self._unpacker.lose(gap) if self._compressed else gap
