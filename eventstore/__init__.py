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
from eventstore.event_store import EventStore
from eventstore.realtime.frames import Frame

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
