"""The declarations of the tables with rows of sessions.

Migrations create the tables; a test compares the two on each database. Every primary key begins
with `session_id`: an append touches one session, and a distributed database can keep each session
on one node. The sums of the whole store are declared in day_tables.py. Times are in microseconds
since 1970 UTC.
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

from eventstore.store.database.tables.columns import KEY_TYPE, VALUE_TYPE, metadata, session_id
from eventstore.store.database.tables.consumer_tables import checkpoints, consumers, dead_letters
from eventstore.store.database.tables.list_tables import (
    response_facets,
    session_costs,
    session_facets,
    session_figures,
)
from eventstore.store.database.tables.score_tables import scores

#: Names that other modules declare, and that are imported from here.
__all__ = [
    "checkpoints",
    "consumers",
    "dead_letters",
    "metadata",
    "response_facets",
    "scores",
    "session_costs",
    "session_facets",
    "session_figures",
]

# `sqlite_with_rowid=False` stores the rows in the index of the primary key, so that a commit of a
# few rows writes half as many pages.

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
    # Events up to this seq are in segments and have no rows; null if there are no segments.
    Column("sealed_seq", BigInteger),
    Column("erased_at", BigInteger),
    # Every consumer has had the events up to this seq; null for none: store/consumers/news.py.
    Column("fed_seq", BigInteger),
    Index(
        "streams_news",
        "session_id",
        sqlite_where=text("fed_seq IS NULL OR fed_seq < head_seq"),
        postgresql_where=text("fed_seq IS NULL OR fed_seq < head_seq"),
    ),
    Index(
        "streams_behind",
        "session_id",
        sqlite_where=text("projected_seq < head_seq"),
        postgresql_where=text("projected_seq < head_seq"),
    ),
    Index("streams_projector_version", "projector_version"),
    sqlite_with_rowid=False,
)

# Audio is the last column, so that SQLite reads the others without overflow pages.
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
    # The key by which `load_state` finds the event; null if it does not read it:
    # projection/load_keys.py.
    Column("load_key", KEY_TYPE),
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

# The bytes are in `data`, or at the URL `location`.
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

#: The tombstones of sessions that were erased, or whose audio was.
erasures = Table(
    "erasures",
    metadata,
    session_id(),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("what", String(16), nullable=False),
    Column("reason", Text),
    Column("events", BigInteger, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    # When the database's files were rewritten after the erasure; null if that is still to be done.
    Column("vacuumed_at", BigInteger),
    # The URLs of segments' bytes that are still to be deleted, as a JSON array.
    Column("locations", Text),
    sqlite_with_rowid=False,
)

#: Places of bytes that a session's segments named before: log/segments/left_bytes.py.
left_bytes = Table(
    "left_bytes",
    metadata,
    session_id(),
    Column("location", Text, primary_key=True),
    sqlite_with_rowid=False,
)

#: Sessions that could not be projected and are still behind: sessions/projection_failures.py.
projection_failures = Table(
    "projection_failures",
    metadata,
    session_id(),
    # Up to which event, and by which version of the projector, the session was to be projected.
    Column("seq", BigInteger, nullable=False),
    Column("projector_version", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
    Column("retry_at", BigInteger, nullable=False),
    # The name of the error's class; its message could have content.
    Column("error", String(64), nullable=False),
    sqlite_with_rowid=False,
)

#: The keys of sessions, in the database of the keys: docs/encrypt.md.
session_keys = Table(
    "session_keys",
    metadata,
    session_id(),
    Column("key", LargeBinary(32)),
    Column("made_at", BigInteger, nullable=False),
    # When the session was erased; no other key is made for it.
    Column("dropped_at", BigInteger),
    # The first event that was written encrypted; null if that was not noted.
    Column("from_seq", BigInteger),
    sqlite_with_rowid=False,
)

#: The store's id, of which the name of its folder outside of the database is made: identity.py.
store_ids = Table(
    "store_ids",
    metadata,
    Column("id", String(32), primary_key=True),
    sqlite_with_rowid=False,
)

#: The name of a database of keys, in itself and in each store whose keys it has.
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
    # How many events the projection could not handle because of a bug in it; null for none.
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
    Column("value", VALUE_TYPE, nullable=False),
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
    # How long the user waited for the answer, and how long it took; -1 if unknown.
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
    Column("value", VALUE_TYPE, primary_key=True),
    Column("own", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    # A page of the newest responses is a range of this index, so it needs no sort.
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
    # The flags of `Reported`, which say what the numbers tell of the cost; 0 if no usage was
    # reported.
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

#: The tables of a database of keys. Stores have them too, to name their own database of keys.
KEY_TABLES = (session_keys, key_stores)

#: The tables that are not copied with a session.
NOT_OF_SESSIONS = (*KEY_TABLES, store_ids, consumers)

#: The tables that a projection writes, in the order of writing.
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
    scores,
)
