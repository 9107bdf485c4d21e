"""Columns of integers: as planes of bytes, which compress far better than the numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eventstore.segments.limits import MAX_EVENTS

_WIDTH = 8


def pack_numbers(values: Sequence[int]) -> bytes:
    """Integers of 64 bits: all first bytes, then all second ones, … as far as there are any."""
    array = np.asarray(values, dtype="<i8")
    # Small negative numbers shall have zeros above, as small positive ones have.
    folded = (array << 1) ^ (array >> 63)
    planes = folded.view(np.uint8).reshape(-1, _WIDTH).T
    used = max((number + 1 for number in range(_WIDTH) if planes[number].any()), default=0)
    return bytes([used]) + planes[:used].tobytes()


def unpack_numbers(data: bytes | memoryview, count: int) -> tuple[list[int], int]:
    """What `pack_numbers` packed.

    Returns:
        The integers, and how many bytes they took.

    Raises:
        ValueError: the data are too short, or there is no such number of integers.
    """
    if not 0 <= count <= MAX_EVENTS:
        raise ValueError("there is no such number of rows")
    used = data[0] if len(data) else _WIDTH + 1
    size = 1 + used * count
    if used > _WIDTH or len(data) < size:
        raise ValueError("a column of numbers is cut off")
    planes = np.zeros((count, _WIDTH), dtype=np.uint8)
    planes[:, :used] = np.frombuffer(data, np.uint8, used * count, 1).reshape(used, count).T
    folded = planes.view("<u8").reshape(count)
    array: NDArray[np.int64] = (folded >> 1).astype(np.int64) ^ -(folded & 1).astype(np.int64)
    return array.tolist(), size


def successive_differences(values: Sequence[int]) -> list[int]:
    """The first number, then each one's difference to the one before."""
    return [after - before for before, after in zip([0, *values], values, strict=False)]


def running_sums(values: Sequence[int]) -> list[int]:
    """What `differences` came from."""
    found, total = [], 0
    for value in values:
        total += value
        found.append(total)
    return found
