"""A call's timeline: where every chunk of sound lies on the call's clock. Pure.

Seconds count from the session's first event. docs/adr/0012 says why it is laid out so.
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

#: Less than this, in seconds, is no difference: a stretch so near its own rate plays at it.
_STEADY = 1e-3


class Stretch(NamedTuple):
    """Chunks without a gap between them.

    Attributes:
        format: what they are in.
        seqs, parts: each chunk's event, and the content part in it.
        sizes: how many bytes of it are heard, from its start.
        starts, ends: seconds on the call's clock.
        steady: whether they play at exactly their own rate.
        item_id, response_id: whose they are; None for streamed input.
        offset: bytes of the same stream before them, which may have ended within a sample.
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
    """A time in which one side spoke.

    Attributes:
        start, end: seconds on the call's clock; of the assistant, what was heard.
        cut: whether it was interrupted or truncated.
    """

    side: Side
    item_id: str | None
    response_id: str | None
    start: float
    end: float
    cut: bool = False


@dataclass(frozen=True)
class Timeline:
    """Where a session's sound lies.

    Attributes:
        streamed: the user's streamed input, in order.
        created: audio that the client put into items whole, the user's too.
        output: what was heard of the assistant.
        turns: by their starts.
        start, end: from the first sound, or 0, to the last one.
        timed: whether arrivals are known; if not, the samples alone make the clock.
        shortened: seconds that were left out of absurdly long pauses.
        unknown: sides (`input`, `output`) with audio in a format that cannot be decoded.
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
    """Lay out a session's sound.

    Args:
        events: all of the session's, in order. They are read once.
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
    """Streamed input: where each chunk ends by the samples, and where on the call's clock."""

    sample_ends: NDArray[np.float64]
    placed: PlacedChunks

    def moment(self, position: float | None, ending: bool) -> float | None:
        """The call's moment of a position on the sample clock; None where there is none.

        Args:
            ending: at a pause, the moment before it, and not the one behind it.
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
    """Streamed input: split where its format changes, and at real gaps."""
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
    """A part of the assistant's: split where it was played late."""
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
    """Whole items at their arrival, one behind the other."""
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
    """The user's turns: on the input's clock where the log has the input, else by arrivals."""
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
    """What was played and is not in the log: audio of WebRTC and SIP goes another way."""
    present = {chunks.response_id for chunks in sound.output.values()}
    for response_id, reply in sound.replies.items():
        if reply.started is not None and response_id not in present:
            start = reply.started[clock]
            end = reply.stopped[clock] if reply.stopped is not None else start
            yield TimelineTurn(
                "assistant", None, response_id, start, max(start, end), reply.cleared
            )
