"""The layout of a call's sound in time: stretches of sound, turns, and the timeline of both. Pure.

Called by timeline.py and live_timeline.py, which build timelines, and by all that reads them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventstore.realtime.audio import bytes_per_ms
from eventstore.sound.timeline.sample_clock import PlacedChunks
from eventstore.sound.timeline.session_sound import Chunks

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
        fixtures: Prepared sounds that the server played in a GPT-Live session.
        turns: The turns of both sides, in the order of their starts.
        start, end: From the first sound to the end of the last one; 0 and 0 without any sound.
        timed: True if arrival times are known. Otherwise the samples alone make the clock.
        shortened: How many seconds were left out of absurdly long pauses.
        unknown: The sides (`input`, `output`) with audio in a format that cannot be decoded.
        live: True for a GPT-Live session. Then all times are on the session's timeline, and items
            and responses have no sound of their own: they are spans of their side's sound.
        zero: Where the timeline of a GPT-Live session begins, in seconds since the session's first
            event. Otherwise 0: the clock begins with the first event.
        begin: Where a file of the whole call begins. Sound before that is in it, too.
        muted: For how many seconds of the user's sound the model heard silence instead.
        remarks: What else a listener should know, one line each.
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
    fixtures: list[Stretch] = field(default_factory=list)
    live: bool = False
    zero: float = 0.0
    begin: float = 0.0
    muted: float = 0.0
    remarks: tuple[str, ...] = ()


class PlacedStream(NamedTuple):
    """The chunks of one stream on both clocks.

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


def sample_ends(runs: Sequence[Chunks]) -> NDArray[np.float64]:
    """Return where each chunk of a stream ends on the clock of its samples, in seconds.

    Args:
        runs: The chunks of the stream, one entry for each format.
    """
    ends, end = array("d"), 0.0
    for chunks in runs:
        sizes = np.frombuffer(chunks.sizes, np.int64)
        own = end + np.cumsum(sizes) / (bytes_per_ms(chunks.format) * 1000)
        ends.frombytes(own.tobytes())
        end = float(own[-1])
    return np.array(ends)


def stretches(runs: Sequence[Chunks], heard: PlacedStream) -> Iterator[Stretch]:
    """Yield a stream, split where its format changes and where a pause begins.

    Args:
        runs: The chunks of the stream, one entry for each format.
        heard: Where they lie.
    """
    first, breaks = 0, heard.placed.breaks
    begins = np.concatenate(([0.0], heard.sample_ends))
    for chunks in runs:
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
