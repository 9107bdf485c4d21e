"""Events that tell when words were said are read with the rest; they were passed over before."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TYPE = "conversation.item.input_audio_transcription.segment"


def upgrade() -> None:
    op.execute(f"UPDATE events SET load_key = '' WHERE type = '{TYPE}'")


def downgrade() -> None:
    op.execute(f"UPDATE events SET load_key = NULL WHERE type = '{TYPE}'")
