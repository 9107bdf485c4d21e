"""Bytes outside of the database that a session's segments named before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "left_bytes",
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("location", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("left_bytes")
