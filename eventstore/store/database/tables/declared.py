"""The tables, as declared. Migrations create them; a test compares the two on each database.

Every primary key begins with `session_id`: an append touches one session, and a distributed
engine can place each session on one node. Sums of the whole store are in day_tables.py. Times are
microseconds since 1970 UTC.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from eventstore.store.database.tables.columns import KEY, VALUE, metadata, session_id
from eventstore.store.database.tables.list_tables import (
    response_facets,
    session_costs,
    session_facets,
    session_figures,
)

#: Names that are declared elsewhere, and asked for here.
__all__ = ["metadata", "response_facets", "session_costs", "session_facets", "session_figures"]

# `sqlite_with_rowid=False`: the primary key is the table, so that a commit of a few rows writes
# half as many pages.

streams = Table(
    "streams",
    metadata,
    session_id(),
    Column("head_seq", BigInteger, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("last_at", BigInteger),
    Column("closed_at", BigInteger),
    Column("projected_seq", BigInteger, nullable=False),
    Column("projector_version", Integer, nullable=False),
    # Events up to here are in segments, their rows are gone; null for none.
    Column("sealed_seq", BigInteger),
    Column("erased_at", BigInteger),
    Index(
        "streams_behind",
        "session_id",
        sqlite_where=text("projected_seq < head_seq"),
        postgresql_where=text("projected_seq < head_seq"),
    ),
    Index("streams_projector_version", "projector_version"),
    sqlite_with_rowid=False,
)

# Audio is last, so that SQLite reads the other columns without its overflow pages.
events = Table(
    "events",
    metadata,
    session_id(),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger),
    Column("direction", String(6), nullable=False),
    Column("type", String(128), nullable=False),
    Column("frame", Text, nullable=False),
    Column("audio_offset", Integer),
    Column("audio_bytes", Integer),
    # What loading a state finds it by, null where it does not read it: see projection/load_keys.py.
    Column("load_key", KEY),
    Column("audio", LargeBinary),
    Index(
        "events_load_key",
        "session_id",
        "load_key",
        "seq",
        "audio_bytes",
        sqlite_where=text("load_key IS NOT NULL"),
        postgresql_where=text("load_key IS NOT NULL"),
    ),
)

# Either `data` is here, or it is at `location`.
segments = Table(
    "segments",
    metadata,
    session_id(),
    Column("first_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("first_at", BigInteger),
    Column("least_at", BigInteger),
    Column("frame_bytes", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("previous_sha256", LargeBinary(32), nullable=False),
    Column("location", Text),
    Column("data", LargeBinary),
)

#: What is left of sessions that were erased, or whose audio was.
erasures = Table(
    "erasures",
    metadata,
    session_id(),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("what", String(16), nullable=False),
    Column("reason", Text),
    Column("events", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    # When the database's files were written anew behind it, null for not yet.
    Column("vacuumed_at", BigInteger),
    # Bytes of segments outside of the database that are still to be deleted: a JSON array.
    Column("locations", Text),
    sqlite_with_rowid=False,
)

#: Bytes outside of the database that a session's segments named before: log/segments/left_bytes.py.
left_bytes = Table(
    "left_bytes",
    metadata,
    session_id(),
    Column("location", Text, primary_key=True),
    sqlite_with_rowid=False,
)

#: Sessions that could not be projected, while they are behind: sessions/projection_failures.py.
projection_failures = Table(
    "projection_failures",
    metadata,
    session_id(),
    # What was tried: up to which event, and by which version of the projector.
    Column("seq", BigInteger, nullable=False),
    Column("projector_version", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
    Column("retry_at", BigInteger, nullable=False),
    # The name of the error's class: no content.
    Column("error", String(64), nullable=False),
    sqlite_with_rowid=False,
)

#: In the database of the keys: see docs/encrypt.md.
session_keys = Table(
    "session_keys",
    metadata,
    session_id(),
    Column("key", LargeBinary(32)),
    Column("made_at", BigInteger, nullable=False),
    # Its session was erased: no other key is made for it.
    Column("dropped_at", BigInteger),
    # Events from here on were written encrypted; null where that was not noted.
    Column("from_seq", BigInteger),
    sqlite_with_rowid=False,
)

#: The store's id: what its bytes outside of the database are kept under begins with it.
store_ids = Table(
    "store_ids",
    metadata,
    Column("id", String(32), primary_key=True),
    sqlite_with_rowid=False,
)

#: The name of the database of the keys: there, and in each store whose keys it has.
key_stores = Table(
    "key_stores",
    metadata,
    Column("id", String(64), primary_key=True),
    sqlite_with_rowid=False,
)

sessions = Table(
    "sessions",
    metadata,
    session_id(),
    Column("at", BigInteger, nullable=False),
    Column("model", String(256)),
    Column("closed", SmallInteger, nullable=False),
    Column("responses", Integer, nullable=False),
    Column("interruptions", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("wire", Text, nullable=False),
    Column("notes", Text, nullable=False),
    # Events that the fold could not make sense of by a fault of its own; null for none.
    Column("fold_errors", Integer),
    Index("sessions_at", "at", "session_id"),
    Index("sessions_model", "model", "at", "session_id"),
    Index(
        "sessions_open",
        "at",
        "session_id",
        sqlite_where=text("closed = 0"),
        postgresql_where=text("closed = 0"),
    ),
    Index(
        "sessions_fold_errors",
        "session_id",
        sqlite_where=text("fold_errors > 0"),
        postgresql_where=text("fold_errors > 0"),
    ),
    sqlite_with_rowid=False,
)

session_metadata = Table(
    "session_metadata",
    metadata,
    session_id(),
    Column("key", String(64), primary_key=True),
    Column("value", VALUE, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("session_metadata_value", "key", "value", "at", "session_id"),
    sqlite_with_rowid=False,
)

conversations = Table(
    "conversations",
    metadata,
    session_id(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("conversation_id", String(128)),
    Index("conversations_id", "conversation_id"),
    sqlite_with_rowid=False,
)

items = Table(
    "items",
    metadata,
    session_id(),
    Column("item_id", String(128), primary_key=True),
    Column("conversation", Integer),
    Column("position", Integer),
    Column("type", String(64)),
    Column("role", String(64)),
    Column("status", String(64)),
    Column("response_id", String(128)),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger),
    Column("deleted_seq", BigInteger),
    Column("said", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Index("items_response", "session_id", "response_id"),
    sqlite_with_rowid=False,
)

responses = Table(
    "responses",
    metadata,
    session_id(),
    Column("response_id", String(128), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("status", String(64)),
    Column("status_reason", String(64)),
    Column("model", String(256)),
    Column("voice", String(128)),
    Column("modalities", String(16)),
    Column("audio_format", String(32)),
    Column("temperature", Float),
    Column("max_output_tokens", String(24)),
    Column("conversation_id", String(128)),
    Column("interrupted", SmallInteger, nullable=False),
    Column("created_at", BigInteger),
    Column("first_text_at", BigInteger),
    Column("first_audio_at", BigInteger),
    Column("done_at", BigInteger),
    Column("speech_ended_at", BigInteger),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("total_tokens", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    # How long it was waited for, and how long it took; -1 where that is not known.
    Column("answer_us", BigInteger),
    Column("duration_us", BigInteger),
    Index("responses_at", "at", "session_id", "response_id"),
    Index("responses_id", "response_id"),
    Index("responses_status", "status", "at", "session_id", "response_id"),
    Index(
        "responses_reason",
        "status_reason",
        "at",
        "session_id",
        "response_id",
        sqlite_where=text("status_reason IS NOT NULL"),
        postgresql_where=text("status_reason IS NOT NULL"),
    ),
    Index("responses_model", "model", "at", "session_id", "response_id"),
    Index("responses_voice", "voice", "at", "session_id", "response_id"),
    Index("responses_conversation", "conversation_id", "at", "session_id", "response_id"),
    Index("responses_answer", "answer_us", "at", "session_id", "response_id"),
    Index("responses_duration", "duration_us", "at", "session_id", "response_id"),
    Index("responses_tokens", "total_tokens", "at", "session_id", "response_id"),
    sqlite_with_rowid=False,
)

response_metadata = Table(
    "response_metadata",
    metadata,
    session_id(),
    Column("response_id", String(128), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("value", VALUE, primary_key=True),
    Column("own", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    # A page of newest-first answers is a stretch of this index: no sort.
    Index("response_metadata_value", "key", "value", "at", "session_id", "response_id"),
    sqlite_with_rowid=False,
)

usage = Table(
    "usage",
    metadata,
    session_id(),
    Column("usage_id", String(160), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("response_id", String(128)),
    Column("item_id", String(128)),
    Column("at", BigInteger, nullable=False),
    Column("model", String(256)),
    # The flags of `Reported`, 0 for no usage: how far the numbers tell what it costs.
    Column("reported", SmallInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("total_tokens", BigInteger, nullable=False),
    Column("input_text", BigInteger, nullable=False),
    Column("input_audio", BigInteger, nullable=False),
    Column("input_image", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cached_text", BigInteger, nullable=False),
    Column("cached_audio", BigInteger, nullable=False),
    Column("cached_image", BigInteger, nullable=False),
    Column("output_text", BigInteger, nullable=False),
    Column("output_audio", BigInteger, nullable=False),
    Column("audio_ms", BigInteger, nullable=False),
    Index("usage_at", "at", "session_id"),
    sqlite_with_rowid=False,
)

#: Tables of the database of the keys, which stores have as well: each to name its own.
KEYS = (session_keys, key_stores)

#: Tables that no copy of a session takes along.
NOT_OF_SESSIONS = (*KEYS, store_ids)

#: Tables that a projection writes, in the order of their writing.
READ_MODELS = (
    sessions,
    session_figures,
    session_facets,
    session_metadata,
    conversations,
    items,
    responses,
    response_metadata,
    response_facets,
    usage,
)
