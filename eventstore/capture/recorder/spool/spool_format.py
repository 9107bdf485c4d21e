"""The format of the spool's files: entries in order, each with its length and a checksum. Pure.

A file is `MAGIC` and then records. A record is the length of its body, the same with all bits
inverted, the body's CRC-32 (4 bytes each, little endian), and the body. A body begins with its
kind: a target, as JSON, before its first entry in the file; or an entry. So each file can be read
without the others.
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

_RECORD_HEAD = struct.Struct("<III")
_ENTRY_HEAD = struct.Struct(f"<c{KEY_LENGTH}sQqBB")
_TARGET, _FRAME = b"d", b"f"
_NO_TIME = -(1 << 63)
_BINARY, _CLOSING = 1, 2
_ALL_BITS = (1 << 32) - 1
# Bytes of a record at most, far more than a recorder takes; and bytes that are read at once.
_MOST_RECORD_BYTES, _READ_BYTES = 512 * 1024 * 1024, 1024 * 1024


@dataclass
class TargetSession:
    """The session of the store that a recording is written to.

    Attributes:
        key: the recording's key, 24 characters.
        wanted_id: the session id that it shall have, the server's or the user's; None if neither
            named one.
        chosen_by_user: whether the user chose the id. The recording may then continue a session
            that exists.
        opened: the note that is the recording's first entry.
        journal_line: what the journal last said of it, None if it says nothing.
        session_id: the id that it got, None before its first append.
        seq: the seq of the session's last event, as far as this process knows.
        last_written: number and seq of the last entry that this process appended; zeros if none.
        refused: numbers of entries that the database refused. Each has a note in its place.
        erased: whether the session was erased, and takes no more.
        lost_before: how many entries before the next were lost, as far as this process knows.
    """

    key: str
    wanted_id: str | None = None
    chosen_by_user: bool = False
    session_id: str | None = None
    seq: int = 0
    last_written: tuple[int, int] = (0, 0)
    refused: set[int] = field(default_factory=set)
    erased: bool = False
    lost_before: int = 0
    opened: Frame | None = None
    journal_line: list[object] | None = None


class Entry(NamedTuple):
    """One frame of a recording, with its number.

    Attributes:
        key: the recording's key.
        number: its place in the recording, from 1.
        frame: a frame from the wire, or a note of the recorder.
        closing: whether it is the recording's last entry.
    """

    key: str
    number: int
    frame: Frame
    closing: bool = False


class Read(NamedTuple):
    """One record of a file, as it was read.

    Attributes:
        record: a target or an entry; None if there is no whole record up to the file's end.
        end: the position behind the record, or the position of what is not a record.
        cut_off: whether the file ends before the record does, as when its process was killed in the
            middle of a write. Otherwise, if `record` is None, the file is damaged.
    """

    record: TargetSession | Entry | None
    end: int
    cut_off: bool = False


def frames_in(entries: Iterable[Entry]) -> int:
    """Return how many entries are frames from the wire, and not notes of the recorder."""
    return sum(entry.frame.direction != STORE for entry in entries)


def encode_target(target: TargetSession) -> bytes:
    """Return the record that says where a recording's entries go."""
    facts = [target.key, target.wanted_id, target.chosen_by_user]
    body = _TARGET + dumps(facts).encode("utf-8", "surrogatepass")
    return _head(len(body), zlib.crc32(body)) + body


def encode_entries(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the records of entries in pieces, so that a frame's text is not copied."""
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
    begin = _ENTRY_HEAD.pack(_FRAME, entry.key.encode(), entry.number, at, place, flags)
    checksum = zlib.crc32(raw, zlib.crc32(begin))
    return _head(len(begin) + len(raw), checksum) + begin, raw


def _head(length: int, checksum: int) -> bytes:
    return _RECORD_HEAD.pack(length, length ^ _ALL_BITS, checksum)


def read_records(stream: BinaryIO, end: int | None = None) -> Iterator[Read]:
    """Yield the records from a stream's position (0: behind the magic) up to `end` or its end.

    If the rest is not a whole record, the last `Read` has no record.
    """
    position = stream.tell()
    if position == 0:
        magic = stream.read(len(MAGIC))
        if magic != MAGIC:
            yield Read(None, 0, cut_off=MAGIC.startswith(magic))
            return
        position = len(MAGIC)
    while end is None or position < end:
        head = stream.read(_RECORD_HEAD.size)
        if not head:
            return
        if len(head) < _RECORD_HEAD.size:
            yield Read(None, position, cut_off=True)
            return
        length, inverted, checksum = _RECORD_HEAD.unpack(head)
        # Without the inverted length, a damaged length could pass for a record that is cut off.
        is_whole = length ^ inverted == _ALL_BITS and length <= _MOST_RECORD_BYTES
        body = _read(stream, length) if is_whole else None
        record = _record(body) if body is not None and zlib.crc32(body) == checksum else None
        if record is None:
            yield Read(None, position, cut_off=body is not None and len(body) < length)
            return
        position += _RECORD_HEAD.size + length
        yield Read(record, position)


def _read(stream: BinaryIO, length: int) -> bytes:
    """Read so many bytes, or all that there are: a damaged length takes no more memory."""
    pieces = []
    while length > 0 and (piece := stream.read(min(length, _READ_BYTES))):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def parse_target(facts: object) -> TargetSession:
    """Return the target that a file or a journal names.

    Args:
        facts: key, requested id, and whether the user chose it, as a list from JSON.

    Raises:
        ValueError: if the facts are not a target.
    """
    if not isinstance(facts, list) or len(facts) != 3:
        raise ValueError("no target")
    key, wanted, chosen = facts
    is_key = isinstance(key, str) and len(key) == KEY_LENGTH and key.isascii()
    if not is_key or not isinstance(wanted, str | None) or not isinstance(chosen, bool):
        raise ValueError("no target")
    return TargetSession(key, wanted, chosen)


def _record(body: bytes) -> TargetSession | Entry | None:
    """Return the record of a body, or None if it is not one, whoever wrote it."""
    try:
        return _decode(body)
    except (ValueError, LookupError, RecursionError):
        return None


def _decode(body: bytes) -> TargetSession | Entry | None:
    if body[:1] == _TARGET:
        return parse_target(json.loads(body[1:].decode("utf-8", "surrogatepass")))
    if body[:1] != _FRAME or len(body) < _ENTRY_HEAD.size:
        return None
    _, key, number, at, place, flags = _ENTRY_HEAD.unpack_from(body)
    raw = body[_ENTRY_HEAD.size :]
    text = raw if flags & _BINARY else raw.decode("utf-8", "surrogatepass")
    frame = Frame(DIRECTIONS[place], text, at if is_time(at) else None)
    return Entry(key.decode(), number, frame, bool(flags & _CLOSING))
