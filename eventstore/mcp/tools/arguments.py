"""The arguments of the tools: checked by pydantic, and described for a model that calls them.

Each class is the schema that a client sees, and the check of what it sends. Descriptions are
written for a reader who has never seen a Realtime event. Texts that end up in a query are checked
once more by the verbs, as those of a user of Python are.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from eventstore.projection.facets import ResponseKind
from eventstore.realtime.protocols import Protocol
from eventstore.store.filters.filters import (
    MAX_CONDITIONS,
    MAX_LIMIT,
    Modality,
    ResponseSort,
    ResponseStatus,
    SessionSort,
    SessionStatus,
    SortDirection,
)

_LONGEST_TEXT = 2000
_MOST = 2**53


class Arguments(BaseModel):
    """The arguments of a tool. Unknown names are refused; a number is taken for a text."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, hide_input_in_errors=True)


def _texts(value: Any) -> Any:
    """Return one text as a list, and an object as texts `K=V`: models write both."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [f"{key}={one}" for key, one in value.items()]
    return value


Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]
Texts = Annotated[list[Text], Field(max_length=MAX_CONDITIONS), BeforeValidator(_texts)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=_MOST)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]

SessionId = Annotated[
    Text, Field(description="The session's id, as find_sessions gives it, such as `sess_123`.")
]
_GROUPS = "`model`, `day` (UTC), `session`, `day,model`, or `metadata:KEY` for each value of a key"


class LogFilters(Arguments):
    """The filters that sessions, responses and sums have."""

    metadata: Texts | None = Field(
        None,
        description="Conditions on metadata: pairs of texts that apps attach to sessions and"
        " responses, such as a customer or an agent. Each is `KEY=VALUE`, `KEY` (the key is"
        " there), `KEY^=PREFIX` or `KEY!=VALUE`; all must hold. list_metadata tells which keys and"
        " values there are.",
    )
    model: Text | None = Field(None, description="The exact name of the model: gpt-realtime, say.")
    since: Text | None = Field(
        None,
        description="The earliest time, included: ISO 8601 (2026-05-04T09:30:00Z; UTC if it names"
        " no zone) or seconds since 1970.",
    )
    until: Text | None = Field(None, description="The latest time, not included; as `since`.")


class ScoreFilters(LogFilters):
    """The filters by scores, which people and programs gave."""

    score: Texts | None = Field(
        None,
        description="Conditions on scores, which judges gave to sessions, responses or items:"
        " `helpful<0.5` (or <=, >, >=), `solved=true`, `topic=refund`, or `helpful` for any value;"
        " all must hold. sum_scores tells which names there are.",
    )
    label: Texts | None = Field(None, description="Labels that were given as scores, all of them.")


class FindSessions(ScoreFilters):
    """Which sessions, and which page of them."""

    text: Text | None = Field(
        None,
        description="Words that somebody said or that a tool was called with. All must occur; a"
        ' "quoted phrase" stands together, and pre* finds all words that begin so.',
    )
    status: SessionStatus | None = Field(
        None,
        description="`live`: not over yet. `ended`: over. `interrupted`: the user cut an answer"
        " off. `errors`: the server sent an error, or a response failed or is incomplete.",
    )
    protocol: Protocol | None = Field(
        None, description="`live` for sessions of GPT-Live, `realtime` for all others."
    )
    tool: Text | None = Field(None, description="A tool (function) of this name was called.")
    reason: Text | None = Field(
        None,
        description="Why a response ended, or the code of an error: `turn_detected`,"
        " `content_filter`, `rate_limit_exceeded`, …",
    )
    language: Text | None = Field(None, description="A transcript is in this language: `en`, say.")
    min_duration: Seconds | None = Field(None, description="It took at least so many seconds.")
    max_duration: Seconds | None = Field(None, description="It took at most so many seconds.")
    min_cost: Seconds | None = Field(
        None, description="It cost at least so many US dollars, as far as prices are known."
    )
    min_latency: Seconds | None = Field(
        None, description="Its slowest answer was waited for at least so many seconds."
    )
    min_turns: Count | None = Field(
        None, description="It has at least so many turns: messages of the user or the assistant."
    )
    min_interruptions: Count | None = Field(
        None, description="The user interrupted at least so many answers."
    )
    sort: SessionSort = Field(
        "started",
        description="By when it `started`, or by `duration`, `cost`, `latency` (its slowest"
        " answer), `turns`, `interruptions`, or `score` (the first one that the filter names).",
    )
    order: SortDirection = Field("desc", description="`desc`: newest or most first; or `asc`.")
    limit: Limit = Field(20, description="How many sessions at most, 1 to 100.")
    after: Text | None = Field(
        None, description="Go on behind a page: its `next`. The other arguments stay the same."
    )


class FindResponses(ScoreFilters):
    """Which responses, and which page of them."""

    session: Text | None = Field(None, description="Only responses of the session with this id.")
    text: Text | None = Field(
        None,
        description="Words in the response, or in the turn that it answers: all of them must"
        ' occur; "a phrase", pre*.',
    )
    status: ResponseStatus | None = Field(
        None,
        description="How it ended: `completed`; `cancelled` (often since the user interrupted it);"
        " `failed`; `incomplete` (cut off by a limit or a filter); `in_progress`.",
    )
    reason: Text | None = Field(
        None, description="Why it ended so: `turn_detected`, `max_output_tokens`, an error's code."
    )
    voice: Text | None = Field(None, description="The voice that it was spoken with: marin, say.")
    modality: Modality | None = Field(None, description="`audio` (spoken) or `text`.")
    kind: ResponseKind | None = Field(
        None, description="GPT-Live alone: `spoken`, or `delegated` to a backend."
    )
    conversation: Text | None = Field(None, description="The id of its conversation.")
    tool: Text | None = Field(None, description="It called a tool (function) of this name.")
    language: Text | None = Field(
        None, description="The turn that it answers is in this language: `en`, say."
    )
    min_tokens: Count | None = Field(
        None, description="It took at least so many tokens, of input and output."
    )
    min_latency: Seconds | None = Field(
        None,
        description="At least so many seconds passed from the end of the user's speech (without"
        " speech: from its creation) to its first sound or text.",
    )
    min_duration: Seconds | None = Field(None, description="It took at least so many seconds.")
    sort: ResponseSort = Field(
        "created",
        description="By when it was `created`, or by `duration`, `latency`, `tokens`, or `score`"
        " (the first one that the filter names).",
    )
    order: SortDirection = Field("desc", description="`desc`: newest or most first; or `asc`.")
    limit: Limit = Field(20, description="How many responses at most, 1 to 100.")
    after: Text | None = Field(
        None, description="Go on behind a page: its `next`. The other arguments stay the same."
    )


class ReadTranscript(Arguments):
    """Which part of a transcript."""

    session_id: SessionId
    after: Count = Field(
        0, description="Go on behind the turn with this number; 0 for the first turns."
    )
    limit: Annotated[int, Field(ge=1, le=500)] = Field(
        100, description="How many turns at most, 1 to 500."
    )
    text_offset: Count = Field(
        0,
        description="For a turn that was cut because it is long: skip so many characters of the"
        " first turn given, as the answer says.",
    )


class ReadSession(Arguments):
    """Which part of a session's state, and when."""

    session_id: SessionId
    at: Text | None = Field(
        None,
        description="The state at a moment: `+12.5` for 12.5 seconds after the session's first"
        " event, or `41` for just after event 41 (its `seq`). Left out: the state now.",
    )
    part: Literal["overview", "items", "responses"] = Field(
        "overview",
        description="`overview`: settings, counts, usage and what went on just then. `items`: the"
        " conversation, entry by entry. `responses`: the model's answers, one by one.",
    )
    after: Count = Field(
        0, description="Of `items` and `responses`: skip so many; `next` of the page before."
    )
    limit: Limit = Field(20, description="How many entries at most, 1 to 100.")


class ReadResponse(Arguments):
    """Which response."""

    response_id: Text = Field(description="The response's id, such as `resp_123`.")
    session_id: Text | None = Field(
        None, description="The id of its session: needed if several sessions share the id."
    )


class ListEvents(Arguments):
    """Which events of a session."""

    session_id: SessionId
    type: Text | None = Field(
        None,
        description="Only events of this type; `*` stands for anything: `response.done`,"
        " `error`, `conversation.item.*`.",
    )
    after: Count = Field(
        0, description="Go on behind the event with this `seq`: `next` of the page before."
    )
    limit: Limit = Field(20, description="How many events at most, 1 to 100.")
    frame_characters: Annotated[int, Field(ge=0, le=50_000)] = Field(
        1000,
        description="How many characters of each frame are given; 0 for none. Frames of audio are"
        " long, and base64 tells you nothing: use hear instead.",
    )
    frame_offset: Count = Field(
        0, description="Skip so many characters of each frame, to read on in a long one."
    )


class SumUsage(ScoreFilters):
    """What to sum up, and how to group it."""

    session: Text | None = Field(None, description="Only the session with this id.")
    status: ResponseStatus | None = Field(
        None, description="Only responses that ended so, as for find_responses."
    )
    tool: Text | None = Field(None, description="Only responses that called this tool.")

    by: Text | None = Field(None, description=f"How to group: {_GROUPS}. Left out: one total.")
    after: Count = Field(0, description="Skip so many groups: `next` of the page before.")
    limit: Limit = Field(50, description="How many groups at most, 1 to 100.")


class SumScores(LogFilters):
    """Which scores to sum up, and how to group them."""

    by: Text | None = Field(
        None,
        description="How to group: `name` (as without it), `day`, `model`, `giver`, `session`, or"
        " `metadata:KEY`.",
    )
    name: Text | None = Field(None, description="Only scores of this name: `helpful`, say.")
    giver: Text | None = Field(None, description="Only scores that this person or program gave.")
    session: Text | None = Field(None, description="Only scores in the session with this id.")
    after: Count = Field(0, description="Skip so many groups: `next` of the page before.")
    limit: Limit = Field(50, description="How many groups at most, 1 to 100.")


class ListMetadata(Arguments):
    """Which keys or values."""

    key: Annotated[Text, Field(min_length=1)] | None = Field(
        None, description="List the values of this key. Left out: list the keys, and the models."
    )
    prefix: Text = Field("", description="Only keys or values that begin with this.")
    limit: Limit = Field(50, description="How many at most, 1 to 100.")


class Hear(Arguments):
    """Which stretch of sound."""

    session_id: SessionId
    start: Seconds | None = Field(
        None,
        description="Begin so many seconds after the session's first event (in a GPT-Live session:"
        " on its own timeline). Transcripts give these seconds.",
    )
    end: Seconds | None = Field(
        None, description="End at this second; left out: 60 seconds after `start`."
    )
    response: Text | None = Field(
        None, description="Only the sound of this response. Not with `item` or `side`."
    )
    item: Text | None = Field(
        None, description="Only the sound of this item. Not with `response` or `side`."
    )
    side: Literal["user", "assistant"] | None = Field(
        None, description="Only what this side said. Left out: both, left and right."
    )


class CompareCalls(Arguments):
    """Which two sessions."""

    session_a: SessionId
    session_b: Annotated[Text, Field(description="The id of the session to compare it with.")]


class GiveScore(Arguments):
    """A score, and what it is of."""

    session_id: SessionId
    name: Text = Field(description="The name of the score: `helpful`, say; at most 64 characters.")
    value: bool | float | Text = Field(
        description="A number, true or false, or a text. One line of at most 128 characters is a"
        " label, by which sessions are found; longer text is a comment."
    )
    response: Text | None = Field(None, description="Score the response with this id instead.")
    item: Text | None = Field(None, description="Score the item with this id instead.")
    reason: Text | None = Field(None, description="Why, in at most 1,000 characters.")
    by: Text = Field(
        "mcp",
        description="Who gives the score; a later one of the same giver and name replaces it.",
    )


class SetMetadata(Arguments):
    """Pairs to set on a session."""

    session_id: SessionId
    metadata: Annotated[dict[Text, Text], Field(min_length=1, max_length=16)] = Field(
        description="The pairs to set; other pairs stay. A session has 16 at most, with keys of 64"
        " characters at most, and values of 512."
    )
