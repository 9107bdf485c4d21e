"""The id of a store, and the event that a session is encrypted from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "store_ids",
        sa.Column("id", sa.String(32), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.add_column("session_keys", sa.Column("from_seq", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("session_keys", "from_seq")
    op.drop_table("store_ids")
