"""Consumers of the log, how far each is in each session, and which sessions have news for one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eventstore.store.database.tables.columns import KEY_TYPE

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NEWS = sa.text("fed_seq IS NULL OR fed_seq < head_seq")
UNFINISHED = sa.text("failed_at IS NOT NULL OR worker IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "consumers",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("passed", KEY_TYPE),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoints",
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("consumer", sa.String(128), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(64)),
        sa.Column("until", sa.BigInteger),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("failed_at", sa.BigInteger),
        sa.Column("retry_at", sa.BigInteger),
        sa.Column("error", sa.String(64)),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "checkpoints_unfinished",
        "checkpoints",
        ["consumer", "session_id"],
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    )
    op.create_table(
        "dead_letters",
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("consumer", sa.String(128), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("response_id", sa.String(128)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("failed_at", sa.BigInteger, nullable=False),
        sa.Column("error", sa.String(64), nullable=False),
        sqlite_with_rowid=False,
    )
    op.add_column("streams", sa.Column("fed_seq", sa.BigInteger))
    op.create_index(
        "streams_news", "streams", ["session_id"], sqlite_where=NEWS, postgresql_where=NEWS
    )


def downgrade() -> None:
    op.drop_index("streams_news", "streams")
    op.drop_column("streams", "fed_seq")
    op.drop_table("dead_letters")
    op.drop_table("checkpoints")
    op.drop_table("consumers")
