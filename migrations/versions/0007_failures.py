"""Sessions that could not be projected, and events that could not be folded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "projection_failures",
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("projector_version", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("failed_at", sa.BigInteger, nullable=False),
        sa.Column("retry_at", sa.BigInteger, nullable=False),
        sa.Column("error", sa.String(64), nullable=False),
        sqlite_with_rowid=False,
    )
    op.add_column("sessions", sa.Column("fold_errors", sa.Integer))
    op.create_index(
        "sessions_fold_errors",
        "sessions",
        ["session_id"],
        sqlite_where=sa.text("fold_errors > 0"),
        postgresql_where=sa.text("fold_errors > 0"),
    )


def downgrade() -> None:
    op.drop_index("sessions_fold_errors", table_name="sessions")
    op.drop_column("sessions", "fold_errors")
    op.drop_table("projection_failures")
