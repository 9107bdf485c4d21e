"""Sums of scores by day, and marks of the days on which scores changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

VALUE = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")


def _day(
    name: str = "day", type_: type[sa.types.TypeEngine[int]] = sa.BigInteger
) -> sa.Column[int]:
    return sa.Column(name, type_, primary_key=True, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "score_marks",
        sa.Column("session_id", sa.String(128), primary_key=True),
        _day(),
        sa.Column("mark", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("score_marks_day", "score_marks", ["day"])
    op.create_table(
        "score_days",
        _day(),
        _day("line", sa.Integer),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("scorer", sa.String(64), nullable=False),
        sa.Column("model", sa.String(256)),
        sa.Column("label", VALUE, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Float(53), nullable=False) for name in ("total", "least", "most")),
        sqlite_with_rowid=False,
    )
    # Days that were summed up before have no sums of scores, until they are summed up again.
    op.add_column("summed_days", sa.Column("has_scores", sa.SmallInteger))


def downgrade() -> None:
    op.drop_column("summed_days", "has_scores")
    op.drop_table("score_days")
    op.drop_table("score_marks")
