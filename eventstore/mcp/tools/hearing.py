"""The tool that hears: a stretch of a session as a WAV file. Called by registry.py."""

from __future__ import annotations

import io

from eventstore.mcp.answers import Answer
from eventstore.mcp.asking import Asker
from eventstore.mcp.bounds import one_line
from eventstore.mcp.tools.arguments import Hear
from eventstore.realtime.values import storable

#: The most sound that one answer has. The rate is lowered where that makes it fit.
MAX_SECONDS, MAX_SOUND_BYTES = 60.0, 2_000_000
_LOWER_RATES = (16_000, 8_000)
_WAV_HEADER = 44
# Seconds by which a sum of binary fractions may be off.
_ROUNDING = 0.001


def hear(asker: Asker, arguments: Hear) -> Answer:
    """Return a stretch of sound, and a line about it."""
    from eventstore.sound.call_audio import (  # numpy takes long to load
        AudioWritten,
        SoundLimit,
        default_rate,
        sound_source,
        write_audio,
    )
    from eventstore.sound.selection import select

    log = asker.timed_log()
    chosen_by = arguments.model_dump(exclude={"session_id"})
    in_parts = arguments.response is None and arguments.item is None
    with sound_source(log, arguments.session_id, None) as (timeline, read):
        chosen = select(timeline, read=read, **chosen_by)
        whole_end = timeline.end
        if in_parts and arguments.end is None:
            # Sound may begin a little before the session's first event.
            chosen_by["end"] = min(chosen.end, chosen.start + MAX_SECONDS)
            chosen = chosen._replace(end=chosen_by["end"])
        length, channels = chosen.end - chosen.start, len(chosen.channels)
        rate = _rate(default_rate(chosen), length, channels)
    stream = io.BytesIO()
    written: AudioWritten = write_audio(
        log,
        arguments.session_id,
        stream,
        "wav",
        rate=rate,
        limit=SoundLimit(MAX_SECONDS + _ROUNDING, MAX_SOUND_BYTES - _WAV_HEADER),
        progress=lambda *_: asker.check_time(),
        **chosen_by,
    )
    ends = written.start + written.seconds
    sides = "the user left, the assistant right" if written.channels == 2 else "one side"
    parts = [
        f"Sound of {storable(arguments.session_id)} from {written.start:.2f} s to {ends:.2f} s"
        f" ({written.seconds:.2f} s), {written.rate} Hz, {sides}.",
        *(f"Note: {note}." for note in written.notes),
    ]
    if in_parts and ends < whole_end - 0.01:
        parts.append(
            f"The session's sound goes on to {whole_end:.2f} s: call hear with start={ends:.2f}."
        )
    return Answer(one_line(" ".join(parts)), sound=stream.getvalue())


def _rate(rate: int, length: float, channels: int) -> int:
    """Return the rate of a sound: its own, or the highest lower one with which it fits."""
    rate = max(rate, _LOWER_RATES[-1])
    for tried in (rate, *(lower for lower in _LOWER_RATES if lower < rate)):
        if _WAV_HEADER + length * tried * channels * 2 <= MAX_SOUND_BYTES:
            return tried
    return _LOWER_RATES[-1]
