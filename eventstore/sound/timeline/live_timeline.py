"""Lay out the sound of a GPT-Live session on the session's own timeline. Pure.

Second 0 is where the timeline begins: with the first audio of the user. So `start_ms` and `end_ms`
of items and words are places in the sound. live_placement.py has the rule for the chunks of each
side. Called by timeline.py.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eventstore.realtime.audio import PCM_FORMAT, bytes_per_ms
from eventstore.sound.timeline.call_clock import LONGEST_CALL
from eventstore.sound.timeline.layout import (
    PlacedStream,
    Side,
    Stretch,
    Timeline,
    TimelineTurn,
    sample_ends,
    stretches,
)
from eventstore.sound.timeline.live_placement import (
    SLACK,
    ArrivedChunk,
    place_by_samples,
    place_by_times,
)
from eventstore.sound.timeline.live_sound import Fixture, LiveSound, LiveStream
from eventstore.sound.timeline.sample_clock import PlacedChunks, place_chunks

_FIXTURE_SECOND = bytes_per_ms(PCM_FORMAT) * 1000
# A prepared sound is left out if the model's own audio covers this share of it: then it is in that.
_COVERED = 0.5


def live_timeline(sound: LiveSound) -> Timeline:
    """Build the timeline of a Live session."""
    zero = _zero(sound)
    streamed = list(_placed(sound, "user", zero))
    # What the model says begins when it arrives, so that starts put it on the timeline.
    began = sound.began if sound.began < math.inf else zero
    output = list(_placed(sound, "assistant", began))
    fixtures = list(_fixtures(sound, output, began))
    every = [*streamed, *output, *fixtures]
    muted = 0.0 if sound.muted_at is None else sound.heard() - sound.muted_at
    return Timeline(
        streamed, [], output, sorted(_turns(sound), key=lambda turn: turn.start),
        min((float(one.starts[0]) for one in every), default=0.0),
        max((float(one.ends[-1]) for one in every), default=0.0),
        sound.clock.timed, sound.clock.shortened, tuple(sorted(sound.unknown)), fixtures,
        live=True, zero=zero, begin=max(0.0, -zero), muted=sound.muted + muted,
    )  # fmt: skip


def _zero(sound: LiveSound) -> float:
    """Return where the timeline begins, in seconds since the session's first event; 0 if unknown.

    It begins with the first audio of the user. If the log has none, events tell their places, and
    the network can only make them late: the least delay tells when the timeline began at the
    latest.
    """
    told = sound.ended if sound.ended < math.inf else None
    own = None if sound.is_reflected("user") else sound.first_audio
    return next((moment for moment in (own, told, sound.started) if moment is not None), 0.0)


def _placed(sound: LiveSound, side: Side, zero: float) -> Iterator[Stretch]:
    stream = sound.stream(side)
    ends = sample_ends(stream.runs)
    arrivals = array("d")
    for chunks in stream.runs:
        arrivals.extend(chunks.by_arrival)
    by_arrival = np.array(arrivals) - zero
    placed = _place(sound, stream, side, ends, by_arrival)
    return stretches(stream.runs, PlacedStream(ends, placed))


def _place(
    sound: LiveSound,
    stream: LiveStream,
    side: Side,
    ends: NDArray[np.float64],
    arrivals: NDArray[np.float64],
) -> PlacedChunks:
    stated = np.array(stream.stated)
    if np.isnan(stated).all() and _is_continuous(sound, stream, side, ends):
        return place_by_samples(ends)
    if side == "user" and np.isfinite(arrivals).any():
        # A microphone sends in real time: its chunks end when they arrive.
        return place_chunks(array("d", arrivals.tobytes()), array("d", ends.tobytes()))
    lengths = np.diff(ends, prepend=0.0)
    chunks = zip(lengths, arrivals, stream.told, stated, strict=True)
    return place_by_times(ArrivedChunk(*map(float, one)) for one in chunks)


def _is_continuous(
    sound: LiveSound, stream: LiveStream, side: Side, ends: NDArray[np.float64]
) -> bool:
    """Return True if a side's audio is continuous, by the rule of live_placement.py."""
    if stream.behind > -math.inf:
        # A sideband may be attached in the middle of a call: its audio does not begin at 0.
        return stream.behind <= SLACK and not sound.is_reflected(side)
    if side == "user":
        return True
    arrivals = np.concatenate([np.array(chunks.by_arrival) for chunks in stream.runs] or [ends])
    known = np.isfinite(arrivals)
    return bool(np.all(arrivals[known] - _zero(sound) - ends[known] <= SLACK))


def _fixtures(sound: LiveSound, output: list[Stretch], zero: float) -> Iterator[Stretch]:
    """Yield the prepared sounds that are not in the model's audio already."""
    free = 0.0
    for fixture in sound.fixtures:
        start, length = max(free, _start(fixture, zero)), fixture.size / _FIXTURE_SECOND
        if _covered(output, start, start + length) >= _COVERED * length:
            continue
        free = start + length
        yield Stretch(
            PCM_FORMAT, [fixture.seq], [0], [fixture.size], np.array([start]), np.array([free]),
            True,
        )  # fmt: skip


def _start(fixture: Fixture, zero: float) -> float:
    if fixture.playing < math.inf:
        return min(fixture.playing - zero, LONGEST_CALL)
    return fixture.told


def _covered(output: list[Stretch], start: float, end: float) -> float:
    """Return for how many seconds of a span the model's audio sounds."""
    spans = ((max(start, float(one.starts[0])), min(end, float(one.ends[-1]))) for one in output)
    return sum(max(0.0, until - since) for since, until in spans)


def _turns(sound: LiveSound) -> Iterator[TimelineTurn]:
    """Yield what each side said, where the fragments of transcripts tell it."""
    for item in sound.speech.items.values():
        live = item.live
        if live is None or live.kind != "speech" or live.start_ms is None or live.end_ms is None:
            continue
        if live.end_ms / 1000 > LONGEST_CALL:
            continue
        side: Side = "user" if item.wire.get("role") == "user" else "assistant"
        yield TimelineTurn(
            side, item.id, item.response_id, live.start_ms / 1000, live.end_ms / 1000,
            item.response_id in sound.speech.interrupted,
        )  # fmt: skip
