"""What verbs return that sum up or count, for type checkers: plain dictionaries."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class UsageEntry(TypedDict):
    """Usage summed up over a group, or over all: tokens, seconds of audio, and money.

    Attributes:
        object: `realtime.usage`.
        key: The group: a session's id, a model, a day, or a value of metadata.
        model: The model, if it is grouped by day and model.
        sessions: How many sessions are billed by time.
        responses: How many responses.
        transcriptions: How many transcriptions.
        audio_ms: Milliseconds of audio that are billed by time.
        paused_ms: Milliseconds of GPT-Live sessions in which the model was paused.
        paused_sessions: How many sessions of GPT-Live were paused.
        decisions: How many decisions of GPT-Live sessions.
        cost_usd: US dollars, as far as prices are known; None if none is.
        unpriced: What the cost does not contain, since its price is not known. If some of it has no
            price because the server has not told its usage, `untold` counts and names that.
        unpriced_between_usd: The least and the most that it costs, if that is known.
    """

    object: str
    key: NotRequired[str | None]
    model: NotRequired[str | None]
    sessions: int
    responses: int
    transcriptions: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_text: int
    input_audio: int
    input_image: int
    cached_tokens: int
    cached_text: int
    cached_audio: int
    cached_image: int
    output_text: int
    output_audio: int
    audio_ms: int
    paused_ms: NotRequired[int]
    paused_sessions: NotRequired[int]
    decisions: NotRequired[int]
    cost_usd: float | None
    unpriced: dict[str, Any]
    unpriced_between_usd: Any


class UsageReport(TypedDict):
    """What `usage` returns: `data` with one entry for each group, and the `total`."""

    object: str
    by: str | None
    data: list[UsageEntry]
    total: UsageEntry


class SessionSummary(TypedDict):
    """What a session adds up to, as `sessions(summary=True)` gives it under `eventstore`.

    Attributes:
        turns: The number of messages of the user and the assistant.
        input_tokens: Tokens that went in, cached ones included.
        cached_tokens: Those of them that were cached.
        output_tokens: Tokens that came out.
        cost_usd: What it cost in US dollars; None if nothing of it has a known price.
        unpriced: True if something of it has no known price.
        slowest_ms: How long the slowest answer was waited for, in milliseconds; None if unknown.
    """

    turns: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float | None
    unpriced: bool
    slowest_ms: float | None


class LatencyEntry(TypedDict):
    """How fast answers came, of a group or of all.

    Attributes:
        object: `realtime.latency`.
        key: The group, as for `UsageEntry`.
        model: The model, if it is grouped by day and model.
        answers: How many answers were measured.
        p50_ms: Half of them came within so many milliseconds; None if there is none.
        p90_ms: Nine of ten came within so many milliseconds.
        p99_ms: All but one of a hundred came within so many milliseconds.
    """

    object: str
    key: NotRequired[str | None]
    model: NotRequired[str | None]
    answers: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None


class LatencyReport(TypedDict):
    """What `latency` returns: `data` with one entry for each group, and the `total`."""

    object: str
    by: str | None
    data: list[LatencyEntry]
    total: LatencyEntry


class ContextEntry(TypedDict):
    """The mean tokens of the responses that are the same turn of their sessions.

    Attributes:
        object: `realtime.context`.
        turn: 1 for the first response of each session, and so on.
        responses: How many there are.
    """

    object: str
    turn: int
    responses: int
    input_tokens: float
    cached_tokens: float
    output_tokens: float


class ContextReport(TypedDict):
    """What `context` returns: `data` with one entry for each turn."""

    object: str
    data: list[ContextEntry]


class ReplicaStatus(TypedDict):
    """How the replica of a store is that was opened with `read_url`.

    Attributes:
        database: Its URL, without its password.
        max_lag: How many seconds it may lag behind.
        behind_bytes: How many bytes of the write-ahead log it has still to replay; None if it does
            not answer.
        problem: Why the primary is read in its place; None if all is well.
    """

    database: str
    max_lag: float
    behind_bytes: int | None
    problem: str | None


class ConsumerFailure(TypedDict):
    """A session with which a projection of one's own, or a subscription, failed.

    Attributes:
        session_id: The session.
        seq: The last event that it has had.
        tries: How often it failed behind that event.
        failed_at: When it failed last.
        error: The name of the error's class.
    """

    session_id: str
    seq: int
    tries: int
    failed_at: str | None
    error: str | None


class ProjectionStatus(TypedDict):
    """A projection of one's own, and how far it is.

    Attributes:
        name: Its name.
        version: The version that the store's rows are to be of.
        tables: Its tables.
        older_tables: Tables that only its older versions had; they can be dropped.
        inline: True if appends run it.
        runs_here: True if this process can run it.
        behind: How many sessions have events that it has not had.
        failed: With how many sessions it failed; `failures` has the first hundred.
    """

    name: str
    version: int
    tables: list[str]
    older_tables: list[str]
    inline: bool
    runs_here: bool
    behind: int
    failed: int
    failures: list[ConsumerFailure]


class SubscriptionStatus(TypedDict):
    """A subscription, and how far it is.

    Attributes:
        name: Its name.
        of: What it is of: `events`, `responses`, `sessions` or `endings`.
        begins: Where it began: at the `start` of all sessions, or with what came from `now` on.
        types: The types of its events; None for all.
        metadata: Its conditions on the metadata of sessions.
        behind: How many sessions have something that it has not had.
        failed: With how many sessions it failed; `failures` has the first hundred.
        followed_at: When it was followed last, to half a minute.
    """

    name: str
    of: str
    begins: str
    types: list[str] | None
    metadata: list[str]
    behind: int
    failed: int
    failures: list[ConsumerFailure]
    followed_at: str | None


class StoreStatus(TypedDict):
    """What `status` returns: what the store holds, and what is behind.

    Attributes:
        database: The database's URL, without its password.
        schema: The name of its last migration.
        sessions: How many sessions it has.
        events: How many events.
        responses: How many responses.
        sealed_sessions: How many sessions are sealed, with all of their events.
        behind: How many sessions `project` would project.
        failed_projections: How many sessions could not be projected; `failed` names them.
        fold_errors: How many events the fold could not read by a fault of its own.
        nodes: The nodes of the cluster that a distributed store is spread over: `host`, `port`,
            whether it is the `coordinator`, and how many `shards`, `sessions` and `bytes` it has.
        replica: The replica that queries run on; None if there is none.
        open_to_others: Files of the store that other users may read or write.
        projections: The projections of one's own.
        subscriptions: The subscriptions.
        dead_letters: How many webhooks were given up; 10,000 at most.
    """

    object: str
    database: str
    schema: str | None
    projector_version: int
    sessions: int
    events: int
    responses: int
    sealed_sessions: int
    key_store: str | None
    erased_sessions: int
    erased_audio: int
    behind: int
    nodes: list[dict[str, Any]]
    replica: ReplicaStatus | None
    open_to_others: list[str]
    failed_projections: int
    failed: list[dict[str, Any]]
    fold_errors: int
    with_fold_errors: list[dict[str, Any]]
    projections: list[ProjectionStatus]
    subscriptions: list[SubscriptionStatus]
    dead_letters: int
