"""Indexes by time as the views show it. The views are made after the migrations, by env.py."""

from __future__ import annotations

from alembic import op

from eventstore.store.database.views.create_views import (
    create_time_indexes,
    drop_time_indexes,
    drop_views,
    refuse_other_relations,
)

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    refuse_other_relations(op.get_bind())
    create_time_indexes(op.get_bind())


def downgrade() -> None:
    drop_views(op.get_bind())
    drop_time_indexes(op.get_bind())
