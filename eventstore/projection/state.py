"""What a session's events add up to. Plain data; `fold` changes it, `view` shows it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from eventstore.projection.facets import Figures
from eventstore.projection.order import Order
from eventstore.projection.pending import ItemCreate, Pending
from eventstore.projection.repeats import Repeats
from eventstore.projection.timed_words import WordTiming, WordTimingKey, by_start_time
from eventstore.realtime.audio import NO_SAMPLE_RATES, SampleRates

#: Raise it when the fold or the views change: sessions projected by an older one are redone.
PROJECTOR_VERSION = 7

MAX_DIAGNOSTICS = 100
#: How many names of unknown types, and how many pressed keys, a session's notes hold; what comes
#: behind them is counted.
MAX_UNKNOWN_TYPES = 100
MAX_DTMF = 1000
#: How many pairs of metadata a session has at most, however many notes set some.
MAX_METADATA = 256
#: How many codes of errors a session is found by.
MAX_ERROR_CODES = 20
#: How many of an account's limits a session's notes hold.
MAX_LIMITS = 20
#: How many fields of its own an object of the wire has at most, put together from many events.
MAX_FIELDS = 1000


class LogEvent(NamedTuple):
    """One event as the fold reads it.

    Attributes:
        seq: its place in the session, from 1.
        at: arrival in microseconds since 1970 UTC, None where unknown.
        direction: client, server or store.
        type: its type on the wire.
        event: the parsed object without its audio, None where the frame cannot be read.
        audio_bytes: length of the audio that was cut from the frame.
        text: the frame without that audio, by which an event is known that comes twice.
    """

    seq: int
    at: int | None
    direction: str
    type: str
    event: dict[str, Any] | None
    audio_bytes: int = 0
    text: str = ""


@dataclass(slots=True)
class AudioSpan:
    """Where a part's audio lies in the log."""

    first_seq: int
    last_seq: int
    bytes: int = 0
    chunks: int = 0


@dataclass(slots=True)
class ContentPart:
    """A content part: what was generated, as far as its own events tell."""

    seen_seq: int
    type: str | None = None
    typed_seq: int = 0
    text: str | None = None
    transcript: str | None = None
    text_deltas: list[str] = field(default_factory=list)
    transcript_deltas: list[str] = field(default_factory=list)
    heard_deltas: list[str] = field(default_factory=list)
    partial: str | None = None
    timed: dict[WordTimingKey, WordTiming] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    audio: AudioSpan | None = None
    error: dict[str, Any] | None = None
    usage: Any = None

    def transcript_so_far(self) -> str | None:
        """What is known of a transcript: what was understood so far, else what deltas say of it."""
        if self.partial is not None:
            return self.partial
        deltas = self.heard_deltas + self.transcript_deltas
        if not deltas and self.type == "input_audio":
            return " ".join(timed.text.strip() for timed in by_start_time(self.timed)) or None
        return "".join(deltas) if deltas else None

    def text_so_far(self) -> str | None:
        """What deltas say of a text."""
        return "".join(self.text_deltas) if self.text_deltas else None


@dataclass(slots=True)
class Speech:
    """A stretch of the user's speech on the session's input clock."""

    first_seq: int
    start_ms: int | None = None
    end_ms: int | None = None
    bytes: int = 0
    bytes_per_ms: float | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    committed_seq: int | None = None
    committed_at: int | None = None


@dataclass(slots=True)
class Truncation:
    """The server's word that an item was heard only up to a moment."""

    seq: int
    at: int | None
    content_index: int
    audio_end_ms: int


@dataclass(slots=True)
class Item:
    """A conversation item, in a conversation or not."""

    id: str
    seen_seq: int
    seen_at: int | None
    wire: dict[str, Any] = field(default_factory=dict)
    conversation: int | None = None
    linked: bool = False
    guessed: bool = False
    deleted_seq: int | None = None
    call_seq: int | None = None
    tied_seq: int = 0
    response_id: str | None = None
    answered_by: str | None = None
    done: bool = False
    done_at: int | None = None
    done_seq: int = 0
    parts: dict[int, ContentPart] = field(default_factory=dict)
    arguments: str | None = None
    argument_deltas: list[str] = field(default_factory=list)
    progress: str | None = None
    speech: Speech | None = None
    truncation: Truncation | None = None
    #: The client's event that asked for it, where one did.
    create_seq: int | None = None
    indexed: str | None = ""


@dataclass(slots=True)
class ResponseRequest:
    """A trigger that a response may answer: a client's `response.create`, or the user's turn."""

    seq: int
    at: int | None
    kind: str
    event_id: str | None = None
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Response:
    """A response, from the first event that names it."""

    id: str
    seen_seq: int
    seen_at: int | None
    conversation: int | None
    wire: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    created_at: int | None = None
    created_seq: int = 0
    done_seq: int | None = None
    done_at: int | None = None
    first_audio_at: int | None = None
    first_audio_seq: int | None = None
    first_text_at: int | None = None
    first_text_seq: int = 0
    speech_ended_at: int | None = None
    speech_ended_seq: int = 0
    request: ResponseRequest | None = None
    session: dict[str, Any] = field(default_factory=dict)
    rates: SampleRates = NO_SAMPLE_RATES
    #: The ids of its items in order, and of those that may not be in its conversation yet.
    output: dict[str, None] = field(default_factory=dict)
    unplaced: dict[str, None] = field(default_factory=dict)
    playback_started_at: int | None = None
    playback_stopped_at: int | None = None
    cleared_seq: int | None = None
    truncated: bool = False
    indexed: frozenset[tuple[str, str, int]] | None = frozenset()


@dataclass(slots=True)
class Conversation:
    """Items in their true order. `id` is None until an event names it."""

    id: str | None = None
    order: Order = field(default_factory=Order)


@dataclass(slots=True)
class BilledUsage:
    """One billed thing that is no response: an input transcription, or a session by its length."""

    seq: int
    at: int | None
    item_id: str | None
    content_index: int
    model: str | None
    usage: dict[str, Any] | None


@dataclass(slots=True)
class Dirty:
    """What changed since the read models were last written."""

    items: set[str] = field(default_factory=set)
    responses: set[str] = field(default_factory=set)
    billed: set[tuple[str, int]] = field(default_factory=set)
    #: Times at which something was billed that was billed again since.
    unbilled: set[int | None] = field(default_factory=set)
    conversations: set[int] = field(default_factory=set)
    metadata: bool = False
    session: bool = False
    session_billed: bool = False
    #: Usage is counted elsewhere since: all of its rows are made anew.
    usage: bool = False

    def __bool__(self) -> bool:
        return bool(
            self.session
            or self.metadata
            or self.items
            or self.responses
            or self.billed
            or self.conversations
            or self.session_billed
            or self.usage
        )

    def clear(self) -> None:
        """Forget all of it."""
        self.items.clear()
        self.responses.clear()
        self.billed.clear()
        self.unbilled.clear()
        self.conversations.clear()
        self.metadata = False
        self.session = False
        self.session_billed = False
        self.usage = False


@dataclass(slots=True)
class SessionState:
    """A session after the events 1 to `seq`.

    Attributes:
        rates: the sample rates that whoever imported it told.
        timed_at: the arrival of the last event that the clock goes by: no delta, no note of ours.
        clock_shift: what is added to arrivals, in microseconds, since the wall clock jumped.
        jumps: the events at which it jumped, each with the `clock_shift` from there on.
        conversation_indexes: where in `conversations` those with an id are.
        placed: how many items all conversations have together.
        translates: whether it was ever configured as a translation.
        told_usage: the usage of the whole session, where its server tells it.
        ended_at: when it was over, by a clock that never jumps.
        unanswered: the user's items that no response has come behind, in order.
    """

    session_id: str
    seq: int = 0
    first_at: int | None = None
    last_at: int | None = None
    timed_at: int | None = None
    clock_shift: int = 0
    jumps: list[tuple[int, int]] = field(default_factory=list)
    server_id: str | None = None
    wire: dict[str, Any] = field(default_factory=dict)
    requested: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    closed_at: int | None = None
    closed: bool = False
    close_reason: str | None = None
    conversations: list[Conversation] = field(default_factory=list)
    conversation_indexes: dict[str, int] = field(default_factory=dict)
    placed: int = 0
    items: dict[str, Item] = field(default_factory=dict)
    responses: dict[str, Response] = field(default_factory=dict)
    interrupted: set[str] = field(default_factory=set)
    billed: dict[tuple[str, int], BilledUsage] = field(default_factory=dict)
    translates: bool = False
    told_usage: dict[str, Any] | None = None
    ended_at: int | None = None
    requests: Pending[ResponseRequest] = field(default_factory=Pending)
    creates: Pending[ItemCreate] = field(default_factory=Pending)
    early_transcripts: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    awaiting_text: set[str] = field(default_factory=set)
    unanswered: dict[str, None] = field(default_factory=dict)
    speech_ended_at: int | None = None
    speech_ended_seq: int = 0
    commit_seq: int = 0
    input_bytes: int = 0
    errors: int = 0
    error_codes: dict[str, None] = field(default_factory=dict)
    redacted: int = 0
    rates: SampleRates = NO_SAMPLE_RATES
    #: Another recording of the same call, where usage is counted but for what this one alone has.
    same_call: str | None = None
    only_here: frozenset[str] = frozenset()
    fold_errors: int = 0
    unreadable: int = 0
    unknown_types: dict[str, int] = field(default_factory=dict)
    unnamed_types: int = 0
    diagnostics: list[dict[str, Any]] = field(default_factory=list)
    diagnostics_count: int = 0
    rate_limits: list[dict[str, Any]] = field(default_factory=list)
    dtmf: list[str] = field(default_factory=list)
    dtmf_left_out: int = 0
    translation: dict[str, list[str]] = field(default_factory=dict)
    translation_audio: AudioSpan | None = None
    repeats: Repeats = field(default_factory=Repeats, compare=False)
    dirty: Dirty = field(default_factory=Dirty)
    written: dict[tuple[str, tuple[Any, ...]], tuple[Any, ...]] = field(default_factory=dict)
    #: What lists are sorted by, as far as it was read off the state; None for not at all.
    figures: Figures | None = field(default=None, compare=False)
    #: The configuration that lists were last given, and what they show of it.
    listed: tuple[dict[str, Any], Any] | None = field(default=None, compare=False)
    #: Bytes of memory when it was last measured, and of the text that was folded since.
    measured: int | None = None
    folded: int = 0

    def forget_written(self) -> None:
        """Mark nothing as changed, and take nothing for known of what the read models hold."""
        items, responses = self.items.values(), self.responses.values()
        for item in items:
            item.indexed = None
        for response in responses:
            response.indexed = None
        self.written.clear()
        self.figures = None
        self.dirty.clear()

    def shift_at(self, seq: int) -> int:
        """Return what is added to the arrival of an event, in microseconds."""
        place = bisect_right(self.jumps, seq, key=itemgetter(0))
        return self.jumps[place - 1][1] if place else 0

    def steady(self, at: int | None, seq: int) -> int | None:
        """Return an event's arrival as a clock that never jumps would have told it."""
        return None if at is None else at + self.shift_at(seq)

    def count_unknown(self, type_: str) -> None:
        """Count an event of a type that is not known; the first hundred types are named."""
        known = self.unknown_types.get(type_)
        if known is not None or len(self.unknown_types) < MAX_UNKNOWN_TYPES:
            self.unknown_types[type_] = (known or 0) + 1
        else:
            self.unnamed_types += 1

    def diagnose(self, event: LogEvent, code: str, message: str) -> None:
        """Note something about an event that a person should see; the first hundred are kept."""
        self.diagnostics_count += 1
        if len(self.diagnostics) < MAX_DIAGNOSTICS:
            self.diagnostics.append({"seq": event.seq, "code": code, "message": message[:500]})

    def merged(
        self, event: LogEvent, known: dict[str, Any], told: dict[str, Any]
    ) -> dict[str, Any]:
        """An object of the wire with what an event says of it, in a new one."""
        if len(known) + len(told) > MAX_FIELDS:
            room = max(0, MAX_FIELDS - len(known))
            new = islice((key for key in told if key not in known), room)
            kept = {*known, *new}
            if len(kept) < len(known.keys() | told.keys()):
                self.diagnose(event, "too_many_fields", f"{event.type} tells of too many fields")
            told = {key: value for key, value in told.items() if key in kept}
        return {**known, **told}
