"""Archive, query and replay OpenAI Realtime sessions: an event store on SQLite and PostgreSQL."""

from typing import TYPE_CHECKING, Any

from eventstore.common.version import VERSION

if TYPE_CHECKING:
    from eventstore.capture.recorder.recorder import Recorder
    from eventstore.errors import (
        AmbiguousError,
        ConflictError,
        DatabaseUnavailableError,
        DriftError,
        ErasedError,
        EventStoreError,
        InvalidInputError,
        NotFoundError,
        SchemaError,
    )
    from eventstore.event_store import EventStore
    from eventstore.realtime.frames import Frame

__version__ = VERSION

__all__ = [
    "AmbiguousError",
    "ConflictError",
    "DatabaseUnavailableError",
    "DriftError",
    "ErasedError",
    "EventStore",
    "EventStoreError",
    "Frame",
    "InvalidInputError",
    "NotFoundError",
    "Recorder",
    "SchemaError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # Each name is imported when it is first used: pytest imports the package at every start, for
    # its plugin, and the command line before it knows which command was given.
    if name == "EventStore":
        from eventstore.event_store import EventStore

        return EventStore
    if name == "Frame":
        from eventstore.realtime.frames import Frame

        return Frame
    if name == "Recorder":
        from eventstore.capture.recorder.recorder import Recorder

        return Recorder
    if name in __all__:
        from eventstore import errors

        return getattr(errors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
