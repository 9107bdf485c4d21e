"""The log and its read models."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Compared byte by byte, so that a prefix is a range of the index on PostgreSQL too.
VALUE = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")

# PostgreSQL bounds a text-search vector at 1 MB; no spoken item comes near this.
# Its parser would keep hosts, paths and numbers with signs whole, and leave tags out.
SEARCHED = "to_tsvector('simple', translate(left(said, 100000), '-./:@_+<>&', '          '))"


def upgrade() -> None:
    op.create_table(
        "streams",
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("head_seq", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger()),
        sa.Column("closed_at", sa.BigInteger()),
        sa.Column("projected_seq", sa.BigInteger(), nullable=False),
        sa.Column("projector_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "streams_behind",
        "streams",
        ["session_id"],
        sqlite_where=sa.text("projected_seq < head_seq"),
        postgresql_where=sa.text("projected_seq < head_seq"),
    )
    op.create_index("streams_projector_version", "streams", ["projector_version"])
    op.create_table(
        "events",
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", sa.BigInteger()),
        sa.Column("direction", sa.String(6), nullable=False),
        sa.Column("type", sa.String(128), nullable=False),
        sa.Column("frame", sa.Text(), nullable=False),
        sa.Column("audio_offset", sa.Integer()),
        sa.Column("audio_bytes", sa.Integer()),
        sa.Column("load_key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql")),
        sa.Column("audio", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("session_id", "seq"),
    )
    op.create_index(
        "events_load_key",
        "events",
        ["session_id", "load_key", "seq", "audio_bytes"],
        sqlite_where=sa.text("load_key IS NOT NULL"),
        postgresql_where=sa.text("load_key IS NOT NULL"),
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(256)),
        sa.Column("closed", sa.SmallInteger(), nullable=False),
        sa.Column("responses", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("wire", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("sessions_at", "sessions", ["at", "session_id"])
    op.create_index("sessions_model", "sessions", ["model", "at", "session_id"])
    op.create_table(
        "session_metadata",
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", VALUE, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "session_metadata_value", "session_metadata", ["key", "value", "at", "session_id"]
    )
    op.create_table(
        "conversations",
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("conversation_id", sa.String(128)),
        sa.PrimaryKeyConstraint("session_id", "position"),
        sqlite_with_rowid=False,
    )
    op.create_index("conversations_id", "conversations", ["conversation_id"])
    op.create_table(
        "items",
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("item_id", sa.String(128), nullable=False),
        sa.Column("conversation", sa.Integer()),
        sa.Column("position", sa.Integer()),
        sa.Column("type", sa.String(64)),
        sa.Column("role", sa.String(64)),
        sa.Column("status", sa.String(64)),
        sa.Column("response_id", sa.String(128)),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger()),
        sa.Column("deleted_seq", sa.BigInteger()),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "item_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("items_response", "items", ["session_id", "response_id"])
    op.create_table(
        "responses",
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("response_id", sa.String(128), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(64)),
        sa.Column("status_reason", sa.String(64)),
        sa.Column("model", sa.String(256)),
        sa.Column("voice", sa.String(128)),
        sa.Column("modalities", sa.String(16)),
        sa.Column("audio_format", sa.String(32)),
        sa.Column("temperature", sa.Float()),
        sa.Column("max_output_tokens", sa.String(24)),
        sa.Column("conversation_id", sa.String(128)),
        sa.Column("interrupted", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger()),
        sa.Column("first_text_at", sa.BigInteger()),
        sa.Column("first_audio_at", sa.BigInteger()),
        sa.Column("done_at", sa.BigInteger()),
        sa.Column("speech_ended_at", sa.BigInteger()),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("total_tokens", sa.BigInteger(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "response_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("responses_at", "responses", ["at", "session_id", "response_id"])
    op.create_index(
        "responses_conversation",
        "responses",
        ["conversation_id", "at", "session_id", "response_id"],
    )
    op.create_index("responses_id", "responses", ["response_id"])
    op.create_index("responses_model", "responses", ["model", "at", "session_id", "response_id"])
    op.create_index("responses_status", "responses", ["status", "at", "session_id", "response_id"])
    op.create_index("responses_voice", "responses", ["voice", "at", "session_id", "response_id"])
    op.create_table(
        "response_metadata",
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("response_id", sa.String(128), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", VALUE, nullable=False),
        sa.Column("own", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "response_id", "key", "value"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "response_metadata_value",
        "response_metadata",
        ["key", "value", "at", "session_id", "response_id"],
    )
    op.create_table(
        "usage",
        sa.Column("session_id", sa.String(128), nullable=False),
        sa.Column("usage_id", sa.String(160), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("response_id", sa.String(128)),
        sa.Column("item_id", sa.String(128)),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(256)),
        sa.Column("reported", sa.SmallInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("total_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_text", sa.BigInteger(), nullable=False),
        sa.Column("input_audio", sa.BigInteger(), nullable=False),
        sa.Column("input_image", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_text", sa.BigInteger(), nullable=False),
        sa.Column("cached_audio", sa.BigInteger(), nullable=False),
        sa.Column("cached_image", sa.BigInteger(), nullable=False),
        sa.Column("output_text", sa.BigInteger(), nullable=False),
        sa.Column("output_audio", sa.BigInteger(), nullable=False),
        sa.Column("audio_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "usage_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("usage_at", "usage", ["at", "session_id"])
    if op.get_bind().dialect.name == "postgresql":
        # Audio does not compress as bytes; trying costs a fifth of an append.
        op.execute("ALTER TABLE events ALTER COLUMN audio SET STORAGE EXTERNAL")
        op.execute(f"CREATE INDEX items_said ON items USING gin ({SEARCHED})")
    else:
        # FTS5 knows its rows by number only; said_rows says which row is which item.
        op.execute(
            "CREATE VIRTUAL TABLE said USING fts5(text, columnsize=0,"
            " tokenize='unicode61 remove_diacritics 0')"
        )
        op.execute(
            "CREATE TABLE said_rows (session_id VARCHAR(128) NOT NULL,"
            " item_id VARCHAR(128) NOT NULL, docid INTEGER NOT NULL,"
            " PRIMARY KEY (session_id, item_id)) WITHOUT ROWID"
        )
        op.execute("CREATE INDEX said_rows_docid ON said_rows (docid)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE said_rows")
        op.execute("DROP TABLE said")
    op.drop_table("usage")
    op.drop_table("response_metadata")
    op.drop_table("responses")
    op.drop_table("items")
    op.drop_table("conversations")
    op.drop_table("session_metadata")
    op.drop_table("sessions")
    op.drop_table("events")
    op.drop_table("streams")
