"""Lengths of open sessions by steps, so that lists sorted by length read few of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from eventstore.projection.figures import step_us

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

OPEN = sa.text("reached_us IS NOT NULL")
PAGE = 1000
LENGTHS = (
    "SELECT f.session_id, o.last_at - f.counts_from FROM session_figures f"
    " JOIN streams o ON o.session_id = f.session_id"
    " WHERE f.duration_us IS NULL AND f.session_id > :last ORDER BY f.session_id LIMIT :page"
)
SET_REACHED = "UPDATE session_figures SET reached_us = :reached WHERE session_id = :session_id"


def upgrade() -> None:
    op.add_column("session_figures", sa.Column("reached_us", sa.BigInteger))
    connection, last = op.get_bind(), ""
    while rows := connection.execute(sa.text(LENGTHS), {"last": last, "page": PAGE}).fetchall():
        reached = [
            {"session_id": id_, "reached": step_us(max(0, length))}
            for id_, length in rows
            if length is not None
        ]
        if reached:
            connection.execute(sa.text(SET_REACHED), reached)
        last = rows[-1][0]
    # Of those without times no length is known, however long they stay open.
    op.execute(
        "UPDATE session_figures SET duration_us = -1"
        " WHERE duration_us IS NULL AND reached_us IS NULL"
    )
    op.create_index(
        "session_figures_reached",
        "session_figures",
        ["reached_us", "session_id"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )


def downgrade() -> None:
    op.drop_index("session_figures_reached", "session_figures")
    op.execute("UPDATE session_figures SET duration_us = NULL WHERE reached_us IS NOT NULL")
    op.drop_column("session_figures", "reached_us")
