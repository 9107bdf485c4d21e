"""An index of the sessions that are open: few, among however many that are closed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "sessions_open",
        "sessions",
        ["at", "session_id"],
        sqlite_where=sa.text("closed = 0"),
        postgresql_where=sa.text("closed = 0"),
    )


def downgrade() -> None:
    op.drop_index("sessions_open", "sessions")
