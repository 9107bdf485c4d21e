"""How loud a call is: the lowest and the highest sample of each stretch of time.

Taken from the samples as they came: to draw them, they need no common rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventstore.sound import audio_formats
from eventstore.sound.audio_formats import Samples
from eventstore.sound.rendering import ReadSounds, sounding_stretches, whole_chunks
from eventstore.sound.selection import Selection
from eventstore.sound.timeline.timeline import Stretch

Peaks = NDArray[np.float32]

#: Columns a second of what is short: more are not seen.
_FINEST = 8000
# Samples that are looked at together: a few chunks.
_TOGETHER = 48_000


class _Run(NamedTuple):
    """Samples in a row.

    Attributes:
        places, times: some of their numbers, and when these are heard, in seconds.
    """

    samples: Samples
    places: list[int]
    times: list[float]


def peaks(
    chosen: Selection, most: int, read: ReadSounds, check: Callable[[], None] | None = None
) -> Peaks:
    """The lowest and the highest sample for each column, for each channel: channel, column, 2.

    Args:
        chosen: what is wanted of a call.
        most: columns; fewer where it is very short.
        read: gives the bytes of chunks.
        check: called again and again. What it raises ends the work.
    """
    seconds = chosen.end - chosen.start
    columns = min(most, max(1, int(seconds * _FINEST)))
    found = np.zeros((len(chosen.channels), columns, 2), np.float32)
    edges = np.linspace(chosen.start, chosen.end, columns + 1, dtype=np.float64)
    for channel, tracks in enumerate(chosen.channels):
        for stretch in sounding_stretches(chain.from_iterable(tracks), chosen.start, chosen.end):
            for run in _runs(stretch, chosen, read):
                if check is not None:
                    check()
                _widen(found[channel], run, edges)
    return found


def _runs(stretch: Stretch, chosen: Selection, read: ReadSounds) -> Iterator[_Run]:
    width = audio_formats.width(stretch.format)
    waiting, places, times = b"", [0], [0.0]
    for i, sound in whole_chunks(stretch, chosen.start, chosen.end, read):
        if not waiting:
            places, times = [0], [float(stretch.starts[i])]
        waiting += sound
        places.append(len(waiting) // width)
        times.append(float(stretch.ends[i]))
        if places[-1] >= _TOGETHER:
            yield _Run(audio_formats.to_samples(waiting, stretch.format), places, times)
            waiting = b""
    if waiting:
        yield _Run(audio_formats.to_samples(waiting, stretch.format), places, times)


def _widen(found: Peaks, run: _Run, edges: NDArray[np.float64]) -> None:
    """Let columns reach as far as the samples in them.

    Args:
        edges: where columns begin, and where the last one ends, in seconds.
    """
    first = max(0, int(np.searchsorted(edges, run.times[0], side="right")) - 1)
    last = min(int(np.searchsorted(edges, run.times[-1])), len(edges) - 1)
    *starts, stop = np.interp(edges[first : last + 1], run.times, run.places).astype(int).tolist()
    samples = run.samples[:stop]
    # A column that begins behind these samples has none of them.
    starts = [start for start in starts if start < len(samples)]
    if starts:
        low, high = found[first : first + len(starts)].T
        np.minimum(low, np.minimum.reduceat(samples, starts), out=low)
        np.maximum(high, np.maximum.reduceat(samples, starts), out=high)
