"""The arguments of the tools: checked by pydantic, and described for a model that calls them.

Each class is the schema that a client sees, and the check of what it sends. Descriptions are
written for a reader who has never seen a Realtime event. Texts that end up in a query are checked
once more by the verbs, as those of a user of Python are.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from eventstore.projection.facets import ResponseKind
from eventstore.realtime.protocols import Protocol
from eventstore.realtime.values import loads
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
    """Return one text as a list, and an object as texts `K=V`: models write both, also as JSON."""
    if isinstance(value, str) and value[:1] in ("[", "{") and len(value) <= _LONGEST_TEXT:
        with suppress(ValueError, RecursionError):
            value = loads(value)
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [f"{key}={_as_text(one)}" for key, one in value.items()]
    return value


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("the value of a key is a text; for a key with any value, write KEY alone")


Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]
Texts = Annotated[list[Text], Field(max_length=MAX_CONDITIONS), BeforeValidator(_texts)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=_MOST)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]

SessionId = Annotated[Text, Field(description="The session's id: `sess_…`.")]
_GROUPS = "`model`, `day` (UTC), `session`, `day,model` or `metadata:KEY`"


class LogFilters(Arguments):
    """The filters that sessions, responses and sums have."""

    metadata: Texts | None = Field(
        None,
        description="Pairs that apps attach, all of them: `KEY=VALUE`, `KEY` (any value),"
        " `KEY^=PREFIX`, `KEY!=VALUE`.",
    )
    model: Text | None = None
    since: Text | None = Field(
        None,
        description="Earliest time: ISO 8601 (UTC) or epoch seconds.",
    )
    until: Text | None = Field(None, description="Latest time, not included.")


class ScoreFilters(LogFilters):
    """The filters by scores, which people and programs gave."""

    score: Texts | None = Field(
        None,
        description="All of: `helpful<0.5` (<=, >, >=), `solved=true`, `topic=refund`, `helpful`"
        " (any).",
    )
    label: Texts | None = Field(None, description="Labels given as scores, all of them.")


class FindSessions(ScoreFilters):
    """Which sessions, and which page of them."""

    text: Text | None = Field(
        None,
        description='Words said or given to a tool, all of them; "a phrase", pre*.',
    )
    status: SessionStatus | None = Field(
        None,
        description="`live`: not over. `interrupted`: the user cut an answer off. `errors`: of"
        " the server, or a response failed or is incomplete.",
    )
    protocol: Protocol | None = Field(None, description="`live`: GPT-Live. `realtime`: all others.")
    tool: Text | None = None
    reason: Text | None = Field(
        None,
        description="Why a response ended, or an error's code: `turn_detected`, `content_filter`,"
        " …",
    )
    language: Text | None = Field(None, description="Of a transcript: `en`.")
    min_duration: Seconds | None = None
    max_duration: Seconds | None = None
    min_cost: Seconds | None = None
    min_latency: Seconds | None = Field(None, description="Of its slowest answer.")
    min_turns: Count | None = None
    min_interruptions: Count | None = None
    sort: SessionSort = Field(
        "started",
        description="`score`: the first that `score` names.",
    )
    order: SortDirection = "desc"
    limit: Limit = 20
    after: Text | None = None


class FindResponses(ScoreFilters):
    """Which responses, and which page of them."""

    session: Text | None = None
    text: Text | None = Field(
        None,
        description='Words in it, or in the turn that it answers; "a phrase", pre*.',
    )
    status: ResponseStatus | None = Field(
        None,
        description="`cancelled`: often since the user interrupted it. `incomplete`: cut off by a"
        " limit or a filter.",
    )
    reason: Text | None = Field(
        None, description="Why it ended: `turn_detected`, `max_output_tokens`, an error's code."
    )
    voice: Text | None = None
    modality: Modality | None = None
    kind: ResponseKind | None = Field(
        None, description="GPT-Live alone: `spoken`, or `delegated` to a backend."
    )
    conversation: Text | None = None
    tool: Text | None = None
    language: Text | None = Field(None, description="Of the turn that it answers: `en`.")
    min_tokens: Count | None = None
    min_latency: Seconds | None = Field(
        None,
        description="How long the user waited for it.",
    )
    min_duration: Seconds | None = None
    sort: ResponseSort = Field(
        "created",
        description="`score`: the first that `score` names.",
    )
    order: SortDirection = "desc"
    limit: Limit = 20
    after: Text | None = None


class ReadTranscript(Arguments):
    """Which part of a transcript."""

    session_id: SessionId
    after: Count = Field(0, description="The number of a turn.")
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    text_offset: Count = Field(
        0,
        description="Read on in a turn that was cut, as the answer says.",
    )


class ReadSession(Arguments):
    """Which part of a session's state, and when."""

    session_id: SessionId
    at: Text | None = Field(
        None,
        description="`+12.5`: 12.5 seconds after the first event. `41`: just after the event with"
        " `seq` 41. Left out: now.",
    )
    part: Literal["overview", "items", "responses"] = Field(
        "overview",
        description="`items`: entries of the conversation. `responses`: the model's answers.",
    )
    after: Count = 0
    limit: Limit = 20


class ReadResponse(Arguments):
    """Which response."""

    response_id: Text = Field(description="The response's id: `resp_…`.")
    session_id: Text | None = Field(
        None, description="Its session's id, if several sessions share this one."
    )


class ListEvents(Arguments):
    """Which events of a session."""

    session_id: SessionId
    type: Text | None = Field(
        None,
        description="With `*` for anything: `response.done`, `error`, `conversation.item.*`.",
    )
    after: Count = Field(0, description="A `seq`.")
    limit: Limit = 20
    frame_characters: Annotated[int, Field(ge=0, le=50_000)] = Field(
        1000,
        description="Of each frame; 0 for none. Its sound is base64, of no use to you: use hear.",
    )
    frame_offset: Count = Field(0, description="Skip so many characters of each frame.")


class SumUsage(ScoreFilters):
    """What to sum up, and how to group it."""

    session: Text | None = None
    status: ResponseStatus | None = Field(None, description="How responses ended.")
    tool: Text | None = Field(None, description="One that responses called.")

    by: Text | None = Field(None, description=f"Group by {_GROUPS}; left out: one total.")
    after: Count = 0
    limit: Limit = 50


class SumScores(LogFilters):
    """Which scores to sum up, and how to group them."""

    by: Text | None = Field(
        None,
        description="Group by `name`, `day`, `model`, `giver`, `session` or `metadata:KEY`.",
    )
    name: Text | None = Field(None, description="Of the scores.")
    giver: Text | None = Field(None, description="The person or program that gave them.")
    session: Text | None = None
    after: Count = 0
    limit: Limit = 50


class ListMetadata(Arguments):
    """Which keys or values."""

    key: Annotated[Text, Field(min_length=1)] | None = Field(
        None, description="List this key's values; left out: keys and models."
    )
    prefix: Text = Field("", description="How keys or values begin.")
    limit: Limit = 50


class Hear(Arguments):
    """Which stretch of sound."""

    session_id: SessionId
    start: Seconds | None = Field(
        None,
        description="Second of the call, as in transcripts (GPT-Live: of its own timeline).",
    )
    end: Seconds | None = Field(None, description="Left out: `start` + 60.")
    response: Text | None = Field(None, description="Only this one; not with `item` or `side`.")
    item: Text | None = Field(None, description="Only this one; not with `response` or `side`.")
    side: Literal["user", "assistant"] | None = Field(None, description="Left out: both.")


class CompareCalls(Arguments):
    """Which two sessions."""

    session_a: SessionId
    session_b: Annotated[Text, Field(description="The other session's id.")]


class GiveScore(Arguments):
    """A score, and what it is of."""

    session_id: SessionId
    name: Text = Field(description="At most 64 characters: `helpful`.")
    value: bool | float | Text = Field(
        description="Text in one line of at most 128 characters is a label, by which it is found;"
        " longer text is a comment."
    )
    response: Text | None = Field(None, description="Score this response instead.")
    item: Text | None = Field(None, description="Score this item instead.")
    reason: Text | None = Field(None, description="At most 1,000 characters.")
    by: Text = Field(
        "mcp",
        description="Who gives it.",
    )


class SetMetadata(Arguments):
    """Pairs to set on a session."""

    session_id: SessionId
    metadata: Annotated[dict[Text, Text], Field(min_length=1, max_length=16)] = Field(
        description="At most 16 in all; keys of 64 characters, values of 512."
    )
