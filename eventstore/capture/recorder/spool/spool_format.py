"""The spool's files: entries behind each other, each with its length and a checksum. Pure.

A file is `MAGIC` and then records: the length of the body, the same with all bits inverted, the
body's CRC-32 (4 bytes each, little endian), and the body. A body begins with its kind: a
destination, as JSON, before its first entry in the file; or an entry. So each file can be read
alone.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from eventstore.realtime.frames import DIRECTIONS, STORE, Frame
from eventstore.realtime.values import dumps
from eventstore.times import is_time

MAGIC = b"eventstore spool 2\n"
#: Characters of a recording's key.
KEY_LENGTH = 24

_HEAD = struct.Struct("<III")
_ENTRY = struct.Struct(f"<c{KEY_LENGTH}sQqBB")
_DESTINATION, _FRAME = b"d", b"f"
_NO_TIME = -(1 << 63)
_BINARY, _CLOSING = 1, 2
_ALL = (1 << 32) - 1
# Bytes that a record may have, far more than a recorder takes; and that are read at once.
_MOST, _PIECE = 512 * 1024 * 1024, 1024 * 1024


@dataclass
class Destination:
    """Where a recording goes.

    Attributes:
        key: names the recording, 24 characters.
        wanted: the session id that it shall have: the server's, or the user's; None for neither.
        chosen: the user chose it, and it may go on with a session that is there.
        opened: the note that its first entry is.
        journaled: what the journal last said of it, None where it says nothing.
        session_id: what it got, None before its first append.
        seq: of its stream's last event, as far as this process knows.
        reached: the last entry that this process appended, and its seq; zeros for none.
        refused: entries that the database refused; each has a note in its place.
        erased: the session was erased, and takes no more.
        hole: how many entries before the next were lost, as far as this process knows.
    """

    key: str
    wanted: str | None = None
    chosen: bool = False
    session_id: str | None = None
    seq: int = 0
    reached: tuple[int, int] = (0, 0)
    refused: set[int] = field(default_factory=set)
    erased: bool = False
    hole: int = 0
    opened: Frame | None = None
    journaled: list[object] | None = None


class Entry(NamedTuple):
    """One frame of a recording.

    Attributes:
        key: the recording's.
        number: its place in the recording, from 1.
        frame: what came, or what the recorder noted.
        closing: nothing comes behind it.
    """

    key: str
    number: int
    frame: Frame
    closing: bool = False


class Read(NamedTuple):
    """A record of a file.

    Attributes:
        record: a destination or an entry; None for what is no whole record, to the file's end.
        end: the position behind it, or of what is no record.
        cut_off: the file ends before this record does, as where its process was killed in the
            middle of a write; otherwise what is no record is damage.
    """

    record: Destination | Entry | None
    end: int
    cut_off: bool = False


def frames_in(entries: Iterable[Entry]) -> int:
    """How many entries crossed the wire."""
    return sum(entry.frame.direction != STORE for entry in entries)


def encode_destination(destination: Destination) -> bytes:
    """The record that says where a recording's entries go."""
    facts = [destination.key, destination.wanted, destination.chosen]
    body = _DESTINATION + dumps(facts).encode("utf-8", "surrogatepass")
    return _head(len(body), zlib.crc32(body)) + body


def encode_entries(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The records of entries, in pieces: a frame's text is not copied."""
    for entry in entries:
        yield from _encode(entry)


def _encode(entry: Entry) -> tuple[bytes, bytes]:
    direction, text, at = entry.frame
    flags = _CLOSING if entry.closing else 0
    if isinstance(text, bytes):
        flags, raw = flags | _BINARY, text
    else:
        raw = text.encode("utf-8", "surrogatepass")
    place = DIRECTIONS.index(direction)
    at = _NO_TIME if at is None else at
    begin = _ENTRY.pack(_FRAME, entry.key.encode(), entry.number, at, place, flags)
    checksum = zlib.crc32(raw, zlib.crc32(begin))
    return _head(len(begin) + len(raw), checksum) + begin, raw


def _head(length: int, checksum: int) -> bytes:
    return _HEAD.pack(length, length ^ _ALL, checksum)


def read_records(stream: BinaryIO, end: int | None = None) -> Iterator[Read]:
    """The records from a stream's position on (0: behind the magic), up to `end` or its end.

    Yields one last `Read` without a record where something is there that is no whole record.
    """
    position = stream.tell()
    if position == 0:
        magic = stream.read(len(MAGIC))
        if magic != MAGIC:
            yield Read(None, 0, cut_off=MAGIC.startswith(magic))
            return
        position = len(MAGIC)
    while end is None or position < end:
        head = stream.read(_HEAD.size)
        if not head:
            return
        if len(head) < _HEAD.size:
            yield Read(None, position, cut_off=True)
            return
        length, inverted, checksum = _HEAD.unpack(head)
        # Without the first, a damaged length could pass for a record that is cut off.
        is_whole = length ^ inverted == _ALL and length <= _MOST
        body = _read(stream, length) if is_whole else None
        record = _record(body) if body is not None and zlib.crc32(body) == checksum else None
        if record is None:
            yield Read(None, position, cut_off=body is not None and len(body) < length)
            return
        position += _HEAD.size + length
        yield Read(record, position)


def _read(stream: BinaryIO, length: int) -> bytes:
    """Read so many bytes, or all that there are: no more memory is taken than that."""
    pieces = []
    while length > 0 and (piece := stream.read(min(length, _PIECE))):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def destination_of(facts: object) -> Destination:
    """The destination that a file or a journal names.

    Args:
        facts: key, wanted and chosen, as JSON has them.

    Raises:
        ValueError: these are none.
    """
    if not isinstance(facts, list) or len(facts) != 3:
        raise ValueError("no destination")
    key, wanted, chosen = facts
    is_key = isinstance(key, str) and len(key) == KEY_LENGTH and key.isascii()
    if not is_key or not isinstance(wanted, str | None) or not isinstance(chosen, bool):
        raise ValueError("no destination")
    return Destination(key, wanted, chosen)


def _record(body: bytes) -> Destination | Entry | None:
    """The record of a body; None for what is none, whoever wrote it."""
    try:
        return _decode(body)
    except (ValueError, LookupError, RecursionError):
        return None


def _decode(body: bytes) -> Destination | Entry | None:
    if body[:1] == _DESTINATION:
        return destination_of(json.loads(body[1:].decode("utf-8", "surrogatepass")))
    if body[:1] != _FRAME or len(body) < _ENTRY.size:
        return None
    _, key, number, at, place, flags = _ENTRY.unpack_from(body)
    raw = body[_ENTRY.size :]
    text = raw if flags & _BINARY else raw.decode("utf-8", "surrogatepass")
    frame = Frame(DIRECTIONS[place], text, at if is_time(at) else None)
    return Entry(key.decode(), number, frame, bool(flags & _CLOSING))
