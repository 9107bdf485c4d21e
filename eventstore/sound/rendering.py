"""Samples of a timeline, block by block: no more of a call is held than a few seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import soxr

from eventstore.sound import audio_formats
from eventstore.sound.audio_formats import Json, Samples
from eventstore.sound.timeline.sample_clock import SLEW
from eventstore.sound.timeline.timeline import Stretch

#: Gives the bytes of each chunk, by its event and content part, in the given order.
ReadSounds = Callable[[Sequence[int], Sequence[int]], Iterator[bytes]]


class SamplePiece(NamedTuple):
    """Samples, and the first one's number on the call's clock at the output's rate."""

    at: int
    samples: Samples


class Silence(NamedTuple):
    """So many samples of silence, on all channels."""

    samples: int


#: What comes out: a row for each sample and a column for each channel, or silence.
Block = Samples | Silence


class Resampler:
    """From one rate to another, at a ratio that may change a little on the way.

    Args:
        source: samples a second as they come.
        target: samples a second as they are wanted.
        steady: the ratio never changes.
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
        """More samples in.

        Args:
            wanted: how many samples they should become, where that is not steady.
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
        """What is still to come out."""
        empty = np.empty(0, np.float32)
        if self._stream is None:
            return empty
        rest: Samples = self._stream.resample_chunk(empty, last=True)
        return rest


def render(
    stretches: Iterable[Stretch], rate: int, start: float, end: float, read: ReadSounds
) -> Iterator[SamplePiece]:
    """The samples of a track's stretches, in order.

    Args:
        rate: samples a second that come out.
        start, end: what is wanted, in seconds on the call's clock; pieces may reach beyond.
    """
    for stretch in sounding_stretches(stretches, start, end):
        yield from _render_stretch(stretch, rate, start, end, read)


def sounding_stretches(stretches: Iterable[Stretch], start: float, end: float) -> Iterator[Stretch]:
    """The stretches that sound within a span of time."""
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
    """A stretch's chunks as whole samples, each with its place in the stretch.

    Args:
        start, end: what is wanted, in seconds on the call's clock; chunks may reach beyond.
    """
    first, last = _within(stretch, start, end)
    width = audio_formats.width(stretch.format)
    # A chunk can end within a sample: its half waits for the next chunk.
    skip, half = _skipped(stretch, first), b""
    sounds = read(stretch.seqs[first:last], stretch.parts[first:last])
    for i, sound in zip(range(first, last), sounds, strict=False):
        size = stretch.sizes[i]
        sound = half + sound[:size].ljust(size, audio_formats.silence(stretch.format))[skip:]
        whole = len(sound) // width * width
        skip, half = max(0, skip - size), sound[whole:]
        yield i, sound[:whole]


def _within(stretch: Stretch, start: float, end: float) -> tuple[int, int]:
    """The first chunk of a span of time, and the one behind its last."""
    first = int(np.searchsorted(stretch.ends, start, side="right"))
    return first, int(np.searchsorted(stretch.starts, end))


def _skipped(stretch: Stretch, first: int) -> int:
    """Bytes at the beginning of a chunk that belong to a sample of the one before."""
    width = audio_formats.width(stretch.format)
    return (stretch.offset + sum(stretch.sizes[:first])) % width


def _slices(sound: bytes, format_: Json, rate: int) -> Iterator[Samples]:
    """A second at a time: a client can put minutes into one event."""
    step = rate * audio_formats.width(format_)
    for begin in range(0, len(sound), step):
        yield audio_formats.to_samples(sound[begin : begin + step], format_)


def mix(
    channels: Sequence[Sequence[Iterator[SamplePiece]]], start: int, end: int, block: int
) -> Iterator[Block]:
    """Blocks of all channels: silence, and on it all that sounds.

    Silence of whole blocks is not made into samples: `Silence` says how long it is.

    Args:
        channels: the tracks of each, each track in order of time.
        start, end: numbers of the first sample, and of the one behind the last.
        block: samples in a block; the last may be shorter.
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
    """How many samples of silence come next: whole blocks, or all that is left."""
    moments = (piece.at for pieces in waiting for piece in pieces if piece is not None)
    sounds_at = min(moments, default=end)
    return end - begin if sounds_at >= end else max(0, sounds_at - begin) // block * block


def _add(mixed: Samples, begin: int, piece: SamplePiece) -> None:
    first, last = max(begin, piece.at), min(begin + len(mixed), piece.at + len(piece.samples))
    if first < last:
        mixed[first - begin : last - begin] += piece.samples[first - piece.at : last - piece.at]
