"""Leave long silence out of a sound, and note where, so that a page of a long call stays small.

Called by call_audio.py. The player on the page skips the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from eventstore.sound.rendering import Block, Silence
from eventstore.sound.selection import Selection

#: Silence on both sides that is longer than the first number is left out, except for its beginning
#: of the second number. In seconds.
LONG_SILENCE, KEPT_SILENCE = 60, 2


class LeftOutSilence(NamedTuple):
    """A silence that was left out of a sound.

    Attributes:
        at: Where the left-out time begins, in seconds since the session's first event.
        seconds: How long it is, in seconds.
    """

    at: float
    seconds: float


def without_long_silence(
    blocks: Iterable[Block], rate: int, start: float, gaps: list[LeftOutSilence]
) -> Iterator[Block]:
    """Yield the same blocks without long silence.

    Args:
        rate: Samples a second.
        start: The time of the first sample, in seconds since the session's first event.
        gaps: What is left out is added here, in order.
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
    """Return how long a selection is without its long silence, in seconds, at most a little more.

    The length is computed from the timeline, before any sample is rendered.
    """
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
