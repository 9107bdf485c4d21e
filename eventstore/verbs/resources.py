"""The resources that verbs return, for type checkers: dictionaries, with what is known of them.

A resource is what the server said last, completed with what other events prove, so it may hold keys
that are not declared here, of newer models say. What the store adds is under `eventstore`. Keys
that are always there are required. A test compares these with resources of recorded calls.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from eventstore.verbs.reports import SessionSummary, UsageEntry
from eventstore.verbs.score_reports import ScoreResource


class LastWords(TypedDict):
    """The last finished turn of a session: who said it, and what."""

    role: str
    text: str


class LiveNotes(TypedDict, total=False):
    """What only a GPT-Live session has; what did not happen is left out.

    Attributes:
        started_at: When the session's timeline began, in ISO 8601.
        muted: True while the user's input is muted.
        paused: True while the model is paused.
        transport: The last step of the call's setup: `ringing`, `answered` or `failed`.
        moments: Mutes, pauses, steps of the transport and prepared sounds: `what`, `seq`, `at`.
        dtmf_sent: The keys that the app pressed.
        delegations: How many delegations each target had.
        context_usage: The share of the context window that was used last.
        usage: The usage that the server told last: `seconds`, and parts of it.
    """

    started_at: str
    muted: bool
    paused: bool
    transport: str
    moments: list[dict[str, Any]]
    dtmf_sent: list[str]
    delegations: dict[str, int]
    context_usage: float
    usage: dict[str, Any]


class SessionNotes(TypedDict):
    """What the store adds to a session. Times are ISO 8601 text in UTC; None if unknown.

    Attributes:
        session_id: The id under which the session is stored.
        server_id: The id that the server gave it.
        metadata: The metadata that was set on it.
        protocol: `realtime`, or `live` for GPT-Live.
        live: What only a session of GPT-Live has.
        events: How many events it has.
        opened_at: When its first event arrived.
        last_at: When its last event arrived.
        duration_ms: How long it took, in milliseconds.
        closed: True if nothing more comes.
        closed_at: When it was closed.
        close_reason: Why it was closed.
        conversations: How many conversations it has.
        items: How many items they have.
        responses: How many responses it has.
        interruptions: How many of these the user interrupted.
        errors: How many errors the server sent.
        unreadable_frames: How many frames could not be read. They are kept as they came.
        unknown_types: How many events of each type that this version does not know.
        diagnostics: What was odd in its events.
        diagnostics_count: How many oddities there were, also those not listed.
        summary: What it adds up to, if that was asked for.
        doing: What goes on in an open session, if that was asked for.
        last_words: The last turn of an open session that has words, if that was asked for.
        scores: Its own scores; those of its responses and items are at these.
    """

    session_id: str
    server_id: str | None
    metadata: dict[str, str]
    protocol: Literal["realtime", "live"]
    live: NotRequired[LiveNotes]
    events: int
    opened_at: str | None
    last_at: str | None
    duration_ms: float | None
    closed: bool
    closed_at: str | None
    close_reason: str | None
    conversations: int
    items: int
    responses: int
    interruptions: int
    errors: int
    unreadable_frames: int
    unknown_types: dict[str, int]
    diagnostics: list[dict[str, Any]]
    diagnostics_count: int
    events_of_other_unknown_types: NotRequired[int]
    left_out: NotRequired[list[str]]
    opened: NotRequired[dict[str, Any]]
    clock_shift_ms: NotRequired[float]
    redacted: NotRequired[Any]
    sample_rates: NotRequired[dict[str, int]]
    same_call: NotRequired[str]
    rate_limits: NotRequired[list[dict[str, Any]]]
    dtmf: NotRequired[list[Any]]
    dtmf_left_out: NotRequired[int]
    scores: NotRequired[list[ScoreResource]]
    translation: NotRequired[dict[str, Any]]
    audio_erased_at: NotRequired[str]
    summary: NotRequired[SessionSummary]
    doing: NotRequired[Literal["user_speaking", "answering", "waiting"]]
    last_words: NotRequired[LastWords | None]


class SessionResource(TypedDict, total=False):
    """A session as the server described it last, with the store's notes under `eventstore`.

    Attributes:
        id: The id under which the session is stored.
        object: `realtime.session`, or what the server said.
        model: The model's name.
        instructions: The instructions of the model.
        tools: The tools that it may call.
        voice: The voice, in the beta shape; in the GA shape it is in `audio`.
        audio: Formats, voice and turn detection, in the GA shape.
        eventstore: What the store adds.
    """

    id: str
    object: str
    type: str
    model: str
    instructions: str
    tools: list[dict[str, Any]]
    tool_choice: Any
    modalities: list[str]
    output_modalities: list[str]
    voice: Any
    audio: dict[str, Any]
    input_audio_format: Any
    output_audio_format: Any
    input_audio_transcription: dict[str, Any] | None
    turn_detection: dict[str, Any] | None
    temperature: float
    max_output_tokens: int | str
    max_response_output_tokens: int | str
    expires_at: int
    prompt: dict[str, Any] | None
    tracing: Any
    truncation: Any
    include: list[str] | None
    eventstore: SessionNotes


class DelegationNotes(TypedDict):
    """What the store adds to the item of a delegation.

    Attributes:
        target: Who does the work: `client`, `responses` or `decisions`.
        offset_ms: Where it began on the session's timeline.
        asked_by: The id of what the user said before it.
        answers: The ids of the items that answer it.
        responses: The ids of the responses of its backend.
        done_at: When it was answered last.
        took_ms: How long that took, in milliseconds.
    """

    target: str
    offset_ms: int | None
    asked_by: str | None
    answers: list[str]
    responses: list[str]
    done_at: str | None
    took_ms: float | None


class ItemNotes(TypedDict):
    """What the store adds to an item. Times are ISO 8601 text in UTC; None if unknown.

    Attributes:
        session_id: The id of its session.
        conversation_id: The id of its conversation.
        response_id: The id of the response that made it; None for the user's.
        seq: The sequence number of the event that it was first seen in.
        at: When that event arrived.
        done_at: When it was complete.
        answered_by: The id of the response that answers it.
        generated: What the model said, whole.
        heard: What of that the user heard.
        truncated: Where it was cut off.
        audio: Where its audio is in the log.
        kind: GPT-Live: `speech`, `history`, `context`, `work` or `backend`.
        start_ms: GPT-Live: where it begins on the session's timeline, in milliseconds.
        end_ms: GPT-Live: where it ends.
        backchannel: GPT-Live: True for a short word while the other one speaks.
        context: GPT-Live: what the app told: `instructions`, `thinking` or `commentary`.
        delegation_id: GPT-Live: the delegation that it belongs to.
        delegation: GPT-Live: who did the work of a delegation, and how long it took.
    """

    session_id: str
    conversation_id: str | None
    response_id: str | None
    seq: int | None
    at: str | None
    done_at: str | None
    answered_by: NotRequired[str]
    deleted_seq: NotRequired[int]
    progress: NotRequired[str]
    generated: NotRequired[str]
    heard: NotRequired[str]
    truncated: NotRequired[dict[str, Any]]
    audio: NotRequired[list[dict[str, Any]]]
    timed_words: NotRequired[list[dict[str, Any]]]
    languages: NotRequired[list[str]]
    transcription_error: NotRequired[Any]
    kind: NotRequired[str]
    start_ms: NotRequired[int]
    end_ms: NotRequired[int]
    backchannel: NotRequired[bool]
    context: NotRequired[str]
    delegation_id: NotRequired[str]
    delegation: NotRequired[DelegationNotes]
    scores: NotRequired[list[ScoreResource]]


class ItemResource(TypedDict, total=False):
    """An item of a conversation: a message, a call of a tool, or what the tool returned.

    Attributes:
        id: The item's id.
        type: `message`, `function_call`, `function_call_output`, …
        status: `completed`, `incomplete` or `in_progress`, if the server told it.
        role: `user`, `assistant`, `system` or `developer`, of a message.
        content: The parts of a message.
        name: The tool's name, of a call.
        arguments: The arguments of a call, as JSON text.
        call_id: The id of a call, which its output has, too.
        output: What the tool returned.
        eventstore: What the store adds.
    """

    id: str
    object: str
    type: str
    status: str
    role: str
    content: list[Any]
    name: str | None
    arguments: str | None
    call_id: str | None
    output: str | None
    error: Any
    server_label: str
    eventstore: ItemNotes


class ConversationResource(TypedDict):
    """A conversation with its items, in order.

    Attributes:
        id: The conversation's id; None if no event named it.
        object: `realtime.conversation`.
        session_id: The id of its session, in what `conversation` returns.
        items: Its items, in the order of the conversation.
    """

    id: str | None
    object: str
    session_id: NotRequired[str]
    items: list[ItemResource]


class ResponseNotes(TypedDict):
    """What the store adds to a response. Times are ISO 8601 text in UTC; None if unknown.

    Attributes:
        session_id: The id of its session.
        model: The model's name.
        seq: The sequence number of the event that it was first seen in.
        done_seq: That of the event that ended it; None while it goes on.
        in_conversation: True if it is part of a conversation.
        finished: True if it has ended.
        interrupted: True if the user interrupted it.
        trigger: What made it: `create` of the client, `vad`, …
        speech_to_first_audio_ms: Milliseconds from the end of the user's speech to its sound.
        time_to_first_audio_ms: Milliseconds from when it was asked for to its sound.
        duration_ms: How long it took, in milliseconds.
        config: What it was made with: `voice`, `modalities`, `audio_format`, …
        audio: Where its audio is in the log.
        heard: What of it the user heard.
        match: Where the text of a search was found, if one was searched for.
        kind: GPT-Live: `spoken`, or `delegated` for one of a backend.
        start_ms: GPT-Live: where the speech begins on the session's timeline, in milliseconds.
        end_ms: GPT-Live: where the speech ends.
        backchannel: GPT-Live: True for a short word while the user speaks.
        delegation_id: GPT-Live: the delegation for which a backend made it.
    """

    session_id: str
    model: str | None
    seq: int | None
    done_seq: int | None
    in_conversation: bool
    finished: bool
    interrupted: bool
    trigger: str | None
    request_seq: int | None
    requested_at: str | None
    created_at: str | None
    first_text_at: str | None
    first_audio_at: str | None
    done_at: str | None
    speech_ended_at: str | None
    time_to_first_text_ms: float | None
    time_to_first_audio_ms: float | None
    speech_to_first_audio_ms: float | None
    duration_ms: float | None
    playback_started_at: str | None
    playback_stopped_at: str | None
    config: dict[str, Any]
    audio: list[dict[str, Any]]
    heard: str
    output_left_out: NotRequired[int]
    match: NotRequired[Any]
    kind: NotRequired[Literal["spoken", "delegated"]]
    start_ms: NotRequired[int]
    end_ms: NotRequired[int]
    backchannel: NotRequired[bool]
    delegation_id: NotRequired[str | None]
    scores: NotRequired[list[ScoreResource]]


class ResponseResource(TypedDict, total=False):
    """A `realtime.response`, with the store's notes under `eventstore`.

    Attributes:
        id: The response's id.
        object: `realtime.response`.
        status: `completed`, `cancelled`, `failed`, `incomplete` or `in_progress`.
        status_details: Why it ended so.
        output: The items that it made.
        conversation_id: The id of its conversation; None if it is in none.
        metadata: The metadata that it was asked for with.
        usage: The tokens that it took, as the server told them.
        eventstore: What the store adds.
    """

    id: str
    object: str
    status: str
    status_details: Any
    output: list[Any]
    conversation_id: str | None
    metadata: dict[str, str] | None
    usage: dict[str, Any] | None
    modalities: list[str]
    output_modalities: list[str]
    voice: Any
    audio: dict[str, Any]
    output_audio_format: Any
    temperature: float | None
    max_output_tokens: int | str | None
    eventstore: ResponseNotes


class WholeSession(TypedDict):
    """What `state` returns: a session, its conversations with items, its responses, its usage."""

    session: SessionResource
    conversations: list[ConversationResource]
    responses: list[ResponseResource]
    usage: UsageEntry
