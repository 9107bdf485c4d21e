"""Place the chunks of streamed audio on the call's clock: docs/adr/0012. Called by timeline.py.

The network delays chunks, and never makes them early. So the smallest delay of the next chunks
tells the offset of the sender's sample clock to the call's clock. After a stall of the network the
delay goes back; after a pause of the sender it stays.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SecondsArray = NDArray[np.float64]

#: The smallest delay is looked for so many seconds ahead. A longer stall is taken for a pause.
AHEAD = 30.0
#: A delay that stays and is larger than this is a pause, in seconds.
REAL_GAP = 0.1
#: How fast the offset may change, in seconds a second. It changes the pitch by about a
#: thirtieth of a semitone.
SLEW = 0.002
#: Between two points of about this distance, in seconds, the offset changes in a straight line.
_KNOTS = 5.0


class PlacedChunks(NamedTuple):
    """The chunks of one stream on the call's clock.

    Attributes:
        starts, ends: When each chunk begins and ends, in seconds. A chunk ends where the next one
            begins, except before a pause.
        breaks: The indexes of the chunks that begin after a pause, and 0.
    """

    starts: SecondsArray
    ends: SecondsArray
    breaks: list[int]


def place_chunks(arrivals: array[float], sample_ends: array[float]) -> PlacedChunks:
    """Place the chunks of one stream on the call's clock.

    Args:
        arrivals: When each chunk arrived, in seconds on the call's clock; infinite if unknown.
        sample_ends: Where each chunk ends on the sender's sample clock, in seconds, rising.
    """
    count = len(arrivals)
    if not count:
        return PlacedChunks(np.empty(0), np.empty(0), [])
    offsets = array("d", bytes(8 * count))
    breaks: list[int] = []
    offset = end = previous_end = 0.0
    for i, floor in enumerate(_floors(arrivals, sample_ends)):
        end = sample_ends[i]
        reach = SLEW * (end - previous_end)
        if i == 0:
            offset = floor if floor < np.inf else 0.0
            breaks.append(0)
        elif floor < np.inf:
            if floor - offset > REAL_GAP:
                offset = floor
                breaks.append(i)
            else:
                offset += min(max(floor - offset, -reach), reach)
        offsets[i] = offset
        previous_end = end
    return _smoothed(np.frombuffer(offsets), np.frombuffer(sample_ends), breaks)


def _floors(arrivals: array[float], sample_ends: array[float]) -> array[float]:
    """Return for each chunk the smallest delay among it and the next `AHEAD` seconds of audio."""
    floors = array("d", bytes(8 * len(arrivals)))
    lowest: deque[tuple[float, float]] = deque()  # (end, delay), the smallest delay at the left
    for i in range(len(arrivals) - 1, -1, -1):
        end = sample_ends[i]
        late = arrivals[i] - end
        while lowest and lowest[-1][1] >= late:
            lowest.pop()
        lowest.append((end, late))
        while lowest[0][0] > end + AHEAD:
            lowest.popleft()
        floors[i] = lowest[0][1]
    return floors


def _smoothed(offsets: SecondsArray, sample_ends: SecondsArray, breaks: list[int]) -> PlacedChunks:
    """Replace the offsets by straight lines, so that the pitch does not change at every chunk."""
    starts, ends = np.empty_like(offsets), np.empty_like(offsets)
    for first, last in zip(breaks, [*breaks[1:], len(offsets)], strict=False):
        begins = sample_ends[first - 1] if first else 0.0
        bounds = np.concatenate(([begins], sample_ends[first:last]))
        places = np.concatenate((offsets[first : first + 1], offsets[first:last]))
        knots = np.searchsorted(bounds, np.arange(begins, bounds[-1], _KNOTS))
        knots = np.unique(np.concatenate((knots, [len(bounds) - 1])))
        moments = bounds + np.interp(bounds, bounds[knots], places[knots])
        starts[first:last], ends[first:last] = moments[:-1], moments[1:]
    return PlacedChunks(starts, ends, breaks)
