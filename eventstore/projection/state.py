"""The state of a session: the data that the fold computes from the session's events.

The handlers in projection/handlers change the state, projection/views shows it as resources, and
store/readmodels writes it to tables. The classes here have data and nearly no logic.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from eventstore.projection.content import (
    AudioSpan,
    ContentPart,
    GrowingText,
    Speech,
    Truncation,
)
from eventstore.projection.dirty import Dirty
from eventstore.projection.facets import Figures
from eventstore.projection.live_state import LiveItem, LiveResponse, LiveState
from eventstore.projection.order import OrderedIds
from eventstore.projection.pending import ItemCreate, Pending
from eventstore.projection.repeats import Repeats
from eventstore.realtime.audio import NO_SAMPLE_RATES, SampleRates
from eventstore.realtime.protocols import Protocol
from eventstore.realtime.resources.scores import Score, ScoreTarget

#: Raise this number when the fold or the views change: older projections are then made again.
PROJECTOR_VERSION = 10

# Limits of what a session keeps, so that hostile events cannot fill the memory. Unknown types and
# pressed keys (DTMF) beyond their limit are still counted.
MAX_DIAGNOSTICS = MAX_UNKNOWN_TYPES = 100
MAX_DTMF = 1000
MAX_METADATA = 256  # pairs
MAX_ERROR_CODES = 20  # by which a session is found
MAX_LIMITS = 20  # rate limits of the account
MAX_FIELDS = 1000  # of an object of the wire that is merged from several events


class LogEvent(NamedTuple):
    """One event of the log in the form that the fold reads.

    Attributes:
        seq: The event's number in the session, from 1.
        at: The arrival in microseconds since 1970 UTC, or None if unknown.
        direction, type: The sender (`client`, `server` or `store`), and the type on the wire.
        event: The parsed JSON object without its audio, or None if the frame is unreadable.
        audio_bytes: The length of the audio that was cut from the frame.
        text: The frame without that audio. The fold recognises repeated events by it.
    """

    seq: int
    at: int | None
    direction: str
    type: str
    event: dict[str, Any] | None
    audio_bytes: int = 0
    text: str = ""


@dataclass(slots=True)
class Item:
    """A conversation item. It may be outside of every conversation.

    Attributes:
        wire: The item as the server described it last.
        conversation: The index of its conversation in `SessionState.conversations`.
        linked: True if the item has a place in the order of its conversation.
        guessed: True if no event of the conversation has told that place yet.
        call_seq, tied_seq: The events that told that it is a tool call, and of which response.
        answered_by: The id of the first response after a user's item.
        progress: The progress of an MCP call.
        create_seq: The client's event that asked for the item, if one did.
        live: What only an item of a Live session has.
        indexed: The words that the search index has of the item; None if that is not known.
    """

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
    create_seq: int | None = None
    live: LiveItem | None = None
    indexed: str | None = ""


@dataclass(slots=True)
class ResponseRequest:
    """A request for a response: a client's `response.create`, or the end of the user's turn.

    Attributes:
        kind: `client` or `vad`.
        event_id, body: The id of the client's event, and its settings for the response.
    """

    seq: int
    at: int | None
    kind: str
    event_id: str | None = None
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Response:
    """A response of the model. It begins with the first event that names it.

    Attributes:
        wire: The response as the server described it last.
        conversation: The index of its conversation, or None for a response outside.
        session, rates: The session's configuration and sample rates when it began.
        output: The ids of its items, in order.
        unplaced: The ids of items that may not be in its conversation yet.
        cleared_seq: The event that cut its playback.
        live: What only a response of a Live session has.
        indexed: The metadata that the tables have of it; None if that is not known.
    """

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
    output: dict[str, None] = field(default_factory=dict)
    unplaced: dict[str, None] = field(default_factory=dict)
    playback_started_at: int | None = None
    playback_stopped_at: int | None = None
    cleared_seq: int | None = None
    truncated: bool = False
    live: LiveResponse | None = None
    indexed: frozenset[tuple[str, str, int]] | None = frozenset()


@dataclass(slots=True)
class Conversation:
    """The items of a conversation, in order. `id` is None until an event tells it."""

    id: str | None = None
    order: OrderedIds = field(default_factory=OrderedIds)


@dataclass(slots=True)
class BilledUsage:
    """Usage that is not a response's: of a transcription, a decision, or a session by its length.

    Attributes:
        item_id, content_index: The part that was transcribed, or the item of the decision.
        kind: `transcription` or `decision`.
        name: A name of a decision that is the same in each recording of the call; None if unknown.
    """

    seq: int
    at: int | None
    item_id: str | None
    content_index: int
    model: str | None
    usage: dict[str, Any] | None
    kind: str = "transcription"
    name: str | None = None


@dataclass(slots=True)
class SessionState:
    """The state of a session after the events 1 to `seq`.

    Attributes:
        wire, requested: The configuration as the server told it, and as the client asked for it.
        notes: The fields of the recorder's note `eventstore.session.opened`.
        protocol: The protocol that an event has proved; None as long as none has.
        undecided: Events of the client that wait for the proof that this is a Live session.
        live: What only a Live session has; None for every other session.
        timed_at: The arrival of the last event that the clock uses (see `catalogue.UNTIMED`).
        clock_shift: Microseconds to add to arrivals now, because the wall clock jumped.
        jumps: The seq of each jump, with the `clock_shift` from there on.
        conversation_indexes: The index in `conversations` by conversation id.
        placed: The number of items in all conversations.
        translates: True if the session was ever configured as a translation.
        told_usage: The usage of the whole session, if the server told it.
        ended_at: The time of the end, by a clock that never jumps.
        requests, creates: Requests for responses and items that the server has not answered yet.
        early_transcripts: Deltas of transcriptions that came before their items.
        awaiting_text: The ids of responses of which no text has come yet.
        speech_ended_at, speech_ended_seq: The end of the user's speech before the next response.
        unanswered: The ids of the user's items after the last response, in order.
        input_bytes, commit_seq: Input audio since the last commit, and that event.
        rates: The sample rates that an import told.
        same_call, only_here: Another recording of the same call that counts the usage, and the
            ids of usage that only this recording has.
        scores, scores_count: The scores by what is scored (its kind and id), and then by name and
            giver; and how many there are.
        scored_model: The model of the session in the rows of its scores; None before the first.
        written: The rows that the read models are known to have.
        figures: Values by which lists are sorted and filtered; None before the first use.
        listed: The configuration that lists showed last, and how they showed it.
        measured, folded: The size in memory when last measured, and the text folded since then.
        growing: The text to which the last event added a delta; None if it did not.
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
    protocol: Protocol | None = None
    undecided: list[LogEvent] = field(default_factory=list)
    live: LiveState | None = None
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
    scores: dict[tuple[ScoreTarget, str], dict[tuple[str, str], Score]] = field(
        default_factory=dict
    )
    scores_count: int = 0
    scored_model: str | None = field(default=None, compare=False)
    repeats: Repeats = field(default_factory=Repeats, compare=False)
    dirty: Dirty = field(default_factory=Dirty)
    written: dict[tuple[str, tuple[Any, ...]], tuple[Any, ...]] = field(default_factory=dict)
    figures: Figures | None = field(default=None, compare=False)
    listed: tuple[dict[str, Any], Any] | None = field(default=None, compare=False)
    measured: int | None = field(default=None, compare=False)
    folded: int = field(default=0, compare=False)
    growing: GrowingText | None = field(default=None, compare=False)

    def forget_written(self) -> None:
        """Forget which rows the read models have, and mark nothing as changed."""
        items, responses = self.items.values(), self.responses.values()
        for item in items:
            item.indexed = None
        for response in responses:
            response.indexed = None
        self.written.clear()
        self.figures = None
        self.dirty.clear()

    def shift_at(self, seq: int) -> int:
        """Return the microseconds to add to the arrival of the event with this seq."""
        place = bisect_right(self.jumps, seq, key=itemgetter(0))
        return self.jumps[place - 1][1] if place else 0

    def steady(self, at: int | None, seq: int) -> int | None:
        """Return the arrival of an event by a clock that never jumps; None stays None."""
        return None if at is None else at + self.shift_at(seq)

    def count_unknown(self, type_: str) -> None:
        """Count an event of an unknown type. The first hundred types are kept by name."""
        known = self.unknown_types.get(type_)
        if known is not None or len(self.unknown_types) < MAX_UNKNOWN_TYPES:
            self.unknown_types[type_] = (known or 0) + 1
        else:
            self.unnamed_types += 1

    def diagnose(self, event: LogEvent, code: str, message: str) -> None:
        """Add a diagnostic about an event, which people will see. The first hundred are kept."""
        self.diagnostics_count += 1
        if len(self.diagnostics) < MAX_DIAGNOSTICS:
            self.diagnostics.append({"seq": event.seq, "code": code, "message": message[:500]})

    def merged(
        self, event: LogEvent, known: dict[str, Any], told: dict[str, Any]
    ) -> dict[str, Any]:
        """Return a new object of the fields of `known`, replaced and extended by those of `told`.

        If these are too many, the state gets a diagnostic about the event.
        """
        if len(known) + len(told) > MAX_FIELDS:
            room = max(0, MAX_FIELDS - len(known))
            new = islice((key for key in told if key not in known), room)
            kept = {*known, *new}
            if len(kept) < len(known.keys() | told.keys()):
                self.diagnose(event, "too_many_fields", f"{event.type} tells of too many fields")
            told = {key: value for key, value in told.items() if key in kept}
        return {**known, **told}
