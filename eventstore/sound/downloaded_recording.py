"""Take the sound of a GPT-Live session from the recording that its server stored.

The server gives it as a stereo file (`GET /v1/live/sessions/{id}/content`): the user left, the
assistant right, from the beginning of the session's timeline. Called by call_audio.py and plot.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.sound.rendering import ReadSounds
from eventstore.sound.timeline.call_clock import LONGEST_CALL
from eventstore.sound.timeline.layout import Stretch, Timeline

_CHANNELS = 2
_FORMATS = frozenset({"WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG"})
_LOWEST_RATE, _HIGHEST_RATE = 8000, 48_000
# Speech that a log tells of may end this much after the recording, in seconds.
_LATE = 2.0


class SoundSource(NamedTuple):
    """Where a session's sound is read from.

    Attributes:
        timeline: When each sound was heard.
        read: Reads the bytes of the timeline's chunks.
    """

    timeline: Timeline
    read: ReadSounds


@contextmanager
def recorded_source(timeline: Timeline, recording: Path | BinaryIO) -> Iterator[SoundSource]:
    """Open a downloaded recording, and put its sound in the place of the log's.

    Args:
        timeline: The timeline of the session by its log. Its turns stay.
        recording: The file, or a binary stream that can seek: WAV, FLAC or OGG.

    Raises:
        InvalidInputError: The session is no GPT-Live session, or the file is no such recording.
        OSError: The file cannot be opened.
    """
    if not timeline.live:
        raise InvalidInputError(
            "a downloaded recording belongs to a GPT-Live session, and this is none"
        )
    source = str(recording) if isinstance(recording, Path) else recording
    if isinstance(recording, Path):
        recording.open("rb").close()  # an error of the system says more than one of libsndfile
    try:
        file = soundfile.SoundFile(source)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise InvalidInputError(f"the recording cannot be read: {error}") from error
    with file:
        _check(file)
        yield SoundSource(_replaced(timeline, file), _Blocks(file).read)


def _check(file: soundfile.SoundFile) -> None:
    if file.format not in _FORMATS:
        raise InvalidInputError(f"the recording is {file.format}; use WAV, FLAC or OGG")
    if file.channels != _CHANNELS:
        count = "1 channel" if file.channels == 1 else f"{file.channels} channels"
        raise InvalidInputError(f"the recording has {count}; it must have 2, the user on the left")
    if not _LOWEST_RATE <= file.samplerate <= _HIGHEST_RATE or not file.seekable():
        raise InvalidInputError(f"a recording of {brief(file.samplerate)} samples a second")
    if not 0 < file.frames <= LONGEST_CALL * file.samplerate:
        raise InvalidInputError("the recording has no sound, or is longer than a day")


def _replaced(timeline: Timeline, file: soundfile.SoundFile) -> Timeline:
    """Return a timeline with the sound of a recording."""
    length = file.frames / file.samplerate
    last = max((turn.end for turn in timeline.turns), default=0.0)
    remarks = []
    if last > length + _LATE:
        remarks.append(
            f"the recording ends at {length:.1f} s, but the log tells of speech until"
            f" {last:.1f} s: it may be of another session"
        )
    return replace(
        timeline, streamed=[_channel(file, 0)], output=[_channel(file, 1)], fixtures=[],
        start=0.0, end=length, begin=0.0, unknown=(), muted=0.0, remarks=tuple(remarks),
    )  # fmt: skip


def _channel(file: soundfile.SoundFile, channel: int) -> Stretch:
    """Return a channel as chunks of one second each. Their seqs are the numbers of the seconds."""
    starts = np.arange(0, file.frames, file.samplerate)
    ends = np.minimum(starts + file.samplerate, file.frames)
    count, rate = len(starts), file.samplerate
    return Stretch(
        {"type": "audio/pcm", "rate": rate}, range(count), [channel] * count,
        ((ends - starts) * 2).tolist(), starts / rate, ends / rate, True,
    )  # fmt: skip


class _Blocks:
    """Reads seconds of a recording. The last one is kept, since both channels are read in turns."""

    def __init__(self, file: soundfile.SoundFile) -> None:
        self._file = file
        self._second = -1
        self._samples: NDArray[np.int16] = np.zeros((0, _CHANNELS), np.int16)

    def read(self, seqs: Sequence[int], parts: Sequence[int]) -> Iterator[bytes]:
        """Yield the bytes of chunks, given their seconds and their channels."""
        for second, channel in zip(seqs, parts, strict=True):
            if second != self._second:
                self._samples, self._second = self._decoded(second), second
            yield self._samples[:, channel].astype("<i2").tobytes()

    def _decoded(self, second: int) -> NDArray[np.int16]:
        rate = self._file.samplerate
        try:
            self._file.seek(second * rate)
            samples: NDArray[np.int16] = self._file.read(rate, dtype="int16", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise InvalidInputError(f"the recording is damaged: {error}") from error
        return samples
