"""What a segment is as bytes: blocks with a checksum each, behind a header that lists them.

`MAGIC`; the header's length and CRC-32 (4 bytes each, little endian); the header, JSON; the blocks.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from eventstore.segments.limits import MAX_EVENTS, MAX_INT

SEGMENT_MAGIC = b"eventstore segment 1\n"
_HEAD = struct.Struct("<II")


class SegmentError(Exception):
    """A segment that is damaged; the text says where.

    Attributes:
        sound: the direction and type whose sound alone is damaged; None for anything else.
    """

    def __init__(self, problem: str, sound: tuple[str, str] | None = None) -> None:
        super().__init__(problem)
        self.sound = sound


class SegmentBlock(NamedTuple):
    """A block.

    Attributes:
        name: what it holds.
        codec: what it is packed by, see audio_codec.py.
        data: packed.
        apart: of sound: see `chunks.join`.
    """

    name: str
    codec: str
    data: bytes | memoryview
    apart: bool = False


class SegmentContainer(NamedTuple):
    """A segment's blocks.

    Attributes:
        first, events: the seq of its first event, and how many there are.
        blocks: as they stand behind each other.
        damaged: places in `blocks` of those whose checksum is wrong.
    """

    first: int
    events: int
    blocks: list[SegmentBlock]
    damaged: set[int]


def write_container(first: int, events: int, blocks: Sequence[SegmentBlock]) -> bytes:
    """A segment's bytes."""
    listed = [[b.name, b.codec, len(b.data), zlib.crc32(b.data), b.apart] for b in blocks]
    header = orjson.dumps([first, events, listed])
    head = _HEAD.pack(len(header), zlib.crc32(header))
    return b"".join((SEGMENT_MAGIC, head, header, *(block.data for block in blocks)))


def read_container(data: bytes) -> SegmentContainer:
    """The blocks of a segment's bytes, not unpacked.

    Raises:
        SegmentError: these are not a segment's bytes, or not all of them.
    """
    begin = len(SEGMENT_MAGIC) + _HEAD.size
    if len(data) < begin or data[: len(SEGMENT_MAGIC)] != SEGMENT_MAGIC:
        raise SegmentError("it does not begin as a segment does")
    length, checksum = _HEAD.unpack_from(data, len(SEGMENT_MAGIC))
    header = data[begin : begin + length]
    if len(header) != length or zlib.crc32(header) != checksum:
        raise SegmentError("its header is damaged")
    try:
        first, events, listed = orjson.loads(header)
        entries = [_checked(*entry) for entry in listed]
        if not (type(first) is type(events) is int and 1 <= events <= MAX_EVENTS):
            raise ValueError("it has no such number of events")
        if not 1 <= first <= MAX_INT - events:
            raise ValueError("its events have no such numbers")
    except (ValueError, TypeError, RecursionError) as error:
        raise SegmentError(f"its header is none: {error}") from error
    whole, place = memoryview(data), begin + length
    found = SegmentContainer(first, events, [], set())
    for number, (name, codec, size, crc, apart) in enumerate(entries):
        block = whole[place : place + size]
        place += size
        if len(block) != size or zlib.crc32(block) != crc:
            found.damaged.add(number)
        found.blocks.append(SegmentBlock(name, codec, block, apart))
    if place < len(data):
        raise SegmentError("something stands behind its end")
    return found


def _checked(
    name: object, codec: object, size: object, crc: object, apart: object
) -> tuple[str, str, int, int, bool]:
    """A block's entry in the header, which may say anything."""
    if not (type(name) is str and type(codec) is str and type(apart) is bool):
        raise TypeError("a block has no name, or no codec")
    if not (type(size) is int and type(crc) is int and size >= 0):
        raise ValueError("a block has no size")
    return name, codec, size, crc, apart
