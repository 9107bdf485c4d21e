"""Writes what both sides of the Live sample call say: sound all the time, and fragments of text.

Times are in seconds of the session's timeline, which begins at `ZERO` of the call.
"""

from dataclasses import dataclass, field

import numpy as np

from tools.sample_call.script import RATE, Line
from tools.sample_call.voices import Pcm
from tools.sample_call.wire import Wire

#: When the timeline begins, in seconds from the call's start.
ZERO = 0.2
#: The server tells what was said in steps of so many milliseconds.
STEP_MS = 200
INPUT_MS, OUTPUT_MS = 40, 80
_ULAW_RATE = 8000
_BIAS, _CLIP = 0x84, 32635


@dataclass
class Side:
    """What one side says: its lines, each with the time at which it begins, and its sound."""

    said: list[tuple[float, Line, Pcm]] = field(default_factory=list)

    def say(self, at: float, line: Line, clip: Pcm, until: float | None = None) -> float:
        """Say a line, maybe cut off at a time, and return when it ends."""
        if until is not None:
            whole = len(clip)
            clip = clip[: round((until - at) * RATE)]
            words = line.text.split()
            line = Line(" ".join(words[: round(len(words) * len(clip) / whole)]))
        self.said.append((at, line, clip))
        return at + len(clip) / RATE

    def track(self, seconds: float) -> Pcm:
        """Return the side's whole sound, with its silence."""
        track = np.zeros(round(seconds * RATE), dtype=np.int16)
        for at, _, clip in self.said:
            start = round(at * RATE)
            track[start : start + len(clip)] = clip
        return track


def fragments(wire: Wire, side: Side, kind: str) -> None:
    """Write the transcript of a side: the words of each step that has some.

    Args:
        kind: `input` or `output`.
    """
    for at, line, clip in side.said:
        steps: dict[int, list[str]] = {}
        words = line.text.split()
        length = sum(map(len, words)) or 1
        before = 0
        for word in words:
            ms = (at + before / length * len(clip) / RATE) * 1000
            steps.setdefault(int(ms // STEP_MS) * STEP_MS, []).append(word)
            before += len(word)
        for place, (ms, some) in enumerate(steps.items()):
            text = " ".join(some)
            wire.server(
                ZERO + (ms + STEP_MS) / 1000 + 0.09 + wire.jitter(0.05),
                f"session.{kind}_transcript.delta",
                start_ms=ms,
                end_ms=ms + STEP_MS,
                delta=text if place == 0 else f" {text}",
            )


def ulaw(track: Pcm) -> bytes:
    """Return sound at 24 kHz as G.711 µ-law at 8 kHz."""
    step = RATE // _ULAW_RATE
    mean = track[: len(track) // step * step].reshape(-1, step).mean(axis=1)
    sign = np.where(mean < 0, 0x80, 0)
    size = np.minimum(np.abs(mean).astype(np.int64), _CLIP) + _BIAS
    exponent = np.floor(np.log2(size)).astype(np.int64) - 7
    mantissa = (size >> (exponent + 3)) & 0x0F
    encoded = ~(sign | (exponent << 4) | mantissa) & 0xFF
    return bytes(encoded.astype(np.uint8).tobytes())
