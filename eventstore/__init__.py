"""Archive, query and replay OpenAI Realtime sessions: an event store on SQLite and PostgreSQL.

Every public name is here; docs/python.md describes each. A name is imported when it is first used:
pytest imports the package at every start, for its plugin, and the command line before it knows
which command was given.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from eventstore.common.version import VERSION

if TYPE_CHECKING:
    from eventstore.aio.async_event_store import AsyncEventStore
    from eventstore.aio.async_feed import AsyncFeed
    from eventstore.aio.async_items import AsyncItems
    from eventstore.aio.async_page import AsyncPage
    from eventstore.aio.async_traces import AsyncTraces
    from eventstore.aio.async_webhooks import AsyncWebhooks
    from eventstore.aio.verbs.queries import AsyncQueries
    from eventstore.archive.copy_sessions import Copied
    from eventstore.archive.move_segments import Moved
    from eventstore.archive.seal import Sealed, Unsealed
    from eventstore.archive.verifying.verify_results import (
        Problem,
        Protection,
        SegmentDigest,
        Verified,
    )
    from eventstore.capture.calls.sideband import record_call
    from eventstore.capture.files.import_file import Imported
    from eventstore.capture.recorder.recorder import Recorder
    from eventstore.capture.recorder.session_recorder import SessionRecorder
    from eventstore.capture.taps.tap_agents import recorded_model
    from eventstore.capture.taps.tap_openai import tap
    from eventstore.errors import (
        AmbiguousError,
        BrokenHeadError,
        ClosedError,
        ConflictError,
        DamagedError,
        DatabaseUnavailableError,
        DriftError,
        ErasedError,
        ErasedMeanwhileError,
        EventStoreError,
        Failure,
        ForkError,
        InvalidInputError,
        MissingExtraError,
        MissingKeyError,
        MissingSessionKeyError,
        NotFoundError,
        ProjectionError,
        SchemaError,
        SomeFailedError,
        StorageUnavailableError,
        TimeLimitError,
        UnforeseenError,
        WorkerDiedError,
    )
    from eventstore.event_store import EventStore
    from eventstore.exports.chat import Chat, chat
    from eventstore.exports.html import write_html
    from eventstore.exports.otel.session_spans import read_spans
    from eventstore.exports.otel.traces import Traces
    from eventstore.exports.parquet.update_parquet import Updated, update_parquet
    from eventstore.exports.parquet.write_parquet import Written, write_parquet
    from eventstore.exports.transcript import Turn
    from eventstore.feed.delivery import Delivery
    from eventstore.feed.feed import Feed
    from eventstore.feed.webhooks.dead_letters import DeadLetter
    from eventstore.feed.webhooks.webhooks import Webhooks
    from eventstore.realtime.events import StoredEvent
    from eventstore.realtime.frames import Frame
    from eventstore.realtime.metadata import Condition
    from eventstore.replay.cassette.cassette import Cassette, cassette
    from eventstore.replay.player.cue import Cue
    from eventstore.replay.reseed.reseed import Reseed
    from eventstore.replay.server.server import recordings_of, replay_server
    from eventstore.replay.serving.connection import Manner
    from eventstore.sound.call_audio import AudioWritten
    from eventstore.store.consumers.projections.catch_up import Projected
    from eventstore.store.consumers.projections.projection import Projection
    from eventstore.store.database.statements.statement_rows import StatementRows
    from eventstore.store.log.heads import Fault
    from eventstore.store.maintenance.backup import BackedUp, BackedUpKeys
    from eventstore.store.maintenance.distribute import TableStep
    from eventstore.store.queries.pages import Page
    from eventstore.store.sessions.append_arguments import Append, Appended
    from eventstore.store.sessions.erase_session import Erased
    from eventstore.store.sessions.repair import Repaired
    from eventstore.verbs.filter_params import (
        LogFilterParams,
        MetadataConditions,
        Moment,
        ResponseFilterParams,
        ScoreFilterParams,
        SessionFilterParams,
    )
    from eventstore.verbs.moments import microseconds
    from eventstore.verbs.queries import Queries
    from eventstore.verbs.reports import (
        ContextEntry,
        ContextReport,
        LatencyEntry,
        LatencyReport,
        ProjectionStatus,
        SessionSummary,
        StoreStatus,
        SubscriptionStatus,
        UsageEntry,
        UsageReport,
    )
    from eventstore.verbs.resources import (
        ConversationResource,
        ItemNotes,
        ItemResource,
        LastWords,
        ResponseNotes,
        ResponseResource,
        SessionNotes,
        SessionResource,
        WholeSession,
    )
    from eventstore.verbs.results import Results
    from eventstore.verbs.score_reports import ScoreEntry, ScoreReport, ScoreResource

__version__ = VERSION

# The module of each public name.
_MODULES = {
    name: module
    for module, names in {
        "aio.async_event_store": ("AsyncEventStore",),
        "aio.async_feed": ("AsyncFeed",),
        "aio.async_traces": ("AsyncTraces",),
        "aio.async_webhooks": ("AsyncWebhooks",),
        "aio.async_items": ("AsyncItems",),
        "aio.async_page": ("AsyncPage",),
        "aio.verbs.queries": ("AsyncQueries",),
        "archive.copy_sessions": ("Copied",),
        "archive.move_segments": ("Moved",),
        "archive.seal": ("Sealed", "Unsealed"),
        "archive.verifying.verify_results": ("Problem", "Protection", "SegmentDigest", "Verified"),
        "capture.calls.sideband": ("record_call",),
        "capture.files.import_file": ("Imported",),
        "capture.recorder.recorder": ("Recorder",),
        "capture.recorder.session_recorder": ("SessionRecorder",),
        "capture.taps.tap_agents": ("recorded_model",),
        "capture.taps.tap_openai": ("tap",),
        "errors": (
            "AmbiguousError",
            "BrokenHeadError",
            "ClosedError",
            "ConflictError",
            "DamagedError",
            "DatabaseUnavailableError",
            "DriftError",
            "ErasedError",
            "ErasedMeanwhileError",
            "EventStoreError",
            "Failure",
            "ForkError",
            "InvalidInputError",
            "MissingExtraError",
            "MissingKeyError",
            "MissingSessionKeyError",
            "NotFoundError",
            "ProjectionError",
            "SchemaError",
            "SomeFailedError",
            "StorageUnavailableError",
            "TimeLimitError",
            "UnforeseenError",
            "WorkerDiedError",
        ),
        "event_store": ("EventStore",),
        "feed.delivery": ("Delivery",),
        "feed.feed": ("Feed",),
        "feed.webhooks.dead_letters": ("DeadLetter",),
        "feed.webhooks.webhooks": ("Webhooks",),
        "exports.chat": ("Chat", "chat"),
        "exports.html": ("write_html",),
        "exports.otel.session_spans": ("read_spans",),
        "exports.otel.traces": ("Traces",),
        "exports.parquet.update_parquet": ("Updated", "update_parquet"),
        "exports.parquet.write_parquet": ("Written", "write_parquet"),
        "exports.transcript": ("Turn",),
        "realtime.events": ("StoredEvent",),
        "realtime.frames": ("Frame",),
        "realtime.metadata": ("Condition",),
        "replay.cassette.cassette": ("Cassette", "cassette"),
        "replay.player.cue": ("Cue",),
        "replay.reseed.reseed": ("Reseed",),
        "replay.server.server": ("recordings_of", "replay_server"),
        "replay.serving.connection": ("Manner",),
        "sound.call_audio": ("AudioWritten",),
        "store.database.statements.statement_rows": ("StatementRows",),
        "store.log.heads": ("Fault",),
        "store.maintenance.backup": ("BackedUp", "BackedUpKeys"),
        "store.maintenance.distribute": ("TableStep",),
        "store.queries.pages": ("Page",),
        "store.sessions.append_arguments": ("Append", "Appended"),
        "store.sessions.erase_session": ("Erased",),
        "store.consumers.projections.catch_up": ("Projected",),
        "store.consumers.projections.projection": ("Projection",),
        "store.sessions.repair": ("Repaired",),
        "verbs.filter_params": (
            "LogFilterParams",
            "MetadataConditions",
            "Moment",
            "ResponseFilterParams",
            "ScoreFilterParams",
            "SessionFilterParams",
        ),
        "verbs.moments": ("microseconds",),
        "verbs.queries": ("Queries",),
        "verbs.reports": (
            "ContextEntry",
            "ContextReport",
            "LatencyEntry",
            "LatencyReport",
            "ProjectionStatus",
            "SessionSummary",
            "StoreStatus",
            "SubscriptionStatus",
            "UsageEntry",
            "UsageReport",
        ),
        "verbs.resources": (
            "ConversationResource",
            "ItemNotes",
            "ItemResource",
            "LastWords",
            "ResponseNotes",
            "ResponseResource",
            "SessionNotes",
            "SessionResource",
            "WholeSession",
        ),
        "verbs.results": ("Results",),
        "verbs.score_reports": ("ScoreEntry", "ScoreReport", "ScoreResource"),
    }.items()
    for name in names
}

__all__ = [
    "AmbiguousError",
    "Append",
    "Appended",
    "AsyncEventStore",
    "AsyncFeed",
    "AsyncItems",
    "AsyncPage",
    "AsyncQueries",
    "AsyncTraces",
    "AsyncWebhooks",
    "AudioWritten",
    "BackedUp",
    "BackedUpKeys",
    "BrokenHeadError",
    "Cassette",
    "Chat",
    "ClosedError",
    "Condition",
    "ConflictError",
    "ContextEntry",
    "ContextReport",
    "ConversationResource",
    "Copied",
    "Cue",
    "DamagedError",
    "DatabaseUnavailableError",
    "DeadLetter",
    "Delivery",
    "DriftError",
    "Erased",
    "ErasedError",
    "ErasedMeanwhileError",
    "EventStore",
    "EventStoreError",
    "Failure",
    "Fault",
    "Feed",
    "ForkError",
    "Frame",
    "Imported",
    "InvalidInputError",
    "ItemNotes",
    "ItemResource",
    "LastWords",
    "LatencyEntry",
    "LatencyReport",
    "LogFilterParams",
    "Manner",
    "MetadataConditions",
    "MissingExtraError",
    "MissingKeyError",
    "MissingSessionKeyError",
    "Moment",
    "Moved",
    "NotFoundError",
    "Page",
    "Problem",
    "Projected",
    "Projection",
    "ProjectionError",
    "ProjectionStatus",
    "Protection",
    "Queries",
    "Recorder",
    "Repaired",
    "Reseed",
    "ResponseFilterParams",
    "ResponseNotes",
    "ResponseResource",
    "Results",
    "SchemaError",
    "ScoreEntry",
    "ScoreFilterParams",
    "ScoreReport",
    "ScoreResource",
    "Sealed",
    "SegmentDigest",
    "SessionFilterParams",
    "SessionNotes",
    "SessionRecorder",
    "SessionResource",
    "SessionSummary",
    "SomeFailedError",
    "StatementRows",
    "StorageUnavailableError",
    "StoreStatus",
    "StoredEvent",
    "SubscriptionStatus",
    "TableStep",
    "TimeLimitError",
    "Traces",
    "Turn",
    "UnforeseenError",
    "Unsealed",
    "Updated",
    "UsageEntry",
    "UsageReport",
    "Verified",
    "Webhooks",
    "WholeSession",
    "WorkerDiedError",
    "Written",
    "__version__",
    "cassette",
    "chat",
    "microseconds",
    "read_spans",
    "record_call",
    "recorded_model",
    "recordings_of",
    "replay_server",
    "tap",
    "update_parquet",
    "write_html",
    "write_parquet",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
