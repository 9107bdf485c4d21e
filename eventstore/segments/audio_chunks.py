"""Join the audio chunks of many events into one block of a segment, and split it again.

Called by pack.py and unpack.py. A chunk is the audio of one event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

#: How many bytes are enough to compare the noise.
_SAMPLE = 1 << 18


def join_chunks(chunks: Sequence[bytes], apart: bool) -> bytes:
    """Return chunks joined to one block.

    Args:
        chunks: The chunks.
        apart: True to move the last byte of each chunk with an odd size to the end of the block,
            so that every chunk begins with a whole sample of 16 bits.
    """
    if not apart:
        return b"".join(chunks)
    even = [chunk[: len(chunk) // 2 * 2] for chunk in chunks]
    return b"".join(even) + b"".join(chunk[-1:] for chunk in chunks if len(chunk) % 2)


def split_chunks(data: bytes, sizes: Sequence[int], apart: bool) -> Iterator[bytes]:
    """Return an iterator of the chunks that `join_chunks` joined.

    Args:
        data: The block.
        sizes: The sizes of the chunks in bytes.
        apart: As it was given to `join_chunks`.

    Raises:
        ValueError: The sizes are not those of the chunks in the block.
    """
    if sum(sizes) != len(data) or min(sizes, default=0) < 0:
        raise ValueError("the sizes of the chunks are not those of the sound")
    if not apart:
        return _pieces(data, sizes)
    even = [size // 2 * 2 for size in sizes]
    odd = iter(data[sum(even) :])
    chunks = zip(_pieces(data, even), sizes, strict=True)
    return (chunk + bytes([next(odd)]) if size % 2 else chunk for chunk, size in chunks)


def _pieces(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    ends = list(accumulate(sizes))
    return map(data.__getitem__, map(slice, [0, *ends], ends))


def begin_samples(chunks: Sequence[bytes]) -> bool:
    """Return True if each chunk of 16-bit samples begins with a whole sample, despite odd sizes.

    Otherwise a sample continues in the next chunk. The joined audio with less noise tells: samples
    that are shifted by a byte are noise.
    """
    if not any(len(chunk) % 2 for chunk in chunks[:-1]):
        return False
    return _noise(join_chunks(chunks, True)) < _noise(join_chunks(chunks, False))


def _noise(data: bytes) -> int:
    """Return the sum of the differences of neighbouring samples at the beginning of audio."""
    data = data[:_SAMPLE]
    samples = np.frombuffer(data, "<i2", len(data) // 2).astype(np.int32)
    return int(np.abs(np.diff(samples)).sum())
