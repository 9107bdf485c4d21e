"""Write the sound of a session to a file: user left, assistant right, at the times of the call.

Called by `EventStore.write_audio`, the HTTP API's sound, and exports/html.py.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.sound import audio_formats
from eventstore.sound.downloaded_recording import SoundSource, recorded_source
from eventstore.sound.erased_meanwhile import check_not_erased_since
from eventstore.sound.long_silence import LeftOutSilence, sounding_seconds, without_long_silence
from eventstore.sound.rendering import Block, ReadSounds, mix, render
from eventstore.sound.selection import Selection, select
from eventstore.sound.sound_writer import WAV_BYTES, AudioFormat, SoundLayout, write_samples
from eventstore.sound.timeline.layout import Side, Timeline
from eventstore.sound.timeline.sound_events import audio_of
from eventstore.sound.timeline.timeline import build_timeline

if TYPE_CHECKING:
    from eventstore.store.sessions.log import Log

AUDIO_FORMATS: tuple[AudioFormat, ...] = ("wav", "flac", "ogg")

#: How far a sound may lie from its time on the call's clock, in milliseconds, however long the
#: call is. docs/adr/0012 says for which sound this holds.
DRIFT_BOUND_MS = 20.0

LOWEST_RATE, HIGHEST_RATE = 8000, 48_000
# Two chunks with no more events than this between them are read by one query.
_READ_ALONG = 64


class SoundLimit(NamedTuple):
    """The most sound that one call may ask for.

    Attributes:
        seconds: The length, silence included, in seconds.
        size: The size without compression, in bytes (16 bits a sample).
    """

    seconds: float
    size: int


class AudioWritten(NamedTuple):
    """What was written to a sound file.

    Attributes:
        seconds: The length, in seconds.
        rate: Samples a second.
        channels: 2 for the user and the assistant; 1 if the selection has only one side.
        start: Where the file begins, in seconds since the session's first event; in a GPT-Live
            session, in seconds of its timeline.
        timed: True if arrival times are known. Otherwise the samples alone make the clock.
        drift_bound_ms: How far a sound may lie from its time, in milliseconds; None if not timed,
            and for a GPT-Live session.
        notes: What a listener should know, one line each.
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
    recording: Path | BinaryIO | None = None,
) -> AudioWritten:
    """Write the sound of a session, or a part of it, to a file or a stream.

    Args:
        target: A file, or a binary stream that can seek. An existing file is replaced when the
            whole sound is written.
        format: `wav` or `flac` (16 bits a sample), or `ogg` (Vorbis).
        item, response, side: Write only this item, response or side, in one channel. At most one
            of the three may be given. An item or a response of a GPT-Live session goes on to the
            next pause of its speaker, since its last word may sound on after `end_ms`.
        start, end: Write only this span, in seconds since the session's first event; in a GPT-Live
            session, in seconds of its timeline.
        rate: Samples a second, 8000 to 48000; by default the highest rate in the selection.
        progress: Called with the seconds that are written and the seconds in all. If it raises,
            the writing ends with that exception.
        limit: The most that may be asked for; None for any length.
        recording: A downloaded recording of a GPT-Live session: its sound is taken instead of the
            log's.

    Raises:
        NotFoundError: There is no such session, item or response, or the log has no sound of it.
        ErasedError: The session was erased meanwhile.
        ErasedMeanwhileError: The session's audio was erased meanwhile.
        InvalidInputError: An argument is wrong, or the sound is more than a WAV file can hold or
            than the limit.
        OSError: The target cannot be written.
    """
    version = log.revision(session_id)
    with sound_source(log, session_id, recording) as (timeline, read):
        chosen = select(
            timeline, item=item, response=response, side=side, start=start, end=end, read=read
        )
        rate = _checked_rate(rate, chosen)
        frames = _samples(chosen, rate)
        layout = SoundLayout(format, rate, len(chosen.channels), frames)
        if limit is not None:
            _check_limit(chosen, layout, limit)
        if format == "wav" and layout.uncompressed > WAV_BYTES:
            raise InvalidInputError("a WAV file holds 4 GB at most; write .flac, or a shorter span")
        blocks = selected_blocks(chosen, rate, read)
        with _opened(target) as stream:
            write_samples(stream, layout, blocks, _progress_of(layout, progress))
            check_not_erased_since(log, session_id, version)
    return _written(layout, chosen, timeline, timeline_notes(timeline))


@contextmanager
def sound_source(
    log: Log, session_id: str, recording: Path | BinaryIO | None
) -> Iterator[SoundSource]:
    """Open what a session's sound is read from: its log, or a downloaded recording.

    Raises:
        NotFoundError: There is no such session.
        InvalidInputError: The recording is none of a GPT-Live session.
        OSError: The recording cannot be opened.
    """
    timeline = build_timeline(log.events(session_id))
    if recording is None:
        yield SoundSource(timeline, sound_reader(log, session_id))
        return
    with recorded_source(timeline, recording) as source:
        yield source


def write_without_long_silence(
    log: Log, session_id: str, target: BinaryIO, limit: SoundLimit
) -> tuple[AudioWritten, list[LeftOutSilence]]:
    """Write the sound of a session as OGG, without its long silence.

    Args:
        target: A binary stream that can seek.
        limit: The most sound that may remain.

    Returns:
        What was written, and the silence that was left out, in order. Both count from the session's
        first event, also for a GPT-Live session.

    Raises:
        NotFoundError: There is no such session, or the log has no sound of it.
        InvalidInputError: More sound remains than the limit.
    """
    timeline = build_timeline(log.events(session_id))
    chosen = select(timeline)
    rate = _checked_rate(None, chosen)
    gaps: list[LeftOutSilence] = []
    blocks = selected_blocks(chosen, rate, sound_reader(log, session_id))
    blocks = without_long_silence(blocks, rate, chosen.start, gaps)
    frames = _samples(chosen, rate)
    layout = SoundLayout("ogg", rate, len(chosen.channels), frames)
    if sounding_seconds(chosen) > _longest(layout, limit):
        raise InvalidInputError("the sound is longer than what is given at once")
    write_samples(target, layout, blocks, lambda samples: None)
    notes = timeline_notes(timeline)
    # The page counts seconds from the session's first event.
    shifted = [gap._replace(at=gap.at + timeline.zero) for gap in gaps]
    if gaps:
        silence = sum(gap.seconds for gap in gaps)
        notes.append(f"{silence:,.0f} s of silence are left out of the sound")
    written = _written(layout, chosen, timeline, notes)
    return written._replace(start=written.start + timeline.zero), shifted


def _written(
    layout: SoundLayout, chosen: Selection, timeline: Timeline, notes: list[str]
) -> AudioWritten:
    seconds = layout.samples / layout.rate
    bound = DRIFT_BOUND_MS if timeline.timed and not timeline.live else None
    return AudioWritten(
        seconds, layout.rate, layout.channels, chosen.start, timeline.timed, bound, notes
    )


def selected_blocks(chosen: Selection, rate: int, read: ReadSounds) -> Iterator[Block]:
    """Yield the samples of a selection in blocks of one second.

    A block has a row for each sample and a column for each channel.

    Args:
        rate: Samples a second.
        read: Reads the bytes of chunks from the log.
    """
    first = round(chosen.start * rate)
    last = first + _samples(chosen, rate)
    channels = [
        [render(track, rate, chosen.start, chosen.end, read) for track in tracks]
        for tracks in chosen.channels
    ]
    return mix(channels, first, last, rate)


def _samples(chosen: Selection, rate: int) -> int:
    """Return how many samples a selection has. The error of binary fractions is rounded off."""
    return math.ceil(round((chosen.end - chosen.start) * rate, 3))


def timeline_notes(timeline: Timeline) -> list[str]:
    """Return what a listener should know about a call's timeline, one line each."""
    notes = []
    if not timeline.timed:
        notes.append("no arrival times are known: laid out by the samples alone, in order")
    if timeline.shortened > 0:
        notes.append(f"{timeline.shortened:.0f} s of pauses over an hour were left out")
    if timeline.muted > 0:
        notes.append(
            f"{timeline.muted:.1f} s of the user were muted: they are in the sound, but the model"
            " heard silence"
        )
    notes += timeline.remarks
    for side in timeline.unknown:
        notes.append(f"{side} audio in a format that cannot be decoded was left out")
    return notes


def default_rate(chosen: Selection) -> int:
    """Return the highest sample rate in a selection, at most 48000; 8000 if it has no sound."""
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
    if not isinstance(rate, int) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise InvalidInputError(f"a rate of {brief(rate)}: use {LOWEST_RATE} to {HIGHEST_RATE}")
    return rate


def sound_reader(log: Log, session_id: str) -> ReadSounds:
    """Return a function that reads chunks of a session's audio from the log.

    Chunks that are near each other in the log are read by one query.
    """

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
    """Yield the bytes of chunks by one query; no bytes for a chunk that is not there any more."""
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
    """Open a stream to write to. A file is put in its place when the whole sound is written."""
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
    """Raise InvalidInputError if a selection is over the limit. The error says what to ask for."""
    longest = _longest(layout, limit)
    seconds = chosen.end - chosen.start
    if seconds > longest:
        raise InvalidInputError(
            f"{seconds:,.0f} seconds of sound are more than the {longest:,.0f} that are given at"
            f" once; ask for a part, such as start={chosen.start:.0f} and"
            f" end={chosen.start + math.floor(longest):.0f}, then for the next"
        )


def _longest(layout: SoundLayout, limit: SoundLimit) -> float:
    """Return how many seconds of sound in this layout the limit allows."""
    return min(limit.seconds, limit.size / (layout.rate * layout.channels * 2))


def _progress_of(
    layout: SoundLayout, progress: Callable[[float, float], None] | None
) -> Callable[[int], None]:
    """Return a function that adds up samples and reports seconds: those done, and those in all."""
    done = 0

    def report(samples: int) -> None:
        nonlocal done
        done += samples
        if progress is not None:
            progress(done / layout.rate, layout.samples / layout.rate)

    return report
