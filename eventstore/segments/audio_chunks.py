"""Chunks of sound, one behind the other, and apart again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

#: Bytes that are looked at.
_SAMPLE = 1 << 18


def join_chunks(chunks: Sequence[bytes], apart: bool) -> bytes:
    """Chunks behind each other.

    Args:
        apart: the last byte of each odd one goes behind all, so that every chunk begins a sample.
    """
    if not apart:
        return b"".join(chunks)
    even = [chunk[: len(chunk) // 2 * 2] for chunk in chunks]
    return b"".join(even) + b"".join(chunk[-1:] for chunk in chunks if len(chunk) % 2)


def split_chunks(data: bytes, sizes: Sequence[int], apart: bool) -> Iterator[bytes]:
    """The chunks of these sizes that were joined, as they are asked for.

    Raises:
        ValueError: the sizes are not theirs.
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
    """Whether chunks of 16-bit samples with odd sizes begin a sample each.

    Otherwise a sample goes on in the next chunk. What is out of step by a byte is noise.
    """
    if not any(len(chunk) % 2 for chunk in chunks[:-1]):
        return False
    return _noise(join_chunks(chunks, True)) < _noise(join_chunks(chunks, False))


def _noise(data: bytes) -> int:
    data = data[:_SAMPLE]
    samples = np.frombuffer(data, "<i2", len(data) // 2).astype(np.int32)
    return int(np.abs(np.diff(samples)).sum())
