"""The model of what is scored, and indexes that have what sums of scores need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BEFORE = {
    "scores_number": ["name", "number", "at", "session_id", "response_id"],
    "scores_at": ["at", "session_id"],
}
AFTER = {
    "scores_number": ["name", "number", "at", "session_id", "response_id", "kind", "model"],
    "scores_at": ["at", "session_id", "response_id", "kind", "number", "model"],
}
# A response's model counts before that of its session. Citus joins tables by their sessions.
MODELS = (
    "UPDATE scores SET model = s.model FROM sessions s WHERE s.session_id = scores.session_id",
    "UPDATE scores SET model = r.model FROM responses r WHERE r.session_id = scores.session_id"
    " AND r.response_id = scores.response_id AND r.model IS NOT NULL",
)


def upgrade() -> None:
    op.add_column("scores", sa.Column("model", sa.String(256)))
    _drop_indexes()
    for statement in MODELS:
        op.execute(statement)
    _create_indexes(AFTER)


def downgrade() -> None:
    _drop_indexes()
    _create_indexes(BEFORE)
    op.drop_column("scores", "model")


def _drop_indexes() -> None:
    for name in BEFORE:
        op.drop_index(name, "scores")


def _create_indexes(indexes: dict[str, list[str]]) -> None:
    for name, columns in indexes.items():
        op.create_index(name, "scores", columns)
