"""Segments of sealed sessions, and what is left of erased ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("streams", sa.Column("sealed_seq", sa.BigInteger))
    op.add_column("streams", sa.Column("erased_at", sa.BigInteger))
    op.create_table(
        "segments",
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("first_seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("first_at", sa.BigInteger),
        sa.Column("least_at", sa.BigInteger),
        sa.Column("frame_bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("previous_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("location", sa.Text),
        sa.Column("data", sa.LargeBinary),
    )
    op.create_table(
        "erasures",
        sa.Column("session_id", sa.String(128), primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("vacuumed_at", sa.BigInteger),
        sa.Column("locations", sa.Text),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        # It is packed: trying again would only take time.
        op.execute("ALTER TABLE segments ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    sealed = sa.text("SELECT COUNT(*) FROM segments")
    if op.get_bind().execute(sealed).scalar():
        raise RuntimeError("sessions are sealed; run first: eventstore unseal --all")
    op.drop_table("erasures")
    op.drop_table("segments")
    op.drop_column("streams", "erased_at")
    op.drop_column("streams", "sealed_seq")
