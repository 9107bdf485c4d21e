"""Where streamed audio lies on the call's clock: docs/adr/0012.

Chunks arrive late by what the network takes, never early. So the least lateness of those to come
tells how the sender's sample clock stands to the call's; a stall passes, a pause stays.
"""

from __future__ import annotations

from array import array
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.float64]

#: How far ahead the least lateness is looked for, in seconds: the longest stall that is told
#: from a pause.
AHEAD = 30.0
#: Lateness that stays and is more than this is a pause, in seconds.
REAL_GAP = 0.1
#: How fast the anchor follows, in seconds a second: a fiftieth of a semitone or so.
SLEW = 0.002
#: The anchor moves in straight lines of about so many seconds.
_KNOTS = 5.0


class PlacedChunks(NamedTuple):
    """Chunks on the call's clock.

    Attributes:
        starts, ends: seconds; a chunk ends where the next begins, save before a pause.
        breaks: chunks, by number, that begin after a pause, the first one among them.
    """

    starts: Seconds
    ends: Seconds
    breaks: list[int]


def place_chunks(arrivals: array[float], sample_ends: array[float]) -> PlacedChunks:
    """Place the chunks of one stream.

    Args:
        arrivals: when each came, in seconds on the call's clock; infinite where unknown.
        sample_ends: where each ends by the sender's sample clock, in seconds; never falls.
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
    """For each chunk the least lateness from there to `AHEAD` seconds of audio further."""
    floors = array("d", bytes(8 * len(arrivals)))
    lowest: deque[tuple[float, float]] = deque()  # ends and latenesses, the least at the left
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


def _smoothed(offsets: Seconds, sample_ends: Seconds, breaks: list[int]) -> PlacedChunks:
    """Straight lines between knots, so that the pitch does not waver from chunk to chunk."""
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
