"""Write and read a segment's bytes: a header that lists blocks, and the blocks with checksums.

Called by pack.py and unpack.py. store/log/segments and archive/segment_packing.py call it, too, to
read the blocks without unpacking them. The format:

1. `SEGMENT_MAGIC`;
2. the header's length and its CRC-32, 4 bytes each, little endian;
3. the header as JSON: `[first seq, events, [[name, codec, size, CRC-32, apart], …]]`;
4. the blocks, one behind the other.
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
    """A segment is damaged. The message says where.

    Attributes:
        sound: The direction and the type of the events whose audio is damaged, if nothing but
            audio is damaged; otherwise None.
    """

    def __init__(self, problem: str, sound: tuple[str, str] | None = None) -> None:
        super().__init__(problem)
        self.sound = sound


class SegmentBlock(NamedTuple):
    """A packed block of a segment.

    Attributes:
        name: The name of its contents (see pack.py).
        codec: The codec that packed it (see audio_codec.py).
        data: The packed bytes.
        apart: For audio: whether last bytes of odd chunks stand apart (see `join_chunks`).
    """

    name: str
    codec: str
    data: bytes | memoryview
    apart: bool = False


class SegmentContainer(NamedTuple):
    """The packed blocks of a segment.

    Attributes:
        first: The seq of the segment's first event.
        events: The number of its events.
        blocks: The blocks in their order.
        damaged: The indexes in `blocks` of those whose checksum is wrong.
    """

    first: int
    events: int
    blocks: list[SegmentBlock]
    damaged: set[int]


def write_container(first: int, events: int, blocks: Sequence[SegmentBlock]) -> bytes:
    """Return the bytes of a segment.

    Args:
        first: The seq of its first event.
        events: The number of its events.
        blocks: The packed blocks.
    """
    listed = [[b.name, b.codec, len(b.data), zlib.crc32(b.data), b.apart] for b in blocks]
    header = orjson.dumps([first, events, listed])
    head = _HEAD.pack(len(header), zlib.crc32(header))
    return b"".join((SEGMENT_MAGIC, head, header, *(block.data for block in blocks)))


def read_container(data: bytes) -> SegmentContainer:
    """Return the blocks of a segment's bytes, without unpacking them.

    Raises:
        SegmentError: The bytes are not those of a segment, or some are missing.
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
    """Return a block's entry of the header, after checking the types of its members."""
    if not (type(name) is str and type(codec) is str and type(apart) is bool):
        raise TypeError("a block has no name, or no codec")
    if not (type(size) is int and type(crc) is int and size >= 0):
        raise ValueError("a block has no size")
    return name, codec, size, crc, apart
