"""What is known of a session's sound: every chunk, and what happened to it. Plain data.

Two clocks run along: seconds by arrivals, and seconds by the samples alone, for a session whose
arrivals are not known. A `Moment` is the pair of both.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

from eventstore.projection.pending import ItemCreate, Pending
from eventstore.realtime.audio import (
    NO_SAMPLE_RATES,
    UNKNOWN_FORMAT,
    SampleRates,
    stated_input_format,
    stated_output_format,
)
from eventstore.sound.timeline.call_clock import CallClock

Json = dict[str, Any]
Moment = tuple[float, float]


@dataclass
class Chunks:
    """Audio in one format that belongs together, in its order.

    Attributes:
        format: what it is in.
        seqs, parts: the event of each chunk, and the content part in it where it holds several.
        sizes: bytes.
        by_arrival, by_samples: when each came, on either clock; infinite where unknown.
        item_id, response_id: whose it is, where that is known.
        moment: when it began to come.
        index: the content part that it is.
    """

    format: Json
    item_id: str | None = None
    response_id: str | None = None
    moment: Moment = (0.0, 0.0)
    index: int = 0
    seqs: array[int] = field(default_factory=lambda: array("q"))
    parts: array[int] = field(default_factory=lambda: array("l"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    by_arrival: array[float] = field(default_factory=lambda: array("d"))
    by_samples: array[float] = field(default_factory=lambda: array("d"))

    def add(self, seq: int, size: int, moment: Moment, part: int = 0) -> None:
        """One more chunk."""
        self.seqs.append(seq)
        self.parts.append(part)
        self.sizes.append(size)
        self.by_arrival.append(moment[0])
        self.by_samples.append(moment[1])


@dataclass
class SpokenTurn:
    """A turn of the user's, on the clock of the input's samples where that is known."""

    item_id: str
    came: Moment
    start: float | None = None
    end: float | None = None
    ended: Moment | None = None


@dataclass
class ResponsePlayback:
    """What is known of a response's playing.

    Attributes:
        format: what its audio comes in.
        created: when it began.
        started, stopped: when the server's output buffer says that it played.
        cut: when it was silenced; `cleared` says that the output buffer told so.
    """

    format: Json
    created: Moment
    started: Moment | None = None
    stopped: Moment | None = None
    cut: Moment | None = None
    cleared: bool = False


@dataclass
class SessionSound:
    """All that a timeline is made of.

    Attributes:
        clock: the arrivals' clock.
        live: streamed input, a stretch for each format; `live_end` is its sample clock.
        created: audio that clients put into items whole, by the seqs of its events.
        output: the parts of the assistant's items in the order of their first sound.
        spoken: the user's turns.
        replies: responses by id.
        truncations: milliseconds that were heard, by item and content part, and when it was said.
        unknown: formats that cannot be decoded.
    """

    clock: CallClock = field(default_factory=CallClock)
    live: list[Chunks] = field(default_factory=list)
    live_end: float = 0.0
    created: dict[int, Chunks] = field(default_factory=dict)
    output: dict[tuple[str | None, str | None, int], Chunks] = field(default_factory=dict)
    spoken: dict[str, SpokenTurn] = field(default_factory=dict)
    replies: dict[str, ResponsePlayback] = field(default_factory=dict)
    truncations: dict[tuple[str, int], tuple[int, Moment]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    # What one event leaves for the next.
    now: Moment = (0.0, 0.0)
    session: Json = field(default_factory=dict)
    requested: Json = field(default_factory=dict)
    rates: SampleRates = NO_SAMPLE_RATES
    zero: float | None = None
    shift: float = 0.0
    answered: float = 0.0
    waits: bool = False
    turn_start: float = 0.0
    speech_at: Moment = (-1.0, -1.0)
    cancel_at: Moment = (-1.0, -1.0)
    playing: str | None = None
    creates: Pending[ItemCreate] = field(default_factory=Pending)

    def input_format(self) -> Json | None:
        """What the user's audio comes in now; None where it cannot be decoded."""
        return self._known(stated_input_format(self.session or self.requested, self.rates), "input")

    def output_format(self) -> Json:
        """What the model's audio comes in now."""
        return stated_output_format(self.session or self.requested, self.rates)

    def _known(self, format_: Json, side: str) -> Json | None:
        if format_ == UNKNOWN_FORMAT:
            self.unknown.add(side)
            return None
        return format_
