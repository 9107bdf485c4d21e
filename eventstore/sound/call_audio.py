"""A session's sound as a file: the user left, the assistant right, in true time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.sound import audio_formats
from eventstore.sound.erased_meanwhile import check_not_erased_since
from eventstore.sound.long_silence import LeftOutSilence, sounding_seconds, without_long_silence
from eventstore.sound.rendering import Block, ReadSounds, mix, render
from eventstore.sound.selection import Selection, select
from eventstore.sound.sound_writer import WAV_BYTES, AudioFormat, SoundLayout, write_samples
from eventstore.sound.timeline.sound_events import audio_of
from eventstore.sound.timeline.timeline import Side, Timeline, build_timeline

if TYPE_CHECKING:
    from eventstore.store.sessions.log import Log

FORMATS: tuple[AudioFormat, ...] = ("wav", "flac", "ogg")

#: How far a sound may lie from its moment on the call's clock, in milliseconds, at any length of
#: the call: docs/adr/0012 says of what sound.
DRIFT_BOUND_MS = 20.0

LOWEST_RATE, HIGHEST_RATE = 8000, 48_000
# Events between two chunks that are read along rather than asked for apart.
_READ_ALONG = 64


class SoundLimit(NamedTuple):
    """How much sound may be asked for at once.

    Attributes:
        seconds: its length, silence included.
        size: its bytes without compression, 16 bits a sample.
    """

    seconds: float
    size: int


class AudioWritten(NamedTuple):
    """What a file of sound holds.

    Attributes:
        seconds: its length.
        rate: samples a second.
        channels: 2: the user, the assistant; 1 for what has one side only.
        start: where it begins, in seconds since the session's first event.
        timed: whether arrivals are known; if not, the samples alone made the clock.
        drift_bound_ms: how far a sound may lie from its moment; None where it is not timed.
        notes: what a listener should know, a line each.
    """

    seconds: float
    rate: int
    channels: int
    start: float
    timed: bool
    drift_bound_ms: float | None
    notes: list[str]


def write_audio(
    log: Log,
    session_id: str,
    target: Path | BinaryIO,
    format: AudioFormat,
    *,
    item: str | None = None,
    response: str | None = None,
    side: Side | None = None,
    start: float | None = None,
    end: float | None = None,
    rate: int | None = None,
    progress: Callable[[float, float], None] | None = None,
    limit: SoundLimit | None = None,
) -> AudioWritten:
    """Write a session's sound: all of it, or what is selected.

    Args:
        target: a file, or a binary stream that can seek. A file that is there is replaced once
            all is written.
        format: `wav` and `flac` (16 bits), or `ogg` (Vorbis).
        item, response, side: that alone, in one channel. At most one of them.
        start, end: seconds since the session's first event.
        rate: samples a second, 8000 to 48000; by default the highest of what sounds.
        progress: called with the seconds done, and with all there are. What it raises ends the
            writing.
        limit: how much may be asked for; None for any length.

    Raises:
        NotFoundError: no such session, item or response, or no sound of it in the log.
        ErasedError, ErasedMeanwhileError: the session, or its audio, was erased meanwhile.
        InvalidInputError: a bad argument, more than a WAV file holds, or more than the limit.
        OSError: the target cannot be written.
    """
    version = log.revision(session_id)
    timeline = build_timeline(log.events(session_id))
    chosen = select(timeline, item=item, response=response, side=side, start=start, end=end)
    rate = _checked_rate(rate, chosen)
    frames = math.ceil((chosen.end - chosen.start) * rate)
    layout = SoundLayout(format, rate, len(chosen.channels), frames)
    if limit is not None:
        _check_limit(chosen, layout, limit)
    if format == "wav" and layout.uncompressed > WAV_BYTES:
        raise InvalidInputError("a WAV file holds 4 GB at most; write .flac, or a shorter span")
    blocks = selected_blocks(chosen, rate, sound_reader(log, session_id))
    with _opened(target) as stream:
        write_samples(stream, layout, blocks, _progress_of(layout, progress))
        check_not_erased_since(log, session_id, version)
    bound = DRIFT_BOUND_MS if timeline.timed else None
    return AudioWritten(
        frames / rate, rate, len(chosen.channels), chosen.start, timeline.timed, bound,
        timeline_notes(timeline),
    )  # fmt: skip


def write_without_long_silence(
    log: Log, session_id: str, target: BinaryIO, limit: SoundLimit
) -> tuple[AudioWritten, list[LeftOutSilence]]:
    """Write a session's sound as OGG without its long silence.

    Args:
        limit: of what is left.

    Returns:
        What the sound is, and what is left out of it.

    Raises:
        NotFoundError: there is no such session, or no sound of it in the log.
        InvalidInputError: what is left is more than the limit.
    """
    timeline = build_timeline(log.events(session_id))
    chosen = select(timeline)
    rate = _checked_rate(None, chosen)
    gaps: list[LeftOutSilence] = []
    blocks = selected_blocks(chosen, rate, sound_reader(log, session_id))
    blocks = without_long_silence(blocks, rate, chosen.start, gaps)
    frames = math.ceil((chosen.end - chosen.start) * rate)
    layout = SoundLayout("ogg", rate, len(chosen.channels), frames)
    if sounding_seconds(chosen) > min(limit.seconds, limit.size / (rate * layout.channels * 2)):
        raise InvalidInputError("the sound is longer than what is given at once")
    write_samples(target, layout, blocks, lambda samples: None)
    notes = timeline_notes(timeline)
    if gaps:
        silence = sum(gap.seconds for gap in gaps)
        notes.append(f"{silence:,.0f} s of silence are left out of the sound")
    bound = DRIFT_BOUND_MS if timeline.timed else None
    written = AudioWritten(
        frames / rate, rate, len(chosen.channels), chosen.start, timeline.timed, bound, notes
    )
    return written, gaps


def selected_blocks(chosen: Selection, rate: int, read: ReadSounds) -> Iterator[Block]:
    """What was selected, a second at a time: a row for each sample, a column for each channel."""
    first = round(chosen.start * rate)
    last = first + math.ceil((chosen.end - chosen.start) * rate)
    channels = [
        [render(track, rate, chosen.start, chosen.end, read) for track in tracks]
        for tracks in chosen.channels
    ]
    return mix(channels, first, last, rate)


def timeline_notes(timeline: Timeline) -> list[str]:
    """What a listener should know of a call's timeline."""
    notes = []
    if not timeline.timed:
        notes.append("no arrival times are known: laid out by the samples alone, in order")
    if timeline.shortened > 0:
        notes.append(f"{timeline.shortened:.0f} s of pauses over an hour were left out")
    for side in timeline.unknown:
        notes.append(f"{side} audio in a format that cannot be decoded was left out")
    return notes


def default_rate(chosen: Selection) -> int:
    """The highest rate of what sounds, as far as files have it."""
    rates = {
        audio_formats.rate(stretch.format)
        for tracks in chosen.channels
        for track in tracks
        for stretch in track
    }
    return min(max(rates, default=LOWEST_RATE), HIGHEST_RATE)


def _checked_rate(rate: int | None, chosen: Selection) -> int:
    if rate is None:
        return max(LOWEST_RATE, default_rate(chosen))
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise InvalidInputError(f"a rate of {rate}: use {LOWEST_RATE} to {HIGHEST_RATE}")
    return rate


def sound_reader(log: Log, session_id: str) -> ReadSounds:
    """A reader of a session's chunks from the log, and of little beside them."""

    def read(seqs: Sequence[int], parts: Sequence[int]) -> Iterator[bytes]:
        first = 0
        for last in range(1, len(seqs) + 1):
            if last < len(seqs) and seqs[last] - seqs[last - 1] <= _READ_ALONG:
                continue
            yield from _read_run(log, session_id, seqs[first:last], parts[first:last])
            first = last

    return read


def _read_run(
    log: Log, session_id: str, seqs: Sequence[int], parts: Sequence[int]
) -> Iterator[bytes]:
    i = 0
    for event in log.events(session_id, seqs[0], seqs[-1]):
        sounds = audio_of(event) if event.seq >= seqs[i] else []
        while i < len(seqs) and seqs[i] <= event.seq:
            found = seqs[i] == event.seq and parts[i] < len(sounds)
            yield sounds[parts[i]] if found else b""
            i += 1
        if i == len(seqs):
            return


@contextmanager
def _opened(target: Path | BinaryIO) -> Iterator[BinaryIO]:
    """A stream to write to; a file is put in its place once all is written."""
    if not isinstance(target, Path):
        yield target
        return
    path = Path(os.path.realpath(target))
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as stream:
            yield stream
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _check_limit(chosen: Selection, layout: SoundLayout, limit: SoundLimit) -> None:
    """Raises InvalidInputError where more is wanted than may be; it says what can be had."""
    a_second = layout.rate * layout.channels * 2
    longest = min(limit.seconds, limit.size / a_second)
    seconds = chosen.end - chosen.start
    if seconds > longest:
        raise InvalidInputError(
            f"{seconds:,.0f} seconds of sound are more than the {longest:,.0f} that are given at"
            f" once; ask for a part, such as start={chosen.start:.0f} and"
            f" end={chosen.start + math.floor(longest):.0f}, then for the next"
        )


def _progress_of(
    layout: SoundLayout, progress: Callable[[float, float], None] | None
) -> Callable[[int], None]:
    """Turn a count of samples into seconds done, and seconds there are."""
    done = 0

    def told(samples: int) -> None:
        nonlocal done
        done += samples
        if progress is not None:
            progress(done / layout.rate, layout.samples / layout.rate)

    return told
