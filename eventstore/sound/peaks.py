"""Compute how loud a call is: the lowest and the highest sample in each column of a picture.

The samples are used at their own rates, since a picture needs no common rate. Called by plot.py
and exports/waveform.py.
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
from eventstore.sound.timeline.layout import Stretch

Peaks = NDArray[np.float32]

#: At most so many columns a second; more cannot be seen in a short sound.
_FINEST = 8000
# Samples that are handled together: those of a few chunks.
_TOGETHER = 48_000


class _Run(NamedTuple):
    """Some samples of one stretch without a gap between them.

    Attributes:
        places: Indexes of samples, from 0.
        times: When each of these samples is heard, in seconds on the call's clock.
    """

    samples: Samples
    places: list[int]
    times: list[float]


def peaks(
    chosen: Selection, most: int, read: ReadSounds, check: Callable[[], None] | None = None
) -> Peaks:
    """Return the lowest and the highest sample of each column, for each channel.

    Args:
        chosen: The selection of a call.
        most: How many columns are wanted. A very short selection has fewer.
        read: Reads the bytes of chunks from the log.
        check: Called again and again. If it raises, the work ends with that exception.

    Returns:
        An array of the shape (channels, columns, 2): the lowest sample, then the highest.
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
    """Widen columns to the lowest and the highest of the samples that lie in them.

    Args:
        found: The columns of one channel; changed in place.
        edges: Where each column begins, and where the last one ends, in seconds.
    """
    first = max(0, int(np.searchsorted(edges, run.times[0], side="right")) - 1)
    last = min(int(np.searchsorted(edges, run.times[-1])), len(edges) - 1)
    *starts, stop = np.interp(edges[first : last + 1], run.times, run.places).astype(int).tolist()
    samples = run.samples[:stop]
    # A column that begins after the last of these samples has none of them.
    starts = [start for start in starts if start < len(samples)]
    if starts:
        low, high = found[first : first + len(starts)].T
        np.minimum(low, np.minimum.reduceat(samples, starts), out=low)
        np.maximum(high, np.maximum.reduceat(samples, starts), out=high)
