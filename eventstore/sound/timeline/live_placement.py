"""Decide where the audio of a GPT-Live session lies on the session's timeline. Pure.

A Live session has a timeline of its own, which begins with the first audio of the user. Fragments
of transcripts have exact places on it, but audio has none on the session's own connection. Nobody
documents whether the server sends its audio as one continuous stream, silence included, or only
while the model speaks. So the log decides, for each side:

1. The audio of a side is continuous if, at every event that tells how far the timeline is
   (`end_ms` of a fragment), the audio so far is at least as long as that, but for `SLACK`. If no
   event tells it, the arrivals of the side's own chunks do, counted from the first audio.
   Continuous audio is placed by its samples: each chunk begins where the one before ends, and the
   first one begins at 0. So is all audio if nothing is known of its time.
2. A chunk with a stated place (`start_ms`, which only sidebands have) begins there. Frames that
   were dropped leave a gap.
3. Any other chunk follows the one before, unless it comes more than `PAUSE` after that one's end.
   Then the side was silent, and the chunk is placed by its arrival, which the `start_ms` of
   fragments put on the timeline. A chunk without an arrival is placed behind all that events
   before it told.

A chunk never begins before the end of the one before, so that a side never overlaps itself, never
goes back, and loses no sound. Called by live_timeline.py.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from eventstore.sound.timeline.call_clock import LONGEST_CALL
from eventstore.sound.timeline.sample_clock import PlacedChunks

#: How much shorter than the timeline continuous audio may be, in seconds: what is on its way.
SLACK = 1.0
#: A chunk that comes later than this after the end of the one before begins after a silence. Less
#: is jitter of the network. In seconds.
PAUSE = 0.25
# Stated places are whole milliseconds: a smaller gap than this is none. In seconds.
_ROUNDING = 0.005


class ArrivedChunk(NamedTuple):
    """A chunk of audio, and what is known of its time. All times are on the session's timeline.

    Attributes:
        length: How long it sounds, in seconds.
        arrival: When it arrived, in seconds; infinite if that is unknown.
        told: How far the events before it told the timeline, in seconds.
        stated: Where the server says that it begins, in seconds; NaN if it does not say that.
    """

    length: float
    arrival: float
    told: float
    stated: float


def place_by_samples(sample_ends: Iterable[float]) -> PlacedChunks:
    """Place the chunks of continuous audio one after the other, from 0.

    Args:
        sample_ends: Where each chunk ends on the clock of the samples, in seconds.
    """
    ends = np.array(list(sample_ends), np.float64)
    return PlacedChunks(np.concatenate(([0.0], ends[:-1])), ends, [0]) if len(ends) else _NONE


def place_by_times(chunks: Iterable[ArrivedChunk]) -> PlacedChunks:
    """Place the chunks of audio that is not continuous, by what is known of the time of each."""
    starts, ends, breaks = array("d"), array("d"), []
    end = 0.0
    for number, chunk in enumerate(chunks):
        moment, tolerance = _moment(chunk)
        if number == 0 or moment > end + tolerance:
            begins = max(end, min(moment, LONGEST_CALL))
            if number == 0 or begins > end:
                breaks.append(number)
            end = begins
        starts.append(end)
        end += chunk.length
        ends.append(end)
    return PlacedChunks(np.array(starts), np.array(ends), breaks)


def _moment(chunk: ArrivedChunk) -> tuple[float, float]:
    """Return when a chunk begins, and how much later than the one before that may be."""
    if not math.isnan(chunk.stated):
        return chunk.stated, _ROUNDING
    return (chunk.arrival if chunk.arrival < math.inf else chunk.told), PAUSE


_NONE = PlacedChunks(np.empty(0), np.empty(0), [])
