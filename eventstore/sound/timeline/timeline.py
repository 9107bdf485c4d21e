"""Lay out a call's sound in time: when each chunk was heard, and when each side spoke. Pure.

Seconds count from the session's first event; in a GPT-Live session they are those of its own
timeline (see live_timeline.py). docs/adr/0012 gives the reasons for this layout.
Called by call_audio.py, plot.py and exports/waveform.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from eventstore.realtime.audio import bytes_per_ms
from eventstore.realtime.events import StoredEvent
from eventstore.sound.timeline.layout import (
    PlacedStream,
    Stretch,
    Timeline,
    TimelineTurn,
    sample_ends,
    stretches,
)
from eventstore.sound.timeline.live_sound import LiveSound
from eventstore.sound.timeline.live_timeline import live_timeline
from eventstore.sound.timeline.playback import PlayedPart, playback_of_output
from eventstore.sound.timeline.sample_clock import place_chunks
from eventstore.sound.timeline.session_sound import Chunks, SessionSound
from eventstore.sound.timeline.sound_events import collect_sound


def build_timeline(events: Iterable[StoredEvent]) -> Timeline:
    """Build the timeline of a session.

    Args:
        events: All events of the session, in order. They are read once.
    """
    sound = collect_sound(events)
    return live_timeline(sound) if isinstance(sound, LiveSound) else _timeline(sound)


def _timeline(sound: SessionSound) -> Timeline:
    clock = 0 if sound.clock.timed else 1
    heard = _place_input(sound, clock)
    streamed = list(stretches(sound.live, heard))
    created = list(_created(sound.created.values(), clock))
    output: list[Stretch] = []
    turns = [*_spoken(sound, heard, clock), *_created_turns(created)]
    for played in playback_of_output(sound, clock):
        chunks = played.chunks
        output += _heard(played)
        turns.append(
            TimelineTurn("assistant", chunks.item_id, chunks.response_id, played.start, played.end,
                 played.cut)
        )  # fmt: skip
    turns += _played_elsewhere(sound, clock)
    every = [*streamed, *created, *output]
    return Timeline(
        streamed, created, output, sorted(turns, key=lambda turn: turn.start),
        min((float(one.starts[0]) for one in every), default=0.0),
        max((float(one.ends[-1]) for one in every), default=0.0),
        sound.clock.timed, sound.clock.shortened, tuple(sorted(sound.unknown)),
    )  # fmt: skip


def _place_input(sound: SessionSound, clock: int) -> PlacedStream:
    arrivals = array("d")
    for chunks in sound.live:
        arrivals.extend((chunks.by_arrival, chunks.by_samples)[clock])
    ends = sample_ends(sound.live)
    return PlacedStream(ends, place_chunks(arrivals, array("d", ends.tobytes())))


def _heard(played: PlayedPart) -> Iterator[Stretch]:
    """Yield the chunks of a part of the assistant's, split where it was played late."""
    chunks, offset = played.chunks, 0
    for first, last in played.spans:
        own = slice(first, last)
        sizes = played.sizes[own]
        yield Stretch(
            chunks.format, chunks.seqs[own], chunks.parts[own], sizes, played.starts[own],
            played.ends[own], True, chunks.item_id, chunks.response_id, offset,
        )  # fmt: skip
        offset += sum(sizes)


def _created(created: Iterable[Chunks], clock: int) -> Iterator[Stretch]:
    """Yield the audio of whole items at their arrival, one after the other."""
    free = -np.inf
    for chunks in created:
        free = max(free, chunks.moment[clock])
        ends = free + np.cumsum(np.array(chunks.sizes)) / bytes_per_ms(chunks.format) / 1000
        starts = np.concatenate(([free], ends[:-1]))
        free = float(ends[-1])
        yield Stretch(
            chunks.format, chunks.seqs, chunks.parts, chunks.sizes, starts, ends, True,
            chunks.item_id,
        )  # fmt: skip


def _created_turns(created: list[Stretch]) -> Iterator[TimelineTurn]:
    for stretch in created:
        yield TimelineTurn(
            "user", stretch.item_id, None, float(stretch.starts[0]), float(stretch.ends[-1])
        )


def _spoken(sound: SessionSound, heard: PlacedStream, clock: int) -> Iterator[TimelineTurn]:
    """Yield the user's turns: by the streamed audio if it is in the log, otherwise by arrivals."""
    last = float(heard.placed.ends[-1]) if len(heard.sample_ends) else None
    for spoken in sound.spoken.values():
        start, end = heard.moment(spoken.start, False), heard.moment(spoken.end, True)
        if start is None:
            start = spoken.came[clock]
        if end is None:
            end = spoken.ended[clock] if spoken.ended is not None else last
        yield TimelineTurn(
            "user", spoken.item_id, None, start, start if end is None else max(start, end)
        )


def _played_elsewhere(sound: SessionSound, clock: int) -> Iterator[TimelineTurn]:
    """Yield turns whose audio is not in the log: the audio of WebRTC and SIP goes another way."""
    present = {chunks.response_id for chunks in sound.output.values()}
    for response_id, reply in sound.replies.items():
        if reply.started is not None and response_id not in present:
            start = reply.started[clock]
            end = reply.stopped[clock] if reply.stopped is not None else start
            yield TimelineTurn(
                "assistant", None, response_id, start, max(start, end), reply.cleared
            )
