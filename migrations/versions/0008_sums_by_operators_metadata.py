"""Sums by metadata are made anew: a session's pairs count before those of its responses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SUMS = ("usage_days", "value_days", "latency_days", "turn_days", "summed_sessions", "summed_days")
DELETE = [sa.delete(sa.table(name)) for name in SUMS]


def upgrade() -> None:
    # Days without sums are answered from their rows, and summed up again.
    for statement in DELETE:
        op.execute(statement)


def downgrade() -> None:
    upgrade()
