"""Decode the bytes of Realtime audio to samples: PCM16 at any rate, G.711 mu-law and A-law.

Used by rendering.py, peaks.py, sound_writer.py and the timeline.
"""

from __future__ import annotations

import binascii
from typing import Any

import numpy as np
import pybase64
from numpy.typing import NDArray

from eventstore.realtime.audio import bytes_per_ms
from eventstore.realtime.values import text

Json = dict[str, Any]
#: Samples of one channel, from -1 to 1.
Samples = NDArray[np.float32]

_FULL_SCALE = 32768


def _expand_ulaw() -> NDArray[np.int16]:
    """Return the 16-bit sample of each mu-law byte (ITU-T G.711).

    All bits of a byte are inverted. They are a sign, three bits of segment, four bits of step.
    """
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _expand_alaw() -> NDArray[np.int16]:
    """Return the 16-bit sample of each A-law byte (ITU-T G.711).

    The even bits of a byte are inverted. A sign bit that is set means a positive sample.
    """
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment, step = (code >> 4) & 7, ((code & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, step, (step + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


#: The 16-bit sample of each byte, by the format's type.
G711 = {"audio/pcmu": _expand_ulaw(), "audio/pcma": _expand_alaw()}


def decode_base64(audio: object) -> bytes:
    """Return the bytes of a base64 text, or no bytes if it is not a text or is broken."""
    encoded = text(audio) or ""
    try:
        return pybase64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def width(format_: Json) -> int:
    """Return how many bytes a sample has."""
    return 1 if format_["type"] in G711 else 2


def rate(format_: Json) -> int:
    """Return how many samples a second has."""
    return round(bytes_per_ms(format_) * 1000) // width(format_)


def silence(format_: Json) -> bytes:
    """Return the byte that silence consists of."""
    return {"audio/pcmu": b"\xff", "audio/pcma": b"\xd5"}.get(format_["type"], b"\0")


def to_samples(sound: bytes, format_: Json) -> Samples:
    """Return the samples of mono audio. Half a sample at the end is left out.

    Args:
        sound: The audio's bytes.
        format_: The audio's format, as `eventstore.realtime.audio.ga_format` returns it.
    """
    table = G711.get(format_["type"])
    if table is not None:
        pcm = table[np.frombuffer(sound, np.uint8)]
    else:
        pcm = np.frombuffer(sound, "<i2", len(sound) // 2).astype(np.int16)
    return pcm.astype(np.float32) / np.float32(_FULL_SCALE)


def to_pcm(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return 16-bit samples. The inverse of `to_samples`; samples beyond -1 and 1 are clipped."""
    scaled = np.rint(samples * np.float32(_FULL_SCALE))
    pcm: NDArray[np.int16] = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    return pcm
