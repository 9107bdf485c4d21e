"""When each word of a turn was said: as the server told, or an estimate where it did not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

# Of a letter: less than any.
_HAIR = 1e-6
# Of a turn's loudest, what is still speech; and what a pause counts beside it.
_SPEECH, _PAUSE = 0.08, 0.02
# Moments of a turn that are looked at: a turn may be said to take a day.
_MOST = 60_000


def server_word_times(
    words: Sequence[str],
    spans: Sequence[tuple[float, float]],
    told: Sequence[tuple[str, float, float]],
) -> list[float]:
    """Seconds at which words begin, by the times that the server told of them.

    Args:
        words: in order.
        spans: when the turn was heard: starts and ends in seconds, in order.
        told: some words each, and where they begin and end on the turn's audio, in milliseconds.
            Words within one of them are spread by their letters.
    """
    if not words or not spans or not any(_letters(said) for said, _, _ in told):
        return []
    sizes = [_letters(word) for word in words]
    counts = [len(said.split()) for said, _, _ in told]
    if sum(counts) == len(words):
        # Word for word, also where a text is written otherwise than it was told.
        ends = [0, *accumulate(counts)]
        letters = [sum(sizes[first:last]) for first, last in pairwise(ends)]
    else:
        letters = [_letters(said) for said, _, _ in told]
    begins = list(accumulate(sizes, initial=0))
    knots = list(accumulate(letters, initial=0))
    places = np.repeat(knots, 2)[1:-1] * (begins[-1] / max(1, knots[-1]))
    moments = np.maximum.accumulate([time for _, *span in told for time in span])
    # Where one ends and another begins, a word begins with the other.
    in_audio = np.interp(np.array(begins[:-1]) + _HAIR, places, moments) / 1000
    # The audio is heard one span after the other.
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
    """Seconds at which words begin: by their share of the letters, over the time that has sound.

    Args:
        words: in order.
        spans: when the turn was heard: starts and ends in seconds, in order.
        loudness: 0 to 1, of the turn's side, `per_second` values a second; empty where unknown.
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
    # A word begins behind a pause, not in it.
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
