"""Figures that lists are chosen and sorted by: of sessions, their tools and costs; of responses.

What is not known before a session is projected again is -1.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

VALUE = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")
FIGURES = ("turns", "interruptions", "slowest_us", "duration_us")
OF_RESPONSES = {
    "responses_answer": "answer_us",
    "responses_duration": "duration_us",
    "responses_tokens": "total_tokens",
}
responses = sa.table("responses", sa.column("answer_us"), sa.column("duration_us"))
ANSWER = (
    "COALESCE(first_audio_at - speech_ended_at,"
    " COALESCE(first_audio_at, first_text_at) - created_at)"
)
FACETS = {"session_facets": ("session_id",), "response_facets": ("session_id", "response_id")}


def _or_unknown(took: str) -> sa.TextClause:
    """Return SQL of a time, or -1 where it is not known, as where the clock was set back."""
    known = f"CASE WHEN {took} < -1000000 THEN NULL WHEN {took} < 0 THEN 0 ELSE {took} END"
    return sa.text(f"COALESCE({known}, -1)")


def _key(name: str, length: int = 128) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), primary_key=True)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    op.create_table(
        "session_figures",
        _key("session_id"),
        *map(_number, ("at", "turns", "interruptions", "slowest_us")),
        sa.Column("counts_from", sa.BigInteger),
        sa.Column("duration_us", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session_costs",
        _key("session_id"),
        _number("at"),
        sa.Column("prices", sa.String(32), nullable=False),
        sa.Column("usd", sa.Float(53), nullable=False),
        _number("mark"),
        sqlite_with_rowid=False,
    )
    for table, keys in FACETS.items():
        op.create_table(
            table,
            *map(_key, keys),
            _key("facet", 16),
            sa.Column("value", VALUE, primary_key=True),
            sqlite_with_rowid=False,
        )
        op.create_index(f"{table}_value", table, ["facet", "value", *keys])
    for name in ("answer_us", "duration_us"):
        op.add_column("responses", sa.Column(name, sa.BigInteger))
    # Sessions are projected again, which knows the jumps of their clocks.
    op.execute("UPDATE streams SET projector_version = 0")
    op.execute(
        responses.update().values(
            answer_us=_or_unknown(ANSWER), duration_us=_or_unknown("done_at - created_at")
        )
    )
    op.execute(
        "INSERT INTO session_figures (session_id, at, turns, interruptions, slowest_us,"
        " duration_us) SELECT session_id, at, -1, interruptions, -1, -1 FROM sessions"
    )
    op.execute(
        "INSERT INTO session_costs (session_id, at, prices, usd, mark)"
        " SELECT session_id, at, '', -1, 0 FROM sessions"
    )
    op.create_index("session_figures_at", "session_figures", ["at", "session_id"])
    for figure in FIGURES:
        name = f"session_figures_{figure.removesuffix('_us')}"
        op.create_index(name, "session_figures", [figure, "at", "session_id"])
    op.create_index("session_costs_usd", "session_costs", ["prices", "usd", "at", "session_id"])
    for name, figure in OF_RESPONSES.items():
        op.create_index(name, "responses", [figure, "at", "session_id", "response_id"])


def downgrade() -> None:
    for name in OF_RESPONSES:
        op.drop_index(name, "responses")
    for name in ("answer_us", "duration_us"):
        op.drop_column("responses", name)
    for table in ("session_figures", "session_costs", *FACETS):
        op.drop_table(table)
