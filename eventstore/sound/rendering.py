"""Render a timeline to samples, block by block, so that memory holds only seconds of a call.

Called by call_audio.py; peaks.py uses the same chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import soxr

from eventstore.sound import audio_formats
from eventstore.sound.audio_formats import Json, Samples
from eventstore.sound.timeline.layout import Stretch
from eventstore.sound.timeline.sample_clock import SLEW

#: Reads chunks from the log: given their seqs and their content parts, yields the bytes of each.
ReadSounds = Callable[[Sequence[int], Sequence[int]], Iterator[bytes]]


class SamplePiece(NamedTuple):
    """Some samples and their place in the output.

    Attributes:
        at: The number of the first sample, counted from the start of the call's clock.
        samples: The samples, at the output's rate.
    """

    at: int
    samples: Samples


class Silence(NamedTuple):
    """A block of silence on all channels.

    Attributes:
        samples: How many samples it lasts.
    """

    samples: int


#: A block of the output: a row for each sample and a column for each channel, or silence.
Block = Samples | Silence


class Resampler:
    """Changes the sample rate of a stretch, by a ratio that may vary a little on the way.

    Args:
        source: Samples a second of the input.
        target: Samples a second of the output.
        steady: True if the ratio never changes.
    """

    def __init__(self, source: int, target: int, steady: bool) -> None:
        self._stream: soxr.ResampleStream | None = None
        self._ratio = 0.0
        self._steady = steady
        if not steady:
            highest = source * (1 + 2 * SLEW)
            self._stream = soxr.ResampleStream(highest, target, 1, "float32", vr=True)
        elif source != target:
            self._stream = soxr.ResampleStream(source, target, 1, "float32")

    def feed(self, samples: Samples, wanted: float) -> Samples:
        """Return the output for more input samples. Some of it may come with a later call.

        Args:
            samples: The next input samples.
            wanted: How many samples they should become. Only used if the ratio is not steady.
        """
        if self._stream is None:
            return samples
        if not self._steady and len(samples) and wanted > 0:
            ratio = len(samples) / wanted
            if abs(ratio - self._ratio) > 1e-8:
                self._ratio = ratio
                self._stream.set_io_ratio(ratio, 1.0)
        resampled: Samples = self._stream.resample_chunk(samples)
        return resampled

    def rest(self) -> Samples:
        """Return the last samples of the output, after all input was fed."""
        empty = np.empty(0, np.float32)
        if self._stream is None:
            return empty
        rest: Samples = self._stream.resample_chunk(empty, last=True)
        return rest


def render(
    stretches: Iterable[Stretch], rate: int, start: float, end: float, read: ReadSounds
) -> Iterator[SamplePiece]:
    """Yield the samples of a track's stretches, in order.

    Args:
        rate: Samples a second of the output.
        start, end: The span that is wanted, in seconds on the call's clock. Pieces may reach
            beyond it.
        read: Reads the bytes of chunks from the log.
    """
    for stretch in sounding_stretches(stretches, start, end):
        yield from _render_stretch(stretch, rate, start, end, read)


def sounding_stretches(stretches: Iterable[Stretch], start: float, end: float) -> Iterator[Stretch]:
    """Yield the stretches of which some sound lies in a span of time."""
    return (one for one in stretches if one.ends[-1] > start and one.starts[0] < end)


def _render_stretch(
    stretch: Stretch, rate: int, start: float, end: float, read: ReadSounds
) -> Iterator[SamplePiece]:
    width = audio_formats.width(stretch.format)
    source = audio_formats.rate(stretch.format)
    resampler = Resampler(source, rate, stretch.steady)
    first, _ = _within(stretch, start, end)
    at = round((float(stretch.starts[first]) + _skipped(stretch, first) / width / source) * rate)
    for i, sound in whole_chunks(stretch, start, end, read):
        seconds = float(stretch.ends[i] - stretch.starts[i])
        per_sample = seconds * rate * width / stretch.sizes[i]
        for samples in _slices(sound, stretch.format, source):
            piece = resampler.feed(samples, len(samples) * per_sample)
            yield SamplePiece(at, piece)
            at += len(piece)
    yield SamplePiece(at, resampler.rest())


def whole_chunks(
    stretch: Stretch, start: float, end: float, read: ReadSounds
) -> Iterator[tuple[int, bytes]]:
    """Yield the chunks of a stretch, cut to whole samples, each with its index in the stretch.

    Args:
        start, end: The span that is wanted, in seconds on the call's clock. Chunks may reach
            beyond it.
        read: Reads the bytes of chunks from the log.
    """
    first, last = _within(stretch, start, end)
    width = audio_formats.width(stretch.format)
    # A chunk can end within a sample. The first half of this sample is kept for the next chunk.
    skip, half = _skipped(stretch, first), b""
    sounds = read(stretch.seqs[first:last], stretch.parts[first:last])
    for i, sound in zip(range(first, last), sounds, strict=False):
        size = stretch.sizes[i]
        sound = half + sound[:size].ljust(size, audio_formats.silence(stretch.format))[skip:]
        whole = len(sound) // width * width
        skip, half = max(0, skip - size), sound[whole:]
        yield i, sound[:whole]


def _within(stretch: Stretch, start: float, end: float) -> tuple[int, int]:
    """Return the index of the first chunk in a span of time, and the index after the last."""
    first = int(np.searchsorted(stretch.ends, start, side="right"))
    return first, int(np.searchsorted(stretch.starts, end))


def _skipped(stretch: Stretch, first: int) -> int:
    """Return how many bytes at the start of a chunk belong to a sample of the chunk before."""
    width = audio_formats.width(stretch.format)
    return (stretch.offset + sum(stretch.sizes[:first])) % width


def _slices(sound: bytes, format_: Json, rate: int) -> Iterator[Samples]:
    """Yield the samples of a chunk a second at a time: a client can put minutes into one event."""
    step = rate * audio_formats.width(format_)
    for begin in range(0, len(sound), step):
        yield audio_formats.to_samples(sound[begin : begin + step], format_)


def mix(
    channels: Sequence[Sequence[Iterator[SamplePiece]]], start: int, end: int, block: int
) -> Iterator[Block]:
    """Yield blocks of all channels, in which the tracks of a channel are added to each other.

    Silence of whole blocks is not made into samples: one `Silence` says how long it is.

    Args:
        channels: The tracks of each channel, each track in order of time.
        start, end: The number of the first sample, and the number after the last.
        block: How many samples a block has. The last block may be shorter.
    """
    waiting = [[next(track, None) for track in tracks] for tracks in channels]
    begin = start
    while begin < end:
        quiet = _quiet(waiting, begin, end, block)
        if quiet:
            yield Silence(quiet)
            begin += quiet
            continue
        stop = min(begin + block, end)
        mixed = np.zeros((stop - begin, len(channels)), np.float32)
        for channel, tracks in enumerate(channels):
            for number, track in enumerate(tracks):
                piece = waiting[channel][number]
                while piece is not None and piece.at < stop:
                    _add(mixed[:, channel], begin, piece)
                    if piece.at + len(piece.samples) > stop:
                        break
                    piece = next(track, None)
                waiting[channel][number] = piece
        yield mixed
        begin = stop


def _quiet(
    waiting: Sequence[Sequence[SamplePiece | None]], begin: int, end: int, block: int
) -> int:
    """Return how many samples of silence come next: whole blocks, or all that remain."""
    moments = (piece.at for pieces in waiting for piece in pieces if piece is not None)
    sounds_at = min(moments, default=end)
    return end - begin if sounds_at >= end else max(0, sounds_at - begin) // block * block


def _add(mixed: Samples, begin: int, piece: SamplePiece) -> None:
    first, last = max(begin, piece.at), min(begin + len(mixed), piece.at + len(piece.samples))
    if first < last:
        mixed[first - begin : last - begin] += piece.samples[first - piece.at : last - piece.at]
