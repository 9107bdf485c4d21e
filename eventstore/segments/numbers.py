"""Pack columns of integers as planes of bytes, which compress far better than the numbers.

Called by pack.py and unpack.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eventstore.segments.limits import MAX_EVENTS

_WIDTH = 8


def pack_numbers(values: Sequence[int]) -> bytes:
    """Return integers of 64 bits as bytes: all lowest bytes, then all second bytes, and so on.

    The first byte of the result is the number of planes. Planes of zeros at the end are left out.
    """
    array = np.asarray(values, dtype="<i8")
    # Zigzag encoding: small negative numbers become small positive ones, with zeros above.
    folded = (array << 1) ^ (array >> 63)
    planes = folded.view(np.uint8).reshape(-1, _WIDTH).T
    used = max((number + 1 for number in range(_WIDTH) if planes[number].any()), default=0)
    return bytes([used]) + planes[:used].tobytes()


def unpack_numbers(data: bytes | memoryview, count: int) -> tuple[NDArray[np.int64], int]:
    """Return the integers that `pack_numbers` packed.

    Args:
        data: The packed integers; further bytes may follow.
        count: The number of integers.

    Returns:
        The integers, and the number of bytes that they took.

    Raises:
        ValueError: The data are too short, or a segment cannot have so many integers.
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
    array = (folded >> 1).astype(np.int64) ^ -(folded & 1).astype(np.int64)
    return array, size


def successive_differences(values: Sequence[int]) -> list[int]:
    """Return the first number, and then the difference of each number to the one before.

    Example:
        >>> successive_differences([10, 12, 15])
        [10, 2, 3]
    """
    return [after - before for before, after in zip([0, *values], values, strict=False)]
