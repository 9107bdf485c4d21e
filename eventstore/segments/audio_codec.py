"""Sound without loss, by what packs it best: FLAC for samples, zstd for what is none.

G.711 bytes are put in the order of their loudness first, so that FLAC can predict them.
"""

from __future__ import annotations

import io
import re
from array import array
from collections.abc import Callable

import miniaudio
import numpy as np
import soundfile
import zstandard
from numpy.typing import NDArray

from eventstore.segments.limits import check_room

PLAIN, PCM16, ULAW, ALAW = "zstd", "pcm16", "ulaw", "alaw"
#: Of sound whose chunks' sizes are known, and nothing else any more.
ERASED_AUDIO = "erased"

# Any rate: FLAC's frames do not depend on it, but the format wants one.
_RATE = 24_000
_LEVEL = 0.625
# One channel of 8 or 16 bits at that rate, as its first block says: another would be resampled.
_FLAC = re.compile(
    rb"fLaC[\0\x80]\0\0\x22.{10}\x05\xdc(?:\x00[\xf0-\xff]|\x00[\x70-\x7f])", re.DOTALL
)
#: Samples that are decoded at once.
_AT_ONCE = 1 << 18
_ZSTD = 9
#: Bytes that the codec is chosen by, and below which FLAC's own headers cost more than it gains.
_SAMPLE, _SHORT = 1 << 15, 2048
_MIN_GAIN = 0.98
# Taken for samples, nothing else becomes as small.
_SURELY = 0.7


def _ulaw_order() -> NDArray[np.uint8]:
    """For each byte of mu-law, its place by loudness as a signed byte (G.711)."""
    codes = np.arange(256, dtype=np.int16)
    loudness = 127 - (codes & 0x7F)
    return np.where(codes & 0x80, loudness, -1 - loudness).astype(np.int8).view(np.uint8)


def _alaw_order() -> NDArray[np.uint8]:
    """The same for A-law, whose even bits are inverted on the wire."""
    codes = np.arange(256, dtype=np.int16)
    loudness = (codes ^ 0x55) & 0x7F
    return np.where(codes & 0x80, loudness, -1 - loudness).astype(np.int8).view(np.uint8)


_ORDERS = {ULAW: _ulaw_order(), ALAW: _alaw_order()}
_CODES = {name: np.argsort(order).astype(np.uint8) for name, order in _ORDERS.items()}


def choose_codec(data: bytes) -> str:
    """The codec that packs the beginning of some sound best."""
    if len(data) < _SHORT:
        return PLAIN
    sample = data[:_SAMPLE]
    sizes = {PCM16: len(compress(sample, PCM16))}
    if sizes[PCM16] < _SURELY * len(sample):
        return PCM16
    sizes |= {name: len(compress(sample, name)) for name in (ULAW, ALAW)}
    best = min(sizes, key=lambda name: sizes[name])
    return best if sizes[best] < _MIN_GAIN * len(compress(sample, PLAIN)) else PLAIN


def compress(data: bytes, codec: str) -> bytes:
    """Sound packed by a codec."""
    return _PACKERS[codec](data)


def decompress(data: bytes | memoryview, codec: str, room: int) -> bytes:
    """The sound that was packed.

    Args:
        room: how many bytes it may be; no more is ever made.

    Raises:
        ValueError: the data are damaged, or would be more, or the codec is unknown.
    """
    unpacker = _UNPACKERS.get(codec)
    if unpacker is None:
        raise ValueError(f"unknown codec {codec[:40]!r}")
    try:
        return unpacker(data, room)
    except (zstandard.ZstdError, miniaudio.MiniaudioError) as error:
        raise ValueError(f"sound is damaged: {error}") from error


def _plain(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(_ZSTD).compress(data)


def _unplain(data: bytes | memoryview, room: int) -> bytes:
    # The size that it states is taken from the memory before a byte of it is looked at.
    check_room(zstandard.get_frame_parameters(data).content_size, room)
    return zstandard.ZstdDecompressor().decompress(data)


def _flac(samples: NDArray[np.int16], subtype: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(
        stream, samples, _RATE, format="FLAC", subtype=subtype, compression_level=_LEVEL
    )
    return stream.getvalue()


def _unflac(data: bytes | memoryview, room: int) -> NDArray[np.int16]:
    """Samples of a FLAC stream, `room` of them at most.

    The stream says how many there are, and may be wrong: it is read in pieces.
    """
    data = bytes(data)
    if not _FLAC.match(data):
        raise ValueError("it is no FLAC of the one kind that segments hold")
    # It takes half of the time that soundfile takes: docs/benchmarks.md.
    pieces = miniaudio.stream_memory(
        data, miniaudio.SampleFormat.SIGNED16, 1, _RATE, min(room + 1, _AT_ONCE)
    )
    found, samples = array("h"), 0
    for piece in pieces:
        samples += len(piece)
        check_room(samples, room)
        found.extend(piece)
    return np.frombuffer(found, np.int16)


def _pcm16(data: bytes) -> bytes:
    # A last odd byte stands before the samples; the first byte says whether there is one.
    even = len(data) // 2 * 2
    odd = data[even:]
    samples = np.frombuffer(data, "<i2", even // 2)
    return b"".join((bytes([len(odd)]), odd, _flac(samples, "PCM_16") if even else b""))


def _unpcm16(data: bytes | memoryview, room: int) -> bytes:
    begin = 1 + data[0]
    check_room(data[0], min(room, 1))
    flac = data[begin:]
    samples = _unflac(flac, room // 2).astype("<i2", copy=False).tobytes() if flac else b""
    return samples + bytes(data[1:begin]) if data[0] else samples


def _companded(codec: str) -> Callable[[bytes], bytes]:
    def packer(data: bytes) -> bytes:
        ordered = _ORDERS[codec][np.frombuffer(data, np.uint8)].view(np.int8)
        return _flac(ordered.astype(np.int16) << 8, "PCM_S8")

    return packer


def _uncompanded(codec: str) -> Callable[[bytes | memoryview, int], bytes]:
    def unpacker(data: bytes | memoryview, room: int) -> bytes:
        ordered = (_unflac(data, room) >> 8).astype(np.int8).view(np.uint8)
        return _CODES[codec][ordered].tobytes()

    return unpacker


_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    PLAIN: _plain,
    PCM16: _pcm16,
    ULAW: _companded(ULAW),
    ALAW: _companded(ALAW),
}
_UNPACKERS: dict[str, Callable[[bytes | memoryview, int], bytes]] = {
    PLAIN: _unplain,
    PCM16: _unpcm16,
    ULAW: _uncompanded(ULAW),
    ALAW: _uncompanded(ALAW),
}
