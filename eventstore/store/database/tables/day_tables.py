"""Tables of sums by day, as declared. They are the store's, not a session's: no append writes them.

An append writes marks alone, which are its session's: see day_marks.py.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
)

from eventstore.projection.views.usage import Tokens
from eventstore.store.database.tables.declared import metadata
from eventstore.times import DAY_US


def day_of(at: str) -> str:
    """SQL for the number of the day that a time is in, before 1970, too.

    Databases divide towards zero, so that both days around the first moment of 1970 would be one.

    Args:
        at: SQL of the time.
    """
    return f"({at} - CASE WHEN {at} < 0 THEN {DAY_US - 1} ELSE 0 END) / {DAY_US}"


def _day() -> Column[int]:
    return Column("day", BigInteger, primary_key=True, autoincrement=False)


def _line() -> Column[int]:
    return Column("line", Integer, primary_key=True, autoincrement=False)


# What a session changed of a day since it was summed up.
day_marks = Table(
    "day_marks",
    metadata,
    Column("session_id", String(128), primary_key=True),
    _day(),
    # Another number each time.
    Column("mark", BigInteger, nullable=False),
    Index("day_marks_day", "day"),
    sqlite_with_rowid=False,
)

summed_days = Table(
    "summed_days",
    metadata,
    _day(),
    # Another number each time that the day's sums are written or dropped.
    Column("version", BigInteger, nullable=False),
    # Keys without sums, as JSON: a list, or true for all; null where the day has no sums at all.
    Column("left_out", Text),
    # 1: the sums are of all sessions; 0: of those in `summed_sessions`, the day is not over.
    Column("whole", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Whose rows the sums of a day contain that is not over.
summed_sessions = Table(
    "summed_sessions",
    metadata,
    Column("session_id", String(128), primary_key=True),
    _day(),
    Index("summed_sessions_day", "day"),
    sqlite_with_rowid=False,
)

usage_days = Table(
    "usage_days",
    metadata,
    _day(),
    _line(),
    Column("model", String(256)),
    Column("kind", String(16), nullable=False),
    Column("reported", SmallInteger, nullable=False),
    Column("in_seconds", SmallInteger, nullable=False),
    Column("max_at", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in Tokens._fields),
    sqlite_with_rowid=False,
)

# By the values of a key of metadata, too: see packed_sums.py.
value_days = Table(
    "value_days",
    metadata,
    Column("key", String(64), primary_key=True),
    _day(),
    Column("names", Text, nullable=False),
    Column("numbers", LargeBinary, nullable=False),
    Index("value_days_day", "day"),
)

latency_days = Table(
    "latency_days",
    metadata,
    _day(),
    _line(),
    Column("model", String(256)),
    Column("bucket", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

turn_days = Table(
    "turn_days",
    metadata,
    _day(),
    _line(),
    Column("model", String(256)),
    Column("turn", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Tables with the sums themselves.
SUMS = (usage_days, value_days, latency_days, turn_days)
#: Tables that are the whole store's, and no session's.
OF_THE_STORE = (summed_days, summed_sessions, *SUMS)
