"""Lay out a call's sound in time: when each chunk was heard, and when each side spoke. Pure.

Seconds count from the session's first event. docs/adr/0012 gives the reasons for this layout.
Called by call_audio.py, plot.py and exports/waveform.py.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventstore.realtime.audio import bytes_per_ms
from eventstore.realtime.events import StoredEvent
from eventstore.sound.timeline.playback import PlayedPart, playback_of_output
from eventstore.sound.timeline.sample_clock import PlacedChunks, place_chunks
from eventstore.sound.timeline.session_sound import Chunks, SessionSound
from eventstore.sound.timeline.sound_events import collect_sound

Side = Literal["user", "assistant"]
SIDES: tuple[Side, ...] = ("user", "assistant")

#: A smaller difference than this, in seconds, counts as none.
_STEADY = 1e-3


class Stretch(NamedTuple):
    """Chunks of sound without a gap between them.

    Attributes:
        format: The audio's format.
        seqs, parts: The event of each chunk, and the index of the content part in that event.
        sizes: How many bytes of each chunk are heard, from its start.
        starts, ends: When each chunk is heard, in seconds on the call's clock.
        steady: True if the chunks play at exactly their own sample rate.
        item_id, response_id: The item and the response; None for streamed input.
        offset: How many bytes of the same stream come before. They may end within a sample.
    """

    format: dict[str, Any]
    seqs: Sequence[int]
    parts: Sequence[int]
    sizes: Sequence[int]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    steady: bool
    item_id: str | None = None
    response_id: str | None = None
    offset: int = 0


class TimelineTurn(NamedTuple):
    """A span of time in which one side spoke.

    Attributes:
        side: `user` or `assistant`.
        item_id, response_id: The item and the response, if they are known.
        start, end: The span, in seconds on the call's clock. For the assistant it is what was
            heard.
        cut: True if the turn was interrupted or truncated.
    """

    side: Side
    item_id: str | None
    response_id: str | None
    start: float
    end: float
    cut: bool = False


@dataclass(frozen=True)
class Timeline:
    """When each sound of a session was heard.

    Attributes:
        streamed: The user's streamed input, in order.
        created: The user's audio that the client put into items as a whole.
        output: What was heard of the assistant.
        turns: The turns of both sides, in the order of their starts.
        start, end: From the first sound to the end of the last one; 0 and 0 without any sound.
        timed: True if arrival times are known. Otherwise the samples alone make the clock.
        shortened: How many seconds were left out of absurdly long pauses.
        unknown: The sides (`input`, `output`) with audio in a format that cannot be decoded.
    """

    streamed: list[Stretch]
    created: list[Stretch]
    output: list[Stretch]
    turns: list[TimelineTurn]
    start: float
    end: float
    timed: bool
    shortened: float
    unknown: tuple[str, ...]


def build_timeline(events: Iterable[StoredEvent]) -> Timeline:
    """Build the timeline of a session.

    Args:
        events: All events of the session, in order. They are read once.
    """
    sound = collect_sound(events)
    clock = 0 if sound.clock.timed else 1
    heard = _place_input(sound, clock)
    streamed = list(_streamed(sound, heard))
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


class _Input(NamedTuple):
    """The chunks of the streamed input on both clocks.

    Attributes:
        sample_ends: Where each chunk ends on the clock of the samples, in seconds.
        placed: Where each chunk lies on the call's clock.
    """

    sample_ends: NDArray[np.float64]
    placed: PlacedChunks

    def moment(self, position: float | None, ending: bool) -> float | None:
        """Return the time on the call's clock of a position on the clock of the samples.

        Args:
            position: In seconds of streamed audio; None returns None.
            ending: At a pause, return the time before the pause instead of the time after it.
        """
        if position is None or not len(self.sample_ends):
            return None
        last = len(self.sample_ends) - 1
        nearby = position - _STEADY if ending else position + _STEADY
        i = min(int(np.searchsorted(self.sample_ends, nearby)), last)
        start, end = self.placed.starts[i], self.placed.ends[i]
        begins = self.sample_ends[i - 1] if i else 0.0
        share = (position - begins) / (self.sample_ends[i] - begins)
        return float(start + min(max(0.0, share), 1.0) * (end - start))


def _place_input(sound: SessionSound, clock: int) -> _Input:
    arrivals, sample_ends, end = array("d"), array("d"), 0.0
    for chunks in sound.live:
        arrivals.extend((chunks.by_arrival, chunks.by_samples)[clock])
        sizes = np.frombuffer(chunks.sizes, np.int64)
        ends = end + np.cumsum(sizes) / (bytes_per_ms(chunks.format) * 1000)
        sample_ends.frombytes(ends.tobytes())
        end = float(ends[-1])
    return _Input(np.array(sample_ends), place_chunks(arrivals, sample_ends))


def _streamed(sound: SessionSound, heard: _Input) -> Iterator[Stretch]:
    """Yield the streamed input, split where its format changes and where a pause begins."""
    first, breaks = 0, heard.placed.breaks
    begins = np.concatenate(([0.0], heard.sample_ends))
    for chunks in sound.live:
        last, offset = first + len(chunks.seqs), 0
        within = slice(bisect_right(breaks, first), bisect_left(breaks, last))
        for here, there in pairwise([first, *breaks[within], last]):
            own = slice(here - first, there - first)
            starts, ends = heard.placed.starts[here:there], heard.placed.ends[here:there]
            warps = (starts - starts[0]) - (begins[here:there] - begins[here])
            steady = bool(np.max(np.abs(warps)) < _STEADY)
            sizes = chunks.sizes[own]
            yield Stretch(
                chunks.format, chunks.seqs[own], chunks.parts[own], sizes,
                starts, ends, steady, offset=offset,
            )  # fmt: skip
            offset += sum(sizes)
        first = last


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


def _spoken(sound: SessionSound, heard: _Input, clock: int) -> Iterator[TimelineTurn]:
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
