"""Events that tell when words were said are read with the rest; they were passed over before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

events = sa.table("events", sa.column("type"), sa.column("load_key"))
told = events.c.type == "conversation.item.input_audio_transcription.segment"


def upgrade() -> None:
    op.execute(events.update().where(told).values(load_key=""))


def downgrade() -> None:
    op.execute(events.update().where(told).values(load_key=None))
