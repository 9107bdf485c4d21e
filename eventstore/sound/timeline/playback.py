"""Compute when the assistant's audio was played: on arrival, in order, until it was cut. Pure.

Called by timeline.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventstore.realtime.audio import bytes_per_ms
from eventstore.sound.audio_formats import width
from eventstore.sound.timeline.session_sound import Chunks, ResponsePlayback, SessionSound

#: A chunk that arrives more than this after the end of the chunk before it was played late. In
#: seconds.
UNDERRUN = 0.01


class PlayedPart(NamedTuple):
    """A content part of the assistant's, as it was played.

    Attributes:
        chunks: All chunks of the part.
        sizes: How many bytes of each chunk were heard.
        starts, ends: When each chunk that was heard was played, in seconds on the call's clock.
        spans: Runs of chunks without a gap: the index of the first, and the index after the last.
        start, end: When the whole part was played, in seconds on the call's clock.
        cut: True if the part was cut off before its end.
    """

    chunks: Chunks
    sizes: array[int]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    spans: list[tuple[int, int]]
    start: float
    end: float
    cut: bool


def playback_of_output(sound: SessionSound, clock: int) -> Iterator[PlayedPart]:
    """Yield the content parts of the assistant's audio, in the order of playing.

    Args:
        clock: 0 for the clock of the arrivals, 1 for the clock of the samples.
    """
    discarded = _discarded_at(sound, clock)
    free = -np.inf
    for chunks in sound.output.values():
        if not chunks.seqs:
            continue
        reply = sound.replies.get(chunks.response_id or "")
        start = max(chunks.moment[clock], free)
        if reply is not None and reply.started is not None:
            start = max(start, reply.started[clock])
        until, limit = _heard_until(sound, chunks, reply, discarded, clock)
        played = _play_part(chunks, clock, start, until, limit)
        free = max(free, played.end)
        yield played


def _discarded_at(sound: SessionSound, clock: int) -> dict[str | None, float]:
    """Return, by response, when a truncation discarded the audio that was not yet played."""
    of_item = {chunks.item_id: chunks.response_id for chunks in sound.output.values()}
    discarded: dict[str | None, float] = {None: np.inf}
    for (item_id, _), (_, moment) in sound.truncations.items():
        response_id = of_item.get(item_id)
        if response_id is not None:
            discarded[response_id] = min(discarded.get(response_id, np.inf), moment[clock])
    return discarded


def _heard_until(
    sound: SessionSound,
    chunks: Chunks,
    reply: ResponsePlayback | None,
    discarded: dict[str | None, float],
    clock: int,
) -> tuple[float, float]:
    """Return when a part was cut at the latest, and how many bytes were heard at most."""
    until = reply.cut[clock] if reply is not None and reply.cut is not None else np.inf
    truncation = sound.truncations.get((chunks.item_id or "", chunks.index))
    if truncation is None:
        return min(until, discarded.get(chunks.response_id, np.inf)), np.inf
    # A client that truncates states how much it played. That is more exact than any time, except
    # the time at which the server cleared its own output buffer.
    cleared = reply is not None and reply.cleared
    return until if cleared else np.inf, truncation[0] * bytes_per_ms(chunks.format)


def _play_part(chunks: Chunks, clock: int, start: float, until: float, limit: float) -> PlayedPart:
    arrivals = (chunks.by_arrival, chunks.by_samples)[clock]
    second, whole = bytes_per_ms(chunks.format) * 1000, width(chunks.format)
    sizes, starts, ends, breaks = array("q"), array("d"), array("d"), []
    position, left, cut = start, limit, False
    for size, arrival in zip(chunks.sizes, arrivals, strict=True):
        late = position + UNDERRUN < arrival
        begins = arrival if late else position
        heard = min(size, left, (until - begins) * second)
        cut = heard < size
        heard = int(heard) // whole * whole if cut else size
        if heard > 0:
            if late or not sizes:
                breaks.append(len(sizes))
            position = begins + heard / second
            sizes.append(heard)
            starts.append(begins)
            ends.append(position)
            left -= heard
        if cut:
            break
    begun = starts[0] if starts else min(start, until)
    spans = list(zip(breaks, [*breaks[1:], len(sizes)], strict=False))
    end = position if starts else begun
    return PlayedPart(chunks, sizes, np.array(starts), np.array(ends), spans, begun, end, cut)
