"""Sound for pages: long silence is left out, and a player told where, so that it costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from eventstore.sound.rendering import Block, Silence
from eventstore.sound.selection import Selection

#: Silence on both sides that is longer is left out, but for so much of it, in seconds.
LONG_SILENCE, KEPT_SILENCE = 60, 2


class LeftOutSilence(NamedTuple):
    """Silence that was left out.

    Attributes:
        at: where it begins, in seconds since the session's first event.
        seconds: how long it is.
    """

    at: float
    seconds: float


def without_long_silence(
    blocks: Iterable[Block], rate: int, start: float, gaps: list[LeftOutSilence]
) -> Iterator[Block]:
    """The same blocks without long silence.

    Args:
        rate: samples a second.
        start: the moment of the first sample, in seconds since the session's first event.
        gaps: filled with what is left out, in order.
    """
    samples = 0
    for block in blocks:
        if isinstance(block, Silence) and block.samples > LONG_SILENCE * rate:
            kept = KEPT_SILENCE * rate
            gaps.append(
                LeftOutSilence(start + (samples + kept) / rate, (block.samples - kept) / rate)
            )
            samples += block.samples
            yield Silence(kept)
        else:
            samples += block.samples if isinstance(block, Silence) else len(block)
            yield block


def sounding_seconds(chosen: Selection) -> float:
    """Return how long a sound is without its long silence, in seconds; a little more at most."""
    spans = sorted(
        (max(float(one.starts[0]), chosen.start), min(float(one.ends[-1]), chosen.end))
        for tracks in chosen.channels
        for track in tracks
        for one in track
    )
    total, until = 0.0, chosen.start
    for start, end in [*spans, (chosen.end, chosen.end)]:
        total += min(max(0.0, start - until), LONG_SILENCE + 1) + max(0.0, end - max(start, until))
        until = max(until, end)
    return total
