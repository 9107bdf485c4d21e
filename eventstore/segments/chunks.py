"""Chunks of sound, one behind the other, and apart again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Bytes that are looked at.
_SAMPLE = 1 << 18


def join(chunks: Sequence[bytes], apart: bool) -> bytes:
    """Chunks behind each other.

    Args:
        apart: the last byte of each odd one goes behind all, so that every chunk begins a sample.
    """
    if not apart:
        return b"".join(chunks)
    even = [chunk[: len(chunk) // 2 * 2] for chunk in chunks]
    return b"".join(even) + b"".join(chunk[-1:] for chunk in chunks if len(chunk) % 2)


def split(data: bytes, sizes: Sequence[int], apart: bool) -> list[bytes]:
    """The chunks of these sizes that were joined.

    Raises:
        ValueError: the sizes are not theirs.
    """
    if sum(sizes) != len(data) or any(size < 0 for size in sizes):
        raise ValueError("the sizes of the chunks are not those of the sound")
    chunks, place = [], 0
    odd = sum(size // 2 * 2 for size in sizes)
    for size in sizes:
        even = size // 2 * 2 if apart else size
        chunk = data[place : place + even]
        place += even
        if even < size:
            chunk += data[odd : odd + 1]
            odd += 1
        chunks.append(chunk)
    return chunks


def begin_samples(chunks: Sequence[bytes]) -> bool:
    """Whether chunks of 16-bit samples with odd sizes begin a sample each.

    Otherwise a sample goes on in the next chunk. What is out of step by a byte is noise.
    """
    if not any(len(chunk) % 2 for chunk in chunks[:-1]):
        return False
    return _noise(join(chunks, True)) < _noise(join(chunks, False))


def _noise(data: bytes) -> int:
    data = data[:_SAMPLE]
    samples = np.frombuffer(data, "<i2", len(data) // 2).astype(np.int32)
    return int(np.abs(np.diff(samples)).sum())
