"""Write blocks of samples as a WAV, FLAC or OGG file. Long silence takes little work and memory.

Called by call_audio.py.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import soundfile

from eventstore.sound import audio_formats
from eventstore.sound.rendering import Block, Silence

AudioFormat = Literal["wav", "flac", "ogg"]

#: The most bytes of samples that a WAV file can hold: its header has 32 bits for the size.
WAV_BYTES = 2**32 - 1024
_SUBTYPES = {"flac": "PCM_16", "ogg": "VORBIS"}
_WIDTH = 2
# The longest silence that is written at once, in samples.
_AT_ONCE = 1 << 20


class SoundLayout(NamedTuple):
    """The form of a sound file.

    Attributes:
        format: The file's format.
        rate: Samples a second.
        channels: How many channels the file has.
        samples: How many samples each channel has in all.
    """

    format: AudioFormat
    rate: int
    channels: int
    samples: int

    @property
    def uncompressed(self) -> int:
        """Return the size of all samples without compression, in bytes (16 bits a sample)."""
        return self.samples * self.channels * _WIDTH


def write_samples(
    stream: BinaryIO, layout: SoundLayout, blocks: Iterable[Block], report: Callable[[int], None]
) -> None:
    """Write a whole sound file to a stream.

    Args:
        stream: A binary stream that can seek.
        layout: The form of the file.
        blocks: All samples, in order.
        report: Called after each block with its number of samples. If it raises, the writing ends
            with that exception.

    Raises:
        OSError: The stream cannot be written.
    """
    if layout.format == "wav":
        _write_wav(stream, layout, blocks, report)
        return
    kind = {"subtype": _SUBTYPES[layout.format], "format": layout.format}
    try:
        with soundfile.SoundFile(stream, "w", layout.rate, layout.channels, **kind) as file:
            for block in _parted(blocks):
                if isinstance(block, Silence):
                    file.write(np.zeros((block.samples, layout.channels), np.int16))
                else:
                    file.write(audio_formats.to_pcm(block))
                report(_length(block))
    except (soundfile.LibsndfileError, AssertionError) as error:
        raise OSError(f"the sound could not be written: {error}") from error


def _write_wav(
    stream: BinaryIO, layout: SoundLayout, blocks: Iterable[Block], report: Callable[[int], None]
) -> None:
    """Write a WAV file. In a new file, silence is skipped, so that it takes no space on disk."""
    start = stream.tell()
    is_empty = stream.seek(0, os.SEEK_END) == start
    stream.seek(start)
    stream.write(_wav_header(layout))
    width = layout.channels * _WIDTH
    ends_in_hole = False
    for block in _parted(blocks):
        ends_in_hole = isinstance(block, Silence) and is_empty
        if isinstance(block, Silence):
            size = block.samples * width
            if is_empty:
                stream.seek(size, os.SEEK_CUR)
            else:
                stream.write(bytes(size))
        else:
            stream.write(audio_formats.to_pcm(block).astype("<i2", copy=False).tobytes())
        report(_length(block))
    if ends_in_hole:  # a skip alone would not make the file longer
        stream.seek(-1, os.SEEK_CUR)
        stream.write(b"\0")


def _wav_header(layout: SoundLayout) -> bytes:
    size, width = layout.uncompressed, layout.channels * _WIDTH
    form = struct.pack(
        "<HHIIHH", 1, layout.channels, layout.rate, layout.rate * width, width, 8 * _WIDTH
    )
    riff = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
    return (
        riff + struct.pack("<4sI", b"fmt ", len(form)) + form + struct.pack("<4sI", b"data", size)
    )


def _parted(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield the same blocks with long silence in parts, so that `report` is called often enough."""
    for block in blocks:
        if not isinstance(block, Silence):
            yield block
            continue
        left = block.samples
        while left > 0:
            yield Silence(min(left, _AT_ONCE))
            left -= _AT_ONCE


def _length(block: Block) -> int:
    return block.samples if isinstance(block, Silence) else len(block)
