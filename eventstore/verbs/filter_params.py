"""The filters of lists as Python passes them, for type checkers: misspelt names are refused.

Each is the same as a filter of `store/filters/filters.py`, which checks the values when a verb is
called; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from typing_extensions import TypedDict

from eventstore.projection.facets import ResponseKind
from eventstore.realtime.metadata import Condition
from eventstore.realtime.protocols import Protocol
from eventstore.store.filters.filters import Modality, ResponseStatus, SessionStatus

#: A moment: a `datetime` (in UTC if it names no time zone), a `date` (its first moment in UTC), ISO
#: 8601 text (in UTC if it names no time zone), or seconds since 1970.
Moment = datetime | date | str | float
#: Conditions on metadata: a mapping of keys to values that must be equal, or one or several texts
#: `K=V`, `K` (has it), `K^=PREFIX` or `K!=V`.
MetadataConditions = Mapping[str, str] | str | Sequence[str | Condition]


class LogFilterParams(TypedDict, total=False):
    """Which sessions, by what the log tells of them. Every condition must hold.

    Attributes:
        metadata: Conditions on metadata: a mapping of keys to values, or one or several texts
            `K=V`, `K` (the key is there), `K^=PREFIX` or `K!=V`.
        model: The name of the model.
        since: The earliest moment, included: a `datetime`, a `date`, ISO 8601 text or seconds since
            1970. What names no time zone is in UTC.
        until: The latest moment, not included; written as `since` is.
    """

    metadata: MetadataConditions | None
    model: str | None
    since: Moment | None
    until: Moment | None


class SessionFilterParams(LogFilterParams, total=False):
    """Which sessions. Every condition must hold; what is not known passes no condition.

    Attributes:
        status: `live`, `ended`, `interrupted`, or `errors`: the session has errors, or responses
            that failed or are incomplete.
        text: Somebody said it: words, `"a phrase"`, `pre*`.
        protocol: `live` for sessions of GPT-Live, `realtime` for all others.
        tool: A tool of this name was called.
        reason: A response ended for this reason, or an error has this code.
        language: A transcript is in this language, such as `en`.
        min_duration: The session took at least so many seconds.
        max_duration: The session took at most so many seconds.
        min_cost: It cost at least so many US dollars, as far as prices are known.
        min_latency: Its slowest answer took at least so many seconds.
        min_turns: It has at least so many turns.
        min_interruptions: It has at least so many interruptions.
        score: It, one of its responses or one of its items has such a score: `helpful<0.5`,
            `helpful>=0.5`, `solved=true`, `topic=refund`, or `helpful` for any value; one or
            several.
        label: It, one of its responses or one of its items has this label; one or several.
    """

    status: SessionStatus | None
    text: str | None
    protocol: Protocol | None
    tool: str | None
    reason: str | None
    language: str | None
    min_duration: float | None
    max_duration: float | None
    min_cost: float | None
    min_latency: float | None
    min_turns: int | None
    min_interruptions: int | None
    score: str | Sequence[str] | None
    label: str | Sequence[str] | None


class ResponseFilterParams(LogFilterParams, total=False):
    """Which responses. Every condition must hold; what is not known passes no condition.

    A response is also found by the metadata of its session.

    Attributes:
        status: `completed`, `cancelled`, `failed`, `incomplete` or `in_progress`.
        reason: It ended for this reason, such as `turn_detected`.
        voice: The voice that it was spoken with.
        modality: `text` or `audio`.
        kind: Of GPT-Live: `spoken` by the assistant, or `delegated` to a backend.
        conversation: The id of its conversation.
        session: The id of its session.
        text: It says this: words, `"a phrase"`, `pre*`.
        tool: It called a tool of this name.
        language: The turn that it answers is in this language, such as `en`.
        min_tokens: It took at least so many tokens, of input and output.
        min_latency: It was waited for at least so many seconds.
        min_duration: It took at least so many seconds.
        score: It, or one of its items, has such a score: `helpful<0.5`, `solved=true`,
            `topic=refund`, or `helpful` for any value; one or several.
        label: It, or one of its items, has this label; one or several.
    """

    status: ResponseStatus | None
    reason: str | None
    voice: str | None
    modality: Modality | None
    kind: ResponseKind | None
    conversation: str | None
    session: str | None
    text: str | None
    tool: str | None
    language: str | None
    min_tokens: int | None
    min_latency: float | None
    min_duration: float | None
    score: str | Sequence[str] | None
    label: str | Sequence[str] | None


class ScoreFilterParams(LogFilterParams, total=False):
    """Which scores. Every condition must hold. The times are of what is scored.

    Attributes:
        session: The id of the session.
        name: The name of the score.
        giver: Who or what gave it.
    """

    session: str | None
    name: str | None
    giver: str | None
