"""Scores of sessions, responses and items."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

VALUE = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")
LABELLED = sa.text("label <> ''")


def _key(name: str, length: int = 128) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=True)


def upgrade() -> None:
    op.create_table(
        "scores",
        _key("session_id"),
        _key("target", 8),
        _key("target_id"),
        _key("name", 64),
        _key("scorer", 64),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("response_id", sa.String(128)),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("number", sa.Float(53)),
        sa.Column("label", VALUE, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "scores_number", "scores", ["name", "number", "at", "session_id", "response_id"]
    )
    op.create_index(
        "scores_label",
        "scores",
        ["label", "at", "session_id", "response_id"],
        sqlite_where=LABELLED,
        postgresql_where=LABELLED,
    )
    op.create_index("scores_response", "scores", ["session_id", "response_id", "name"])
    op.create_index("scores_at", "scores", ["at", "session_id"])


def downgrade() -> None:
    op.drop_table("scores")
