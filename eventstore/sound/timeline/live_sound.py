"""Collect what the events of a GPT-Live session say about its sound: chunks, places, speech. Pure.

Called by sound_events.py; read by live_timeline.py. On the session's own connection the client
sends the user's audio, and both sides are in the session's format. On a sideband the server
reflects both sides, always as PCM16 at 24 kHz, and the model's audio with its place.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from eventstore.projection.fold import apply
from eventstore.projection.live.live_items import place_on_timeline
from eventstore.projection.state import LogEvent, SessionState
from eventstore.realtime.audio import (
    NO_SAMPLE_RATES,
    PCM_FORMAT,
    UNKNOWN_FORMAT,
    SampleRates,
    bytes_per_ms,
    rates_of_note,
    stated_input_format,
    stated_output_format,
)
from eventstore.realtime.catalogue import AUDIO_DELTAS, INPUT_AUDIO, SAMPLE_RATES, is_made_up
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import SERVER, STORE, parse
from eventstore.realtime.live_catalogue import LIVE_INPUT_AUDIO
from eventstore.realtime.values import mapping, text
from eventstore.sound.audio_formats import decode_base64
from eventstore.sound.timeline.call_clock import LONGEST_CALL, CallClock
from eventstore.sound.timeline.layout import Side
from eventstore.sound.timeline.session_sound import Chunks, Json

OUTPUT_AUDIO = "session.output_audio.delta"
FIXTURE_PLAY = "session.output_audio.fixture.play"
_FRAGMENTS = frozenset({"session.input_transcript.delta", "session.output_transcript.delta"})


@dataclass
class LiveStream:
    """The audio of one side that came one way: by the session's own connection, or by a sideband.

    Attributes:
        runs: The chunks, one entry for each format.
        length: How long they are, in seconds.
        told: For each chunk, how far the events before it told the timeline, in seconds.
        stated: Where each chunk begins by the server's word, in seconds; NaN if it did not say.
        behind: By how much the timeline was ahead of the audio so far, at most, in seconds.
    """

    runs: list[Chunks] = field(default_factory=list)
    length: float = 0.0
    told: array[float] = field(default_factory=lambda: array("d"))
    stated: array[float] = field(default_factory=lambda: array("d"))
    behind: float = -math.inf


@dataclass
class Fixture:
    """A prepared sound that a client asked the server to play.

    Attributes:
        seq: The client's event, which has the sound.
        size: How many bytes it has.
        playing: When the server said that it plays, in seconds since the session's first event;
            infinite if its arrival is unknown.
        told: How far the events before that told the timeline, in seconds.
    """

    seq: int
    size: int
    playing: float = math.inf
    told: float = 0.0


@dataclass
class LiveSound:
    """All that the timeline of a Live session is built from.

    Attributes:
        clock: The clock of the arrivals, which begins with the session's first event.
        streams: The audio, by its side, and whether a sideband reflected it.
        speech: What was said: a state that only knows the fragments of transcripts.
        fixtures: The prepared sounds that were played, in order.
        told: How far events told the timeline, in seconds.
        began, ended: The least time by which an event came after the start, or the end, that it
            states, in seconds on the clock of the arrivals; infinite if no event states them.
        first_audio: When the first audio of the user began on the session's own connection, or
            None.
        started: When the session was started, or None.
        muted: For how many seconds of the user's audio the model heard silence instead.
        unknown: The sides (`input`, `output`) with a format that cannot be decoded.
    """

    clock: CallClock = field(default_factory=CallClock)
    streams: dict[tuple[Side, bool], LiveStream] = field(
        default_factory=lambda: {
            ("user", False): LiveStream(),
            ("user", True): LiveStream(),
            ("assistant", False): LiveStream(),
            ("assistant", True): LiveStream(),
        }
    )
    speech: SessionState = field(default_factory=lambda: SessionState(""))
    fixtures: list[Fixture] = field(default_factory=list)
    told: float = 0.0
    began: float = math.inf
    ended: float = math.inf
    first_audio: float | None = None
    started: float | None = None
    muted: float = 0.0
    unknown: set[str] = field(default_factory=set)
    # The rest is state that the handlers of events need from one event to the next.
    now: float = 0.0
    muted_at: float | None = None
    session: Json = field(default_factory=dict)
    requested: Json = field(default_factory=dict)
    rates: SampleRates = NO_SAMPLE_RATES
    wanted: dict[str | int, Fixture] = field(default_factory=dict)

    def add(self, event: StoredEvent) -> None:
        """Add the next event of the log."""
        self.now = self.clock.moment(event.at)
        is_audio = event.type in INPUT_AUDIO or event.type in AUDIO_DELTAS
        folds = event.type in _FRAGMENTS or (self.speech.protocol is None and not is_audio)
        handler = _HANDLERS.get(event.type)
        if not (folds or handler is not None) or not isinstance(event.text, str):
            return
        body = None if is_made_up(event.direction, event.type) else parse(event.text)
        if folds:
            entry = (event.seq, event.at, event.direction, event.type, body, 0, event.text)
            apply(self.speech, LogEvent(*entry))
        if body is None or (event.direction == STORE) != event.type.startswith("eventstore."):
            return
        if event.direction == SERVER and event.type != LIVE_INPUT_AUDIO:
            self._note_place(event, body)
        if handler is not None:
            handler(self, event, body)

    def is_reflected(self, side: Side) -> bool:
        """Return True if more of a side's audio came by a sideband than by the own connection."""
        return self.streams[side, True].length > self.streams[side, False].length

    def stream(self, side: Side) -> LiveStream:
        """Return a side's audio. If it came both ways, that is the longer one of both."""
        return self.streams[side, self.is_reflected(side)]

    def heard(self) -> float:
        """Return how long the user's audio is so far, in seconds."""
        return self.stream("user").length

    def _note_place(self, event: StoredEvent, body: Json) -> None:
        """Note how far an event tells the timeline."""
        start, end = seconds(body.get("start_ms")), seconds(body.get("end_ms"))
        if start is None or end is None or end < start:
            return
        if event.at is not None:
            self.began = min(self.began, self.now - start)
            self.ended = min(self.ended, self.now - end)
        self.told = max(self.told, end)
        for (side, _), stream in self.streams.items():
            # A sideband's audio tells its own place, and nothing of the audio before it.
            if event.type != OUTPUT_AUDIO or side == "user":
                stream.behind = max(stream.behind, end - stream.length)

    def add_chunk(
        self, event: StoredEvent, side: Side, sound: object, reflected: bool, stated: float
    ) -> None:
        """Add a chunk of audio."""
        size = len(decode_base64(sound))
        format_ = PCM_FORMAT if reflected else self._format(side)
        if not size or format_ is None:
            return
        stream = self.streams[side, reflected]
        length = size / bytes_per_ms(format_) / 1000
        is_own = side == "user" and not reflected
        if is_own and self.first_audio is None and event.at is not None:
            self.first_audio = self.now - length
        if not stream.runs or stream.runs[-1].format != format_:
            stream.runs.append(Chunks(format_))
        stream.length += length
        arrival = self.now if event.at is not None else math.inf
        stream.runs[-1].add(event.seq, size, (arrival, stream.length))
        stream.told.append(self.told)
        stream.stated.append(stated)

    def _format(self, side: Side) -> Json | None:
        """Return the format of a side on the session's own connection, or None if unknown."""
        session = self.session or self.requested
        stated = stated_input_format if side == "user" else stated_output_format
        format_ = stated(session, self.rates)
        if format_ == UNKNOWN_FORMAT:
            self.unknown.add("input" if side == "user" else "output")
            return None
        return format_


def seconds(ms: object) -> float | None:
    """Return a place on the timeline in seconds, or None if it is none, or is beyond a day."""
    place = place_on_timeline(ms)
    return place / 1000 if place is not None and place / 1000 <= LONGEST_CALL else None


def _input(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    sound.add_chunk(event, "user", body.get("audio"), event.direction == SERVER, math.nan)


def _output(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    start = seconds(body.get("start_ms"))
    stated = math.nan if start is None else start
    sound.add_chunk(event, "assistant", body.get("delta"), start is not None, stated)


def _started(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    if sound.started is None and event.at is not None:
        sound.started = sound.now
    _configured(sound, event, body)


def _configured(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    sound.session = {**sound.session, **mapping(body.get("session"))}


def _requested(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    sound.requested = {**sound.requested, **mapping(body.get("session"))}


def _rates(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    sound.rates = rates_of_note(body)


def _muted(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    if sound.muted_at is None:
        sound.muted_at = sound.heard()


def _unmuted(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    if sound.muted_at is not None:
        sound.muted += sound.heard() - sound.muted_at
        sound.muted_at = None


def _fixture_wanted(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    size = len(decode_base64(body.get("audio")))
    if size:
        sound.wanted[text(body.get("event_id")) or event.seq] = Fixture(event.seq, size)


def _fixture_playing(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    named = text(body.get("client_event_id"))
    key = named if named in sound.wanted else next(iter(sound.wanted), None)
    if key is None:
        return
    fixture = sound.wanted.pop(key)
    fixture.playing = sound.now if event.at is not None else math.inf
    fixture.told = sound.told
    sound.fixtures.append(fixture)


def _refused(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    error = mapping(body.get("error"))
    cause = text(error.get("client_event_id")) or text(body.get("client_event_id"))
    if cause:
        sound.wanted.pop(cause, None)


def _nothing(sound: LiveSound, event: StoredEvent, body: Json) -> None:
    """Handle an event of which only the place on the timeline counts."""


_HANDLERS: dict[str, Callable[[LiveSound, StoredEvent, Json], None]] = {
    LIVE_INPUT_AUDIO: _input,
    OUTPUT_AUDIO: _output,
    **dict.fromkeys(_FRAGMENTS, _nothing),
    "session.start": _requested,
    "session.started": _started,
    "session.updated": _configured,
    "session.input_audio.muted": _muted,
    "session.input_audio.unmuted": _unmuted,
    "session.instructions.appended": _nothing,
    "session.thinking.appended": _nothing,
    "session.commentary.appended": _nothing,
    FIXTURE_PLAY: _fixture_wanted,
    "session.output_audio.fixture.playing": _fixture_playing,
    "error": _refused,
    SAMPLE_RATES: _rates,
}
