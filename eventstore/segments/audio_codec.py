"""Compress the blocks of a segment without loss: audio samples with FLAC, other bytes with zstd.

Called by pack.py and unpack.py. FLAC predicts samples of 16 bits. G.711 bytes are replaced by
numbers in the order of their loudness first, so that FLAC can predict these, too.
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
#: The codec of erased audio: only the sizes of its chunks are left.
ERASED_AUDIO = "erased"

# FLAC needs a sample rate, but the result does not depend on it.
_RATE = 24_000
_LEVEL = 0.625
# The beginning of FLAC with one channel of 8 or 16 bits at this rate. The decoder would resample
# any other stream, and so change it.
_FLAC = re.compile(
    rb"fLaC[\0\x80]\0\0\x22.{10}\x05\xdc(?:\x00[\xf0-\xff]|\x00[\x70-\x7f])", re.DOTALL
)
#: How many samples are decoded in one piece.
_AT_ONCE = 1 << 18
_ZSTD = 9
#: The bytes by which a codec is chosen. Shorter audio than `_SHORT` would grow by FLAC's headers.
_SAMPLE, _SHORT = 1 << 15, 2048
_MIN_GAIN = 0.98
# If samples of 16 bits compress to this share, the data are such samples: nothing else does.
_SURELY = 0.7


def _ulaw_order() -> NDArray[np.uint8]:
    """Return a signed byte for each byte of mu-law (ITU-T G.711), in the order of loudness."""
    codes = np.arange(256, dtype=np.int16)
    loudness = 127 - (codes & 0x7F)
    return np.where(codes & 0x80, loudness, -1 - loudness).astype(np.int8).view(np.uint8)


def _alaw_order() -> NDArray[np.uint8]:
    """Return the same for A-law (ITU-T G.711), whose even bits are inverted on the wire."""
    codes = np.arange(256, dtype=np.int16)
    loudness = (codes ^ 0x55) & 0x7F
    return np.where(codes & 0x80, loudness, -1 - loudness).astype(np.int8).view(np.uint8)


_ORDERS = {ULAW: _ulaw_order(), ALAW: _alaw_order()}
_CODES = {name: np.argsort(order).astype(np.uint8) for name, order in _ORDERS.items()}


def choose_codec(data: bytes) -> str:
    """Return the codec that compresses the beginning of some audio best."""
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
    """Return data compressed by a codec."""
    return _PACKERS[codec](data)


def decompress(data: bytes | memoryview, codec: str, room: int) -> bytes:
    """Return the data that `compress` compressed.

    Args:
        data: The compressed data, which may be damaged or crafted.
        codec: The codec.
        room: The largest size of the result in bytes. The memory taken is bounded by it.

    Raises:
        ValueError: The data are damaged or larger than the room, or the codec is unknown.
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
    # The decompressor allocates the stated size before it reads the data.
    check_room(zstandard.get_frame_parameters(data).content_size, room)
    return zstandard.ZstdDecompressor().decompress(data)


def _flac(samples: NDArray[np.int16], subtype: str) -> bytes:
    stream = io.BytesIO()
    soundfile.write(
        stream, samples, _RATE, format="FLAC", subtype=subtype, compression_level=_LEVEL
    )
    return stream.getvalue()


def _unflac(data: bytes | memoryview, room: int) -> NDArray[np.int16]:
    """Return the samples of a FLAC stream, which must be at most `room`.

    The stream is read in pieces, because the number of samples that it states may be wrong.

    Raises:
        ValueError: The stream is no FLAC of this module, or has more samples.
    """
    data = bytes(data)
    if not _FLAC.match(data):
        raise ValueError("it is no FLAC of the one kind that segments hold")
    # miniaudio takes half of the time that soundfile takes (docs/benchmarks.md).
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
    # The first byte says whether the size is odd. If so, the last byte of the audio follows it.
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
