"""Hold what a session's events say about its sound: every chunk, and what happened to it.

Filled by sound_events.py, read by timeline.py and playback.py. There are two clocks: seconds by
arrival times, and seconds by the samples alone, for a session whose arrival times are not known.
`ClockTimes` is the pair of both.
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
ClockTimes = tuple[float, float]


@dataclass
class Chunks:
    """Chunks of audio in one format that belong together, in their order.

    Attributes:
        format: The audio's format.
        item_id, response_id: The item and the response of the audio, if they are known.
        moment: When the first chunk arrived.
        index: The index of the content part that the chunks make up.
        seqs, parts: The event of each chunk, and the index of the content part in that event.
        sizes: How many bytes each chunk has.
        by_arrival, by_samples: When each chunk arrived, on either clock; infinite if unknown.
    """

    format: Json
    item_id: str | None = None
    response_id: str | None = None
    moment: ClockTimes = (0.0, 0.0)
    index: int = 0
    seqs: array[int] = field(default_factory=lambda: array("q"))
    parts: array[int] = field(default_factory=lambda: array("l"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    by_arrival: array[float] = field(default_factory=lambda: array("d"))
    by_samples: array[float] = field(default_factory=lambda: array("d"))

    def add(self, seq: int, size: int, moment: ClockTimes, part: int = 0) -> None:
        """Add a chunk at the end."""
        self.seqs.append(seq)
        self.parts.append(part)
        self.sizes.append(size)
        self.by_arrival.append(moment[0])
        self.by_samples.append(moment[1])


@dataclass
class SpokenTurn:
    """A turn of the user.

    Attributes:
        item_id: The item of the turn.
        came: When the first event of the turn arrived.
        start, end: Where the turn lies in the streamed audio, in seconds; None if not known.
        ended: When the event that ended the turn arrived.
    """

    item_id: str
    came: ClockTimes
    start: float | None = None
    end: float | None = None
    ended: ClockTimes | None = None


@dataclass
class ResponsePlayback:
    """What is known about the playback of a response.

    Attributes:
        format: The format of the response's audio.
        created: When the response began.
        started, stopped: When its playback began and ended, as the server's output buffer says.
        cut: When it was cut off; None if it was not.
        cleared: True if the server's output buffer reported the cut.
    """

    format: Json
    created: ClockTimes
    started: ClockTimes | None = None
    stopped: ClockTimes | None = None
    cut: ClockTimes | None = None
    cleared: bool = False


@dataclass
class SessionSound:
    """All that a timeline is built from.

    Attributes:
        clock: The clock of the arrivals.
        live: The streamed input, one entry for each format.
        live_end: The length of the streamed input so far, in seconds.
        created: Audio that the client put into items as a whole, by the seq of the event.
        output: The content parts of the assistant's items, in the order of their first sound. The
            key is the response, the item and the index of the part.
        spoken: The user's turns, by item.
        replies: The playback of responses, by response.
        truncations: How many milliseconds were heard, and when a client said so, by item and
            index of the content part.
        unknown: The sides (`input`, `output`) with a format that cannot be decoded.
    """

    clock: CallClock = field(default_factory=CallClock)
    live: list[Chunks] = field(default_factory=list)
    live_end: float = 0.0
    created: dict[int, Chunks] = field(default_factory=dict)
    output: dict[tuple[str | None, str | None, int], Chunks] = field(default_factory=dict)
    spoken: dict[str, SpokenTurn] = field(default_factory=dict)
    replies: dict[str, ResponsePlayback] = field(default_factory=dict)
    truncations: dict[tuple[str, int], tuple[int, ClockTimes]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    # The rest is state that the handlers of events need from one event to the next.
    now: ClockTimes = (0.0, 0.0)
    session: Json = field(default_factory=dict)
    requested: Json = field(default_factory=dict)
    rates: SampleRates = NO_SAMPLE_RATES
    zero: float | None = None
    shift: float = 0.0
    answered: float = 0.0
    waits: bool = False
    turn_start: float = 0.0
    speech_at: ClockTimes = (-1.0, -1.0)
    cancel_at: ClockTimes = (-1.0, -1.0)
    playing: str | None = None
    creates: Pending[ItemCreate] = field(default_factory=Pending)

    def input_format(self) -> Json | None:
        """Return the format of the user's audio now, or None if it cannot be decoded."""
        return self._known(stated_input_format(self.session or self.requested, self.rates), "input")

    def output_format(self) -> Json:
        """Return the format of the model's audio now."""
        return stated_output_format(self.session or self.requested, self.rates)

    def _known(self, format_: Json, side: str) -> Json | None:
        if format_ == UNKNOWN_FORMAT:
            self.unknown.add(side)
            return None
        return format_
