"""Where webhooks that were given up had been sent, and when they are due to be sent again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

DUE = sa.text("again_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("destination", sa.String(256)))
    op.add_column("dead_letters", sa.Column("again_at", sa.BigInteger))
    op.create_index("dead_letters_failed", "dead_letters", ["failed_at", "session_id"])
    op.create_index(
        "dead_letters_again",
        "dead_letters",
        ["consumer", "session_id"],
        sqlite_where=DUE,
        postgresql_where=DUE,
    )


def downgrade() -> None:
    op.drop_index("dead_letters_again", "dead_letters")
    op.drop_index("dead_letters_failed", "dead_letters")
    op.drop_column("dead_letters", "again_at")
    op.drop_column("dead_letters", "destination")
