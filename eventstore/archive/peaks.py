"""How loud a call is: the lowest and the highest sample of each stretch of time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

#: Samples a second are enough to draw.
RATE = 8000

Peaks = NDArray[np.float32]


def peaks(blocks: Iterable[NDArray[np.float32]], channels: int, seconds: float, most: int) -> Peaks:
    """The lowest and the highest sample for each column, for each channel: channel, column, 2.

    Args:
        blocks: the sound, `RATE` rows a second, a column for each channel.
        seconds: how long it is.
        most: columns, fewer where it is shorter than so many samples.
    """
    columns = min(most, max(1, int(seconds * RATE)))
    found = np.zeros((channels, columns, 2), np.float32)
    done = 0
    for block in blocks:
        places = (np.arange(done, done + len(block)) * columns / (seconds * RATE)).astype(int)
        firsts = np.flatnonzero(np.diff(places, prepend=-1))
        here = np.minimum(places[firsts], columns - 1)
        for channel, samples in enumerate(block.T):
            low, high = found[channel, here].T
            found[channel, here, 0] = np.minimum(low, np.minimum.reduceat(samples, firsts))
            found[channel, here, 1] = np.maximum(high, np.maximum.reduceat(samples, firsts))
        done += len(block)
    return found
