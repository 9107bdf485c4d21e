"""Whatever a segment's bytes are, reading them ends in bounded memory, with rows or one error."""

from __future__ import annotations

import os
import random
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import voice_call
from support.crafted import bombs, crafted, kind, plain

from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import Frame, decode_columns
from eventstore.segments import audio_codec
from eventstore.segments.container import (
    SegmentBlock,
    SegmentContainer,
    SegmentError,
    read_container,
    write_container,
)
from eventstore.segments.limits import room_for
from eventstore.segments.pack import pack_segment
from eventstore.segments.unpack import unpack_segment

FUZZED = int(os.environ.get("FUZZED", "3000"))
ROOM = 1 << 20
#: What a reader may take for a segment of some kilobytes: one block of 32 MB, its copies, and air.
MOST_MB = 250

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["sound", "kinds", "zstd", "pcm16", "ulaw", "erased", "client"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


def rows_of(frames: list[Frame]) -> list[EventRow]:
    rows = []
    for seq, (direction, text, at) in enumerate(frames, 1):
        type_, frame, offset, audio, _ = decode_columns(text)
        size = None if audio is None else len(audio)
        rows.append(EventRow(seq, at, direction, type_, frame, offset, size, audio))
    return rows


CALL = pack_segment(
    rows_of([*voice_call().frames, Frame("client", b"\0binary"), Frame("server", "\0")])
)
BLOCKS = read_container(CALL)


def read_whole(data: bytes, frame_bytes: int | None = None) -> int | None:
    """How many rows a reader gets; None where it gets the one error instead."""
    try:
        for row in unpack_segment(data, frame_bytes=frame_bytes):
            assert isinstance(row, EventRow)
        found = sum(1 for _ in unpack_segment(data, lambda *kind: kind[0] == "client", sound=False))
    except SegmentError:
        return None
    return found


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in JSON."""
    yield path
    inner = enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places_of(one, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = list(value)
    changed[path[0]] = put(changed[path[0]], path[1:], new)
    return changed


def header(container: SegmentContainer) -> list[Any]:
    listed = [[b.name, b.codec, len(b.data), zlib.crc32(b.data), b.apart] for b in container.blocks]
    return [container.first, container.events, listed]


def with_header(value: Any) -> bytes:
    """The call's segment behind another header, with a checksum that is right."""
    text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    head = struct.pack("<II", len(text), zlib.crc32(text))
    return b"eventstore segment 1\n" + head + text + b"".join(bytes(b.data) for b in BLOCKS.blocks)


PLACES = list(places_of(header(BLOCKS)))


@given(st.sampled_from(PLACES), JSON)
def test_a_header_may_say_anything(path: tuple[Any, ...], new: Any) -> None:
    try:
        data = with_header(put(header(BLOCKS), path, new))
    except TypeError:  # an integer that orjson does not write
        return
    read_whole(data)


KINDS = orjson.loads(audio_codec.decompress(BLOCKS.blocks[0].data, "zstd", ROOM))
PLACES_OF_KINDS = list(places_of(KINDS))


@given(st.sampled_from(PLACES_OF_KINDS), JSON)
def test_kinds_of_rows_may_be_anything(path: tuple[Any, ...], new: Any) -> None:
    try:
        text = orjson.dumps(put(KINDS, path, new))
    except TypeError:
        return
    blocks = [plain("kinds", text), *BLOCKS.blocks[1:]]
    read_whole(write_container(BLOCKS.first, BLOCKS.events, blocks))


def test_bytes_that_are_changed_within_blocks_are_rows_or_an_error() -> None:
    chance = random.Random(FUZZED)
    read = 0
    for _ in range(FUZZED):
        blocks = list(BLOCKS.blocks)
        number = chance.randrange(len(blocks))
        name, codec, packed, apart = blocks[number]
        if codec == "zstd" and chance.random() < 0.9:
            data = bytearray(audio_codec.decompress(packed, codec, ROOM))
            mutate(chance, data)
            packed = audio_codec.compress(bytes(data), codec)
        else:
            data = bytearray(packed)
            mutate(chance, data)
            packed = bytes(data)
        blocks[number] = SegmentBlock(name, codec, packed, apart)
        read += read_whole(write_container(BLOCKS.first, BLOCKS.events, blocks)) is not None
    assert 0 < read < FUZZED


def mutate(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        place = chance.randrange(len(data) + 1)
        how = chance.randrange(4)
        if how == 0 and data:
            data[place % len(data)] ^= 1 << chance.randrange(8)
        elif how == 1:
            data[place:place] = chance.choice((b"\0", b"\xff" * 8, b"\x08", data[:place][-20:]))
        elif how == 2:
            del data[place : place + chance.choice((1, 1, 8, 1000))]
        elif data:
            data[place % len(data)] = chance.choice((0, 1, 8, 127, 128, 255))


BOMBS = bombs()


@pytest.mark.parametrize("name", BOMBS)
def test_what_would_take_gigabytes_is_refused(name: str) -> None:
    data = BOMBS[name]
    assert len(data) < 400_000
    assert read_whole(data) is None
    assert read_whole(data, frame_bytes=2**62) is None
    assert read_whole(data, frame_bytes=0) is None


def test_reading_them_takes_no_memory() -> None:
    code = "from segments.test_crafted_segment import print_memory; print_memory()"
    folder = Path(__file__).parent.parent
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    before, after = map(int, run.stdout.split())
    assert after - before < MOST_MB, f"{after - before} MB more for segments of some kilobytes"


def print_memory() -> None:
    """Print the most megabytes that this process has taken, before and behind reading all bombs."""
    read_whole(CALL)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    for data in BOMBS.values():
        read_whole(data)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def test_what_real_segments_are_has_room() -> None:
    silence = [Frame("client", "{}"), Frame("client", bytes(30_000_000))]
    data = pack_segment(rows_of(silence))
    assert read_whole(data, frame_bytes=30_000_002) == 2
    assert read_whole(data, frame_bytes=30_000) is None  # the log says that they are fewer
    assert room_for(100, 1, 0) > 10_000
    assert read_whole(crafted(20_000, [kind("{}")]), frame_bytes=40_000) == 20_000
