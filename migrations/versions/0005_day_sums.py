"""Sums by day, and marks of what changed since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TOKENS = (
    *("input_tokens", "output_tokens", "total_tokens"),
    *("input_text", "input_audio", "input_image"),
    *("cached_tokens", "cached_text", "cached_audio", "cached_image"),
    *("output_text", "output_audio", "audio_ms"),
)


def _day() -> sa.Column[int]:
    return sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False)


def _line() -> sa.Column[int]:
    return sa.Column("line", sa.Integer, primary_key=True, autoincrement=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def upgrade() -> None:
    op.create_table(
        "day_marks",
        sa.Column("session_id", sa.String(128), primary_key=True),
        _day(),
        _number("mark"),
        sqlite_with_rowid=False,
    )
    op.create_index("day_marks_day", "day_marks", ["day"])
    op.create_table(
        "summed_days",
        _day(),
        _number("version"),
        sa.Column("left_out", sa.Text),
        sa.Column("whole", sa.SmallInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "summed_sessions",
        sa.Column("session_id", sa.String(128), primary_key=True),
        _day(),
        sqlite_with_rowid=False,
    )
    op.create_index("summed_sessions_day", "summed_sessions", ["day"])
    op.create_table(
        "usage_days",
        _day(),
        _line(),
        sa.Column("model", sa.String(256)),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reported", sa.SmallInteger, nullable=False),
        sa.Column("in_seconds", sa.SmallInteger, nullable=False),
        *(_number(name) for name in ("max_at", "number", *TOKENS)),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "value_days",
        sa.Column("key", sa.String(64), primary_key=True),
        _day(),
        sa.Column("names", sa.Text, nullable=False),
        sa.Column("numbers", sa.LargeBinary, nullable=False),
    )
    op.create_index("value_days_day", "value_days", ["day"])
    if op.get_bind().dialect.name == "postgresql":
        # Statistics would hold metadata of erased sessions: of an empty table they are not renewed.
        for column in ("key", "names"):
            op.execute(f"ALTER TABLE value_days ALTER COLUMN {column} SET STATISTICS 0")
    op.create_table(
        "latency_days",
        _day(),
        _line(),
        sa.Column("model", sa.String(256)),
        sa.Column("bucket", sa.SmallInteger, nullable=False),
        _number("number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "turn_days",
        _day(),
        _line(),
        sa.Column("model", sa.String(256)),
        sa.Column("turn", sa.SmallInteger, nullable=False),
        *(_number(n) for n in ("number", "input_tokens", "cached_tokens", "output_tokens")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    sums = ("turn_days", "latency_days", "value_days", "usage_days")
    for table in (*sums, "summed_sessions", "summed_days", "day_marks"):
        op.drop_table(table)
