"""Marks of days: what a session changed since a day was summed up.

A mark is written in the transaction of the change, beside the session's own rows. A day with a mark
is summed from its rows, until it is summed up again.
"""

from __future__ import annotations

from collections.abc import Iterable
from secrets import randbits

from eventstore.projection.handlers.session_billing import billed_session
from eventstore.projection.state import SessionState
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.tables.day_tables import SUMS, day_marks, day_of
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.upsert import Rows
from eventstore.times import DAY_US

_AT = list(tables.usage.columns.keys()).index("at")
# What sums by day are made of.
_COUNTED = ("usage", "responses", "response_metadata", "session_metadata")

DAYS_OF_SESSION = (
    f"SELECT {day_of('at')} FROM usage WHERE session_id = ?"
    " UNION SELECT day FROM day_marks WHERE session_id = ?"
)
DROP_DAY = (
    "INSERT INTO summed_days (day, version, left_out, whole) VALUES (?, ?, NULL, 1)"
    " ON CONFLICT (day) DO UPDATE SET version = excluded.version, left_out = NULL"
)
SUMMED_DAYS = "SELECT day FROM summed_days"
DELETE_SUMMED_SESSIONS = "DELETE FROM summed_sessions WHERE day = ?"
DELETE_MARKS = "DELETE FROM day_marks WHERE session_id = ?"


def random_number() -> int:
    """A number that none was before, for marks and versions."""
    return randbits(62)


def mark_rows(session_id: str, times: Iterable[int]) -> list[Row]:
    """The rows of `day_marks` for changes of what is billed at these times."""
    return [(session_id, day, random_number()) for day in sorted({at // DAY_US for at in times})]


def marks_of_changes(state: SessionState, opened_at: int, usage_rows: list[Row]) -> list[Row]:
    """The marks for what changed since the state's last write.

    Args:
        usage_rows: of `usage`, those that are written.
    """
    dirty = state.dirty
    times: list[int | None] = [row[_AT] for row in usage_rows]
    times += dirty.unbilled
    if dirty.metadata or dirty.usage:
        # Each of them may answer to other pairs now, or be counted elsewhere.
        times += [r.done_at for r in state.responses.values() if r.done_seq is not None]
        times += [billed.at for billed in state.billed.values()]
        session = billed_session(state)
        times += [] if session is None else [session.at]
    return mark_rows(state.session_id, (opened_at if at is None else at for at in times))


def marks_of_rebuild(session_id: str, there: Rows, wanted: Rows, changed: set[str]) -> list[Row]:
    """The marks for rows that were replaced.

    Args:
        there, wanted: a session's rows before and after, by table.
        changed: the tables where these differ.
    """
    if changed.isdisjoint(_COUNTED):
        return []
    return mark_rows(session_id, (row[_AT] for row in (*there["usage"], *wanted["usage"])))


def drop_days(tx: Transaction, session_id: str) -> None:
    """Drop the sums of all days that a session is in, and its marks, before it is deleted.

    Its metadata may stand in these sums. Whoever sums up one of the days meanwhile finds another
    version there, and keeps nothing.
    """
    _drop(tx, [row[0] for row in tx.rows(DAYS_OF_SESSION, (session_id, session_id))])
    tx.run(DELETE_MARKS, (session_id,))


def drop_all_days(tx: Transaction) -> None:
    """Drop the sums of all days, so that they are made anew from rows that were proved.

    Marks stay: they are of sessions, and a day without sums is answered from its rows anyhow.
    """
    _drop(tx, [row[0] for row in tx.rows(SUMMED_DAYS)])


def _drop(tx: Transaction, days: Iterable[int]) -> None:
    # In one order everywhere: two that lock days wait for each other at the first.
    for day in sorted(days):
        tx.run(DROP_DAY, (day, random_number()))
        for table in SUMS:
            tx.run(f"DELETE FROM {table.name} WHERE day = ?", (day,))
        tx.run(DELETE_SUMMED_SESSIONS, (day,))


MARKS = day_marks.name
