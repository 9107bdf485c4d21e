"""Archive, query and replay OpenAI Realtime sessions: an event store on SQLite and PostgreSQL."""

from eventstore.errors import (
    AmbiguousError,
    ConflictError,
    DatabaseUnavailableError,
    EventStoreError,
    InvalidInputError,
    NotFoundError,
    SchemaError,
)
from eventstore.realtime.frames import Frame
from eventstore.store.event_store import EventStore

__version__ = "0.1.0"

__all__ = [
    "AmbiguousError",
    "ConflictError",
    "DatabaseUnavailableError",
    "EventStore",
    "EventStoreError",
    "Frame",
    "InvalidInputError",
    "NotFoundError",
    "SchemaError",
    "__version__",
]
