"""Invalidate sums by day: mark the days on which a session changed something, or drop their sums.

A mark is written in the transaction of the change, beside the session's own rows. A day with a mark
is summed from the rows of usage, until usage/daily/refresh.py sums it up again. Called by
write_read_models.py, and by sessions/ when sessions are deleted or all are rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterable
from secrets import randbits

from eventstore.projection.handlers.session_billing import billed_session
from eventstore.projection.state import SessionState
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.tables.day_tables import DAY_SUM_TABLES, day_marks, day_of
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.upsert import Rows
from eventstore.times import DAY_US

_AT = list(tables.usage.columns.keys()).index("at")
# The tables from which sums by day are computed.
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
    """Return a random number for a mark or a version; it differs from all earlier ones."""
    return randbits(62)


def mark_rows(session_id: str, times: Iterable[int]) -> list[Row]:
    """Return the rows of `day_marks` for changes of usage at these times.

    Args:
        times: In microseconds since 1970 UTC.
    """
    return [(session_id, day, random_number()) for day in sorted({at // DAY_US for at in times})]


def marks_of_changes(state: SessionState, opened_at: int, usage_rows: list[Row]) -> list[Row]:
    """Return the marks for what changed in a state since its last write.

    Args:
        opened_at: The time of usage without a time of its own, in microseconds since 1970 UTC.
        usage_rows: The rows of `usage` that are being written.
    """
    dirty = state.dirty
    times: list[int | None] = [row[_AT] for row in usage_rows]
    times += dirty.unbilled
    if dirty.metadata or dirty.usage:
        # All usage of the session may have other metadata now, or be counted in another way.
        times += [r.done_at for r in state.responses.values() if r.done_seq is not None]
        times += [billed.at for billed in state.billed.values()]
        times += [billed.at for billed in billed_session(state)]
    return mark_rows(state.session_id, (opened_at if at is None else at for at in times))


def marks_of_rebuild(session_id: str, stored: Rows, expected: Rows, changed: set[str]) -> list[Row]:
    """Return the marks for rows that a rebuild replaces.

    Args:
        stored, expected: The session's rows before and after, by table.
        changed: The tables in which they differ.
    """
    if changed.isdisjoint(_COUNTED):
        return []
    return mark_rows(session_id, (row[_AT] for row in (*stored["usage"], *expected["usage"])))


def drop_days(tx: Transaction, session_id: str) -> None:
    """Drop the sums of all days on which a session has usage, and its marks, before it is deleted.

    The sums may contain values of its metadata. A process that is summing up one of the days finds
    that the day's version has changed, and discards its result.
    """
    _drop(tx, [row[0] for row in tx.rows(DAYS_OF_SESSION, (session_id, session_id))])
    tx.run(DELETE_MARKS, (session_id,))


def drop_all_days(tx: Transaction) -> None:
    """Drop the sums of all days, so that they are computed again from rows that were rebuilt.

    The marks stay. They belong to sessions, and a day without sums is answered from its rows in any
    case.
    """
    _drop(tx, [row[0] for row in tx.rows(SUMMED_DAYS)])


def _drop(tx: Transaction, days: Iterable[int]) -> None:
    # Every transaction locks days in this order, so that two of them cannot deadlock.
    for day in sorted(days):
        tx.run(DROP_DAY, (day, random_number()))
        for table in DAY_SUM_TABLES:
            tx.run(f"DELETE FROM {table.name} WHERE day = ?", (day,))
        tx.run(DELETE_SUMMED_SESSIONS, (day,))


MARKS_TABLE = day_marks.name
