"""Compute when each word of a turn was said: from the server's times, or as an estimate. Pure.

Called by waveform.py and parquet/item_words.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

# A place this much after a boundary between two words lies in the second word. In letters.
_HAIR = 1e-6
# A loudness above this share of the turn's loudest value is speech. Time in a pause counts only
# this much compared with time in speech.
_SPEECH, _PAUSE = 0.08, 0.02
# At most so many points of a turn are used, since a turn may be stated to take a day.
_MOST = 60_000


def server_word_times(
    words: Sequence[str],
    spans: Sequence[tuple[float, float]],
    timed: Sequence[tuple[str, float, float]],
) -> list[float]:
    """Return the seconds at which words begin, by the times that the server stated.

    Args:
        words: The words of the turn, in order.
        spans: When the turn was heard: starts and ends in seconds, in order.
        timed: The server's times: some words, and where they begin and end in the turn's audio, in
            milliseconds. Several words of one entry are spread by their letters.
    """
    if not words or not spans or not any(_letters(said) for said, _, _ in timed):
        return []
    sizes = [_letters(word) for word in words]
    counts = [len(said.split()) for said, _, _ in timed]
    if sum(counts) == len(words):
        # As many words: they correspond one to one, also if some are written differently.
        ends = [0, *accumulate(counts)]
        letters = [sum(sizes[first:last]) for first, last in pairwise(ends)]
    else:
        letters = [_letters(said) for said, _, _ in timed]
    begins = list(accumulate(sizes, initial=0))
    knots = list(accumulate(letters, initial=0))
    places = np.repeat(knots, 2)[1:-1] * (begins[-1] / max(1, knots[-1]))
    moments = np.maximum.accumulate([time for _, *span in timed for time in span])
    # A word at a boundary between two entries begins with the second entry.
    in_audio = np.interp(np.array(begins[:-1]) + _HAIR, places, moments) / 1000
    # The turn's audio is heard in its spans, one after the other.
    lengths = list(accumulate((end - start for start, end in spans), initial=0.0))
    heard = np.repeat(lengths, 2)[1:-1]
    clock = [time for span in spans for time in span]
    return [float(at) for at in np.interp(in_audio, heard, clock)]


def _letters(said: str) -> int:
    return sum(not char.isspace() for char in said)


def estimated_word_times(
    words: Sequence[str],
    spans: Sequence[tuple[float, float]],
    loudness: NDArray[np.float32],
    per_second: float,
) -> list[float]:
    """Return the seconds at which words begin, estimated from their letters and the loudness.

    Args:
        words: The words of the turn, in order.
        spans: When the turn was heard: starts and ends in seconds, in order.
        loudness: The loudness of the turn's side, 0 to 1; empty if unknown.
        per_second: How many values of loudness a second has.
    """
    step = max(1 / per_second, sum(max(0.0, end - start) for start, end in spans) / _MOST)
    edges = [np.arange(start, end, step) for start, end in spans if end > start]
    if not words or not edges:
        return []
    moments = np.concatenate(edges)
    weights = _weights(moments, loudness, per_second)
    voiced = np.cumsum(weights)
    letters = [len(word) + 1 for word in words]
    begins = accumulate(letters[:-1], initial=0)
    shares = np.array(list(begins)) / sum(letters) * voiced[-1]
    places = np.minimum(np.searchsorted(voiced, shares, side="right"), len(moments) - 1)
    # A word begins after a pause, not in it.
    sounding = np.flatnonzero(weights > _PAUSE)
    if len(sounding):
        sounding = np.append(sounding, len(moments) - 1)
        places = np.maximum(places, sounding[np.searchsorted(sounding[:-1], places)])
    return [float(moments[place]) for place in places]


def _weights(
    moments: NDArray[np.float64], loudness: NDArray[np.float32], per_second: float
) -> NDArray[np.float64]:
    if not len(loudness):
        return np.ones(len(moments))
    places = np.clip((moments * per_second).astype(int), 0, len(loudness) - 1)
    heard = loudness[places]
    return np.where(heard > _SPEECH * max(float(heard.max()), 1e-6), 1.0, _PAUSE)
