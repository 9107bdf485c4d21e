"""The table of scores, by which lists are filtered and which reports sum up."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, String, Table, Text, text

from eventstore.store.database.tables.columns import VALUE_TYPE, metadata, session_id

#: The last score of each name and giver: readmodels/score_rows.py.
scores = Table(
    "scores",
    metadata,
    session_id(),
    # What is scored: `session` with an empty id, or `response` or `item` with its id.
    Column("target", String(8), primary_key=True),
    Column("target_id", String(128), primary_key=True),
    Column("name", String(64), primary_key=True),
    # Who or what gave it; empty if that is not told.
    Column("scorer", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    # When that which is scored came.
    Column("at", BigInteger, nullable=False),
    # The response that is scored, or that the item belongs to.
    Column("response_id", String(128)),
    Column("kind", String(8), nullable=False),
    # A number, or 1 for true and 0 for false; null for labels and texts.
    Column("number", Float(53)),
    # A label; otherwise empty.
    Column("label", VALUE_TYPE, nullable=False),
    Column("resource", Text, nullable=False),
    # The model of the response, otherwise of the session.
    Column("model", String(256)),
    # This index and `scores_at` have what sums need, so that SQLite looks up no row for them. It
    # adds the primary key to each index itself. A label may be long, so it is in one index only.
    Index("scores_number", "name", "number", "at", "session_id", "response_id", "kind", "model"),
    Index(
        "scores_label",
        "label",
        "at",
        "session_id",
        "response_id",
        sqlite_where=text("label <> ''"),
        postgresql_where=text("label <> ''"),
    ),
    Index("scores_response", "session_id", "response_id", "name"),
    Index("scores_at", "at", "session_id", "response_id", "kind", "number", "model"),
    sqlite_with_rowid=False,
)
