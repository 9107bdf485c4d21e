"""What servers tell: events with the times of words, and of limits, are read; reasons are found.

Such events were passed over before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

events = sa.table("events", sa.column("type"), sa.column("load_key"))
told = events.c.type.in_(
    ("conversation.item.input_audio_transcription.segment", "rate_limits.updated")
)
given = sa.text("status_reason IS NOT NULL")


def upgrade() -> None:
    op.execute(events.update().where(told).values(load_key=""))
    op.create_index(
        "responses_reason",
        "responses",
        ["status_reason", "at", "session_id", "response_id"],
        sqlite_where=given,
        postgresql_where=given,
    )


def downgrade() -> None:
    op.drop_index("responses_reason", "responses")
    op.execute(events.update().where(told).values(load_key=None))
