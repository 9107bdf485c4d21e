"""The tables of the sums by day, which belong to the whole store and not to a session.

An append does not write them. It only writes marks of its session into `day_marks`; see
readmodels/day_invalidation.py. usage/daily/ writes and reads the sums.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
)

from eventstore.projection.views.usage import Tokens
from eventstore.store.database.tables.columns import VALUE_TYPE
from eventstore.store.database.tables.declared import metadata
from eventstore.times import DAY_US


def day_of(at: str) -> str:
    """Return SQL for the number of a time's day since 1970 in UTC; negative before 1970.

    The time since the day's beginning is subtracted before the division, which leaves no remainder
    then. So it does not matter that SQLite and PostgreSQL divide towards zero, where other
    databases give a fraction. (Otherwise both days beside 1970-01-01T00:00 would be day 0.)

    Args:
        at: SQL of the time, in microseconds.
    """
    time_of_day = f"(({at} % {DAY_US}) + {DAY_US}) % {DAY_US}"
    return f"CAST(({at} - {time_of_day}) / {DAY_US} AS BIGINT)"


def _day() -> Column[int]:
    return Column("day", BigInteger, primary_key=True, autoincrement=False)


def _line() -> Column[int]:
    return Column("line", Integer, primary_key=True, autoincrement=False)


def _marks(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("session_id", String(128), primary_key=True),
        _day(),
        # A random number, new with each change.
        Column("mark", BigInteger, nullable=False),
        Index(f"{name}_day", "day"),
        sqlite_with_rowid=False,
    )


# One row says that a session changed what is billed on a day after the day was summed up.
day_marks = _marks("day_marks")
# The same for its scores on a day. A score may come long after the day, and leaves the sums of
# usage valid.
score_marks = _marks("score_marks")

summed_days = Table(
    "summed_days",
    metadata,
    _day(),
    # A random number, new each time that the day's sums are written or dropped.
    Column("version", BigInteger, nullable=False),
    # The metadata keys without sums, as JSON: a list, or true for all keys; null if the day has no
    # sums.
    Column("left_out", Text),
    # 1: the sums contain all sessions; 0: only those in `summed_sessions`, because the day is not
    # over.
    Column("whole", SmallInteger, nullable=False),
    # 1: there are sums of scores; 0: there are too many kinds of them; null: an older version made
    # the sums.
    Column("has_scores", SmallInteger),
    sqlite_with_rowid=False,
)

# The sessions that are in the sums of a day that is not over.
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

# Sums by the values of a metadata key, packed: see usage/daily/packed.py.
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

score_days = Table(
    "score_days",
    metadata,
    _day(),
    _line(),
    Column("name", String(64), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("scorer", String(64), nullable=False),
    Column("model", String(256)),
    Column("label", VALUE_TYPE, nullable=False),
    Column("number", BigInteger, nullable=False),
    # Of the numbers: the sum, the least and the greatest; 0 of labels and texts.
    Column("total", Float(53), nullable=False),
    Column("least", Float(53), nullable=False),
    Column("most", Float(53), nullable=False),
    sqlite_with_rowid=False,
)

#: The tables with the sums themselves.
DAY_SUM_TABLES = (usage_days, value_days, latency_days, turn_days, score_days)
#: SQL that drops the sums of scores, which have labels, and makes a refresh that goes on discard
#: its result.
DROP_SCORE_SUMS = (
    "UPDATE summed_days SET has_scores = NULL, version = version + 1",
    "DELETE FROM score_days",
)
#: The tables with marks of days, by which sums are not valid any more.
MARK_TABLES = (day_marks, score_marks)
#: SQL of the sessions that have marked days, whatever for.
ALL_MARKS = f"({' UNION '.join(f'SELECT session_id, day FROM {t.name}' for t in MARK_TABLES)})"
#: SQL behind WHERE: the sessions of marks `k` that the sums of a day lack.
LACKING = (
    "k.day = ? AND NOT EXISTS (SELECT 1 FROM summed_sessions c"
    " WHERE c.session_id = k.session_id AND c.day = k.day)"
)
#: The tables that belong to the whole store, and not to a session.
OF_THE_STORE = (summed_days, summed_sessions, *DAY_SUM_TABLES)
