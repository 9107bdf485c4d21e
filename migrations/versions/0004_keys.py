"""Keys of sessions, in a database of their own, and its name in the stores that it is for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "session_keys",
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("key", sa.LargeBinary(32)),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("dropped_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        # Statistics would hold values of it.
        op.execute("ALTER TABLE session_keys ALTER COLUMN key SET STATISTICS 0")
    op.create_table(
        "key_stores",
        sa.Column("id", sa.String(64), primary_key=True),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT COUNT(*) FROM key_stores")).scalar():
        raise RuntimeError(
            "what is here is encrypted, or is keys; export the sessions to a store without keys"
        )
    op.drop_table("key_stores")
    op.drop_table("session_keys")
