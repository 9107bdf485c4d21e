"""Synthesizes the two speakers of the sample call from one voice of hibari-tts."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.sample_call.script import RATE

Samples = NDArray[np.float64]
Pcm = NDArray[np.int16]

AGENT_SPEED = 1.05
AGENT_PEAK = 0.6
CALLER_SPEED = 1.34
CALLER_PEAK = 0.45
# Played at this fraction of its rate, the voice is deeper and sounds like another person.
CALLER_PITCH = 0.8
SENTENCE_PAUSE = 0.28
QUIET = 0.004
FADE = 0.03
MAX_PEAK = 32767


def voice() -> Any:
    """Load and return the synthesizer."""
    from hibari import Hibari  # type: ignore[import-not-found,import-untyped,unused-ignore]

    return Hibari()


def agent(tts: Any, text: str) -> Pcm:
    """Return a text in the assistant's voice, which is the synthesizer's own."""
    return _pcm(_sentences(tts, text, AGENT_SPEED), AGENT_PEAK)


def caller(tts: Any, text: str) -> Pcm:
    """Return a text in the customer's voice: read faster, then slowed down for a lower pitch."""
    return _pcm(_stretch(_sentences(tts, text, CALLER_SPEED), 1 / CALLER_PITCH), CALLER_PEAK)


def milliseconds(pcm: Pcm) -> float:
    """Return the length of a clip in milliseconds."""
    return len(pcm) * 1000 / RATE


def encode(pcm: Pcm) -> str:
    """Return little-endian 16-bit samples in base64, as Realtime's events have them."""
    return base64.b64encode(pcm.astype("<i2").tobytes()).decode("ascii")


def chunks(pcm: Pcm, ms: int) -> list[Pcm]:
    """Cut a clip into pieces of so many milliseconds; the last one may be shorter."""
    size = RATE * ms // 1000
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


def _sentences(tts: Any, text: str, speed: float) -> Samples:
    """Synthesize each sentence alone, so that the pauses between them have a known length."""
    pause = np.zeros(int(SENTENCE_PAUSE * RATE))
    parts: list[Samples] = []
    for number, sentence in enumerate(tts.split_sentences(text)):
        parts += [
            pause,
            _trim(np.asarray(tts(sentence, speed=speed, seed=number), dtype=np.float64)),
        ]
    return np.concatenate(parts[1:])


def _trim(samples: Samples) -> Samples:
    """Cut near silence at both ends, and fade the rest in and out."""
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    margin = int(FADE * RATE)
    cut = samples[max(loud[0] - margin, 0) : loud[-1] + margin].copy()
    ramp = np.linspace(0, 1, margin)
    cut[:margin] *= ramp
    cut[-margin:] *= ramp[::-1]
    return cut


def _stretch(samples: Samples, factor: float) -> Samples:
    """Resample to more points by padding the spectrum, which adds no aliases of the signal."""
    size = round(len(samples) * factor)
    return np.fft.irfft(np.fft.rfft(samples), size) * (size / len(samples))


def _pcm(samples: Samples, peak: float) -> Pcm:
    """Scale to a known peak, so that nothing clips, and round to 16 bits."""
    scaled = samples * (peak * MAX_PEAK / np.abs(samples).max())
    pcm: Pcm = np.round(scaled).astype(np.int16)
    return pcm
