"""When the assistant's audio was played: from its arrival on, in order, until it was cut. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventstore.realtime.audio import bytes_per_ms
from eventstore.sound.audio_formats import width
from eventstore.sound.timeline.session_sound import Chunks, ResponsePlayback, SessionSound

#: A chunk that comes this much after the one before has ended, in seconds, is played late.
UNDERRUN = 0.01


class PlayedPart(NamedTuple):
    """A part of an item as it was played.

    Attributes:
        sizes: how many bytes of each chunk were heard.
        starts, ends: seconds on the call's clock, of each chunk that was heard.
        spans: chunks without a gap between them, from and up to.
        start, end: of the whole.
        cut: whether it was silenced before its end.
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
    """The assistant's audio, part by part in the order of playing.

    Args:
        clock: 0 for that of the arrivals, 1 for that of the samples.
    """
    flushed = _flushes(sound, clock)
    free = -np.inf
    for chunks in sound.output.values():
        if not chunks.seqs:
            continue
        reply = sound.replies.get(chunks.response_id or "")
        start = max(chunks.moment[clock], free)
        if reply is not None and reply.started is not None:
            start = max(start, reply.started[clock])
        until, limit = _heard_until(sound, chunks, reply, flushed, clock)
        played = _play_part(chunks, clock, start, until, limit)
        free = max(free, played.end)
        yield played


def _flushes(sound: SessionSound, clock: int) -> dict[str | None, float]:
    """By response: when a truncation threw away what of it was still to be played."""
    of_item = {chunks.item_id: chunks.response_id for chunks in sound.output.values()}
    flushed: dict[str | None, float] = {None: np.inf}
    for (item_id, _), (_, told) in sound.truncations.items():
        response_id = of_item.get(item_id)
        if response_id is not None:
            flushed[response_id] = min(flushed.get(response_id, np.inf), told[clock])
    return flushed


def _heard_until(
    sound: SessionSound,
    chunks: Chunks,
    reply: ResponsePlayback | None,
    flushed: dict[str | None, float],
    clock: int,
) -> tuple[float, float]:
    """When a part fell silent at the latest, and how many bytes of it were heard at most."""
    until = reply.cut[clock] if reply is not None and reply.cut is not None else np.inf
    truncation = sound.truncations.get((chunks.item_id or "", chunks.index))
    if truncation is None:
        return min(until, flushed.get(chunks.response_id, np.inf)), np.inf
    # A client that truncates says how much it played, which is better than any moment, save the
    # one at which the server's own output buffer was cleared.
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
