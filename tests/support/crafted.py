"""Segments that nobody sealed: crafted to take time, memory, or a reader's wits."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import orjson
import soundfile

from eventstore.segments import audio_codec
from eventstore.segments.container import SegmentBlock, read_container, write_container
from eventstore.segments.numbers import pack_numbers
from eventstore.segments.pack import CONSTANT

_RLE_BYTES = 128 * 1024


def inflating(size: int, byte: bytes = b"x") -> bytes:
    """A zstd frame of `size` bytes that are all the same: 4 bytes for each 128 kB."""
    head = struct.pack("<IBQ", 0xFD2FB528, 0b11100000, size)
    blocks = [min(_RLE_BYTES, size - begin) for begin in range(0, size, _RLE_BYTES)]
    found = [struct.pack("<I", length << 3 | 1 << 1)[:3] + byte for length in blocks]
    found[-1] = struct.pack("<I", blocks[-1] << 3 | 1 << 1 | 1)[:3] + byte
    return head + b"".join(found)


def plain(name: str, data: bytes) -> SegmentBlock:
    """A block of some bytes, packed as they are."""
    return SegmentBlock(name, audio_codec.PLAIN, audio_codec.compress(data, audio_codec.PLAIN))


def crafted(events: int, listed: list[Any], **blocks: SegmentBlock | list[SegmentBlock]) -> bytes:
    """A segment of events that are all of the first kind, but for the blocks that are given."""
    columns = sum(len(kind[4]) - 1 for kind in listed)
    no_times = pack_numbers([1] * events) + pack_numbers([])
    made: dict[str, Any] = {
        "kinds": plain("kinds", orjson.dumps(listed)),
        "rows": plain("rows", pack_numbers([0] * events) + no_times),
        "columns": plain("columns", bytes([CONSTANT]) * columns),
        "values": plain("values", b"\0" * max(0, columns - 1)),
        "ids": plain("ids", b""),
        **blocks,
    }
    sounds = made.pop("sounds", [])
    return write_container(1, events, [*made.values(), *sounds])


def kind(*pieces: str, offset: int | None = None, sound: int | None = None) -> list[Any]:
    """A line of the list of kinds."""
    return ["client", "x", offset, sound, list(pieces) or ["{}"]]


def silent_flac(samples: int) -> bytes:
    """FLAC of so many samples that are nothing."""
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", 24_000, 1, "PCM_16", format="FLAC") as file:
        for begin in range(0, samples, 1 << 20):
            file.write(np.zeros(min(1 << 20, samples - begin), np.int16))
    return stream.getvalue()


def bombs() -> dict[str, bytes]:
    """Segments of some kilobytes, each of which a reader could make gigabytes of."""
    numbers = pack_numbers([0]) + pack_numbers([1]) + pack_numbers([])
    many = 20_000
    flac = b"\0" + silent_flac(30_000_000)
    wave = b"\0RIFF" + bytes(100)
    return {
        **{
            f"{name} that inflate to 6 GB": crafted(
                1, [kind()], **{name: SegmentBlock(name, "zstd", inflating(6 << 30))}
            )
            for name in ("kinds", "rows", "columns", "values", "ids")
        },
        "values that say that they are an exabyte": crafted(
            1, [kind()], values=SegmentBlock("values", "zstd", inflating(1 << 17)[:5] + b"\xff" * 8)
        ),
        "a text that is the same in each row": crafted(many, [kind("x" * 1_000_000)]),
        "a value that is the same in each row": crafted(
            many, [kind("", "")], values=plain("values", b"v" * 1_000_000)
        ),
        "texts of nothing": crafted(
            1, [kind()], values=SegmentBlock("values", "zstd", inflating(30 << 20, b"\0"))
        ),
        "sound that inflates to 6 GB": crafted(
            1,
            [kind(offset=0, sound=0)],
            rows=plain("rows", numbers + pack_numbers([6 << 30])),
            sounds=[SegmentBlock("sound", "zstd", inflating(6 << 30))],
        ),
        "sound of more than its chunks": crafted(
            1,
            [kind(offset=0, sound=0)],
            rows=plain("rows", numbers + pack_numbers([100])),
            sounds=[SegmentBlock("sound", "pcm16", flac)],
        ),
        "sound that is a wave": crafted(
            1,
            [kind(offset=0, sound=0)],
            rows=plain("rows", numbers + pack_numbers([100])),
            sounds=[SegmentBlock("sound", "pcm16", wave)],
        ),
        "more rows than there are": crafted(1, [kind()]).replace(b"[1,1,", b"[1,9,"),
        "rows without end": write_container(1, 2**62, read_container(crafted(1, [kind()])).blocks),
        "unknown times without end": crafted(
            1, [kind()], rows=plain("rows", pack_numbers([0]) + pack_numbers([-(2**60)]) + b"\0")
        ),
    }
