"""Refresh the sums by day: sum up each day that has no valid sums.

A day that is over gets new sums of scores alone, if its other sums are valid: scores may come long
after it.

A day is read in one transaction and written in another one, so that appends only wait for the
writing. If rows change in between, there is a mark that was not read, or one with another number;
the new sums are then not valid. Only marks that were read are deleted. The version of the day tells
whether another process has written or dropped its sums in between; the result is then discarded.

A day that is not over is summed up without its open sessions. These keep their marks, and are read
from rows. The day is summed up again when enough of them are closed. Called by verbs/upkeep.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import EventStoreError, Failure
from eventstore.realtime.values import dumps
from eventstore.store.database.outages import attempt
from eventstore.store.database.retries import retried
from eventstore.store.database.tables.day_tables import (
    ALL_MARKS,
    DAY_SUM_TABLES,
    MARK_TABLES,
    score_marks,
    summed_sessions,
)
from eventstore.store.database.transaction import Row, Transaction, read, write
from eventstore.store.readmodels.day_invalidation import DELETE_SUMMED_SESSIONS, random_number
from eventstore.store.readmodels.upsert import insert_sql
from eventstore.store.usage.daily.compute import (
    DaySums,
    settled_sessions,
    sum_day,
    sum_scores_of_day,
    unsettled_sessions,
)
from eventstore.store.usage.daily.coverage import FIRST_DAY, LAST_USAGE, read_summed_days
from eventstore.times import DAY_US, date_of, now

#: How long a day must be over before it is summed up as a whole, in microseconds.
_OVER = 3_600_000_000
#: How long a session must be closed, in microseconds, because metadata are often set after its end.
_SETTLED = 600_000_000
# For a day that is not over: how many rows are worth the first sums, how many newly closed sessions
# are worth new sums, and at least which part of the sessions in the old ones (1/20).
_ROWS, _SESSIONS, _SHARE = 2000, 20, 20

DAY_VERSION = "SELECT version FROM summed_days WHERE day = ?"
FEW_ROWS = f"SELECT COUNT(*) FROM (SELECT 1 FROM usage WHERE at >= ? AND at < ? LIMIT {_ROWS}) u"
SETTLED = (
    f"SELECT COUNT(*) FROM {ALL_MARKS} m JOIN streams t ON t.session_id = m.session_id"
    " WHERE m.day = ? AND t.closed_at < ?"
)
CONTAINED = "SELECT COUNT(*) FROM summed_sessions WHERE day = ?"
MARKS_OF_DAY = "SELECT session_id, mark FROM {table} WHERE day = ?"
MARKED_DAYS = f"SELECT DISTINCT m.day FROM {ALL_MARKS} m WHERE m.day >= ? AND m.day <= ?"
NEW_VERSION = (
    "INSERT INTO summed_days (day, version, left_out, whole, has_scores) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (day) DO NOTHING"
)
NEXT_VERSION = (
    "UPDATE summed_days SET version = ?, left_out = ?, whole = ?, has_scores = ?"
    " WHERE day = ? AND version = ?"
)
NEXT_SCORES = "UPDATE summed_days SET version = ?, has_scores = ? WHERE day = ? AND version = ?"
DELETE_MARK = "DELETE FROM {table} WHERE day = ? AND session_id = ? AND mark = ?"


class DayRead(NamedTuple):
    """A day as it was read.

    Attributes:
        day: The number of days since 1970 in UTC.
        version: The version of its sums; None if it had none.
        marks: The marks of the sessions that were summed up, in the order of sessions, by table.
        contained: The sessions that were summed up; None for all.
        sums: The new sums.
    """

    day: int
    version: int | None
    marks: dict[str, list[Row]]
    contained: list[str] | None
    sums: DaySums


def refresh_days(engine: Engine, moment: int | None = None) -> Iterator[int | Failure]:
    """Sum up each day that has no valid sums, the newest first.

    Several processes may do it at the same time. A day that fails does not stop the others.

    Args:
        moment: The time up to which days are summed up, in microseconds since 1970 UTC; None for
            now.

    Yields:
        The number of each day that was summed up (days since 1970 in UTC), or why it could not be.
    """
    moment = now() if moment is None else moment
    over = (moment - _OVER) // DAY_US
    for day in days_to_sum(engine, moment):
        before = None if day < over else moment - _SETTLED
        date = date_of(day)
        done = attempt(f"day {date}", partial(_refresh_day, engine, day, before))
        if isinstance(done, EventStoreError):
            yield Failure(date, done)
        elif done:
            yield day


def _refresh_day(engine: Engine, day: int, before: int | None) -> bool:
    def refresh() -> bool:
        with read(engine) as tx:
            scores_alone = before is None and _has_usage_summed(tx, day)
        return write_day(engine, read_day(engine, day, before, scores_alone))

    return retried(refresh)


def _has_usage_summed(tx: Transaction, day: int) -> bool:
    return any(summed.whole and summed.is_valid for summed in read_summed_days(tx, day, day))


def days_to_sum(engine: Engine, moment: int) -> list[int]:
    """Return the days up to a moment that have no valid sums, the newest first.

    A day that is not over is included if enough of its sessions are closed.
    """
    first, end = FIRST_DAY, (moment - _OVER) // DAY_US
    with read(engine) as tx:
        marked = {row[0] for row in tx.rows(MARKED_DAYS, (first, end - 1))}
        summed = read_summed_days(tx, first, end - 1)
        done = {
            day.number
            for day in summed
            if day.whole and day.is_valid and day.has_scores is not None
        }
        used = _days_with_usage(tx, first, end, done)
        going_on = [day for day in range(end, moment // DAY_US + 1) if _is_due(tx, day, moment)]
    # A day whose rows were deleted still has sums to remove.
    due = used | marked | {day.number for day in summed}
    return sorted(due - done | set(going_on), reverse=True)


def _days_with_usage(tx: Transaction, first: int, end: int, done: set[int]) -> set[int]:
    """Return the days with usage that are not done, from `first` until `end`, which is excluded."""
    found = set()
    while (at := tx.rows(LAST_USAGE, (first * DAY_US, end * DAY_US))[0][0]) is not None:
        end = at // DAY_US
        if end not in done:
            found.add(end)
        while end - 1 in done:
            end -= 1
    return found


def _is_due(tx: Transaction, day: int, moment: int) -> bool:
    """Return True if enough sessions of an unfinished day are closed to make new sums."""
    if not any(summed.is_valid for summed in read_summed_days(tx, day, day)):
        return _number(tx, FEW_ROWS, day * DAY_US, (day + 1) * DAY_US) == _ROWS
    contained = _number(tx, CONTAINED, day)
    return _number(tx, SETTLED, day, moment - _SETTLED) > max(_SESSIONS, contained // _SHARE)


def _number(tx: Transaction, sql: str, *parameters: int) -> int:
    return int(tx.rows(sql, parameters)[0][0])


def read_day(
    engine: Engine, day: int, before: int | None = None, scores_alone: bool = False
) -> DayRead:
    """Return the sums of a day, with the marks of the sessions in them.

    Args:
        before: Leave out sessions with marks that were not closed before this time, in microseconds
            since 1970 UTC; None for none.
        scores_alone: True for new sums of the scores, while the other sums stay as they are.
    """
    tables = (score_marks,) if scores_alone else MARK_TABLES
    with read(engine) as tx:
        version = tx.row(DAY_VERSION, (day,))
        left = set() if before is None else unsettled_sessions(tx, day, before)
        # Appends to several sessions lock rows of a table in the same order.
        marks = {
            table.name: sorted(
                mark
                for mark in tx.rows(MARKS_OF_DAY.format(table=table.name), (day,))
                if mark[0] not in left
            )
            for table in tables
        }
        contained = None if before is None else settled_sessions(tx, day, before)
        sums = sum_scores_of_day(tx, day) if scores_alone else sum_day(tx, day, before)
    return DayRead(day, None if version is None else version[0], marks, contained, sums)


def write_day(engine: Engine, day_read: DayRead) -> bool:
    """Replace the sums of a day; return False, with nothing written, if its version has changed."""
    contained = [(session_id, day_read.day) for session_id in day_read.contained or ()]
    with write(engine) as tx:
        if not _claim_day(tx, day_read):
            return False
        for table in DAY_SUM_TABLES:
            if table.name in day_read.sums.rows:
                tx.run(f"DELETE FROM {table.name} WHERE day = ?", (day_read.day,))
                tx.run_many(insert_sql(table), day_read.sums.rows[table.name])
        tx.run(DELETE_SUMMED_SESSIONS, (day_read.day,))
        tx.run_many(insert_sql(summed_sessions), contained)
        for name, marks in day_read.marks.items():
            tx.run_many(DELETE_MARK.format(table=name), [(day_read.day, *mark) for mark in marks])
    return True


def _claim_day(tx: Transaction, day_read: DayRead) -> bool:
    """Lock the day by changing its version; return False if another process has changed it."""
    sums, version = day_read.sums, random_number()
    left_out, whole, has_scores = (
        dumps(sums.left_out),
        int(day_read.contained is None),
        int(sums.has_scores),
    )
    if day_read.version is None:
        return tx.run(NEW_VERSION, (day_read.day, version, left_out, whole, has_scores)) == 1
    claimed = (day_read.day, day_read.version)
    if sums.left_out is None:
        return tx.run(NEXT_SCORES, (version, has_scores, *claimed)) == 1
    return tx.run(NEXT_VERSION, (version, left_out, whole, has_scores, *claimed)) == 1
