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
from eventstore.store.database.tables.day_tables import (
    DAY_SUM_TABLES,
    MARK_TABLES,
    day_marks,
    day_of,
    score_marks,
)
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.score_rows import ScoreKey, scored_at
from eventstore.store.readmodels.upsert import Rows
from eventstore.times import DAY_US

_AT = list(tables.usage.columns.keys()).index("at")
_SCORE_AT = list(tables.scores.columns.keys()).index("at")
# The tables from which sums of usage by day are computed.
_COUNTED = ("usage", "responses", "response_metadata", "session_metadata")

_MARKED_BY = tuple(table.name for table in MARK_TABLES)
DAYS_OF_SESSION = " UNION ".join(
    [f"SELECT {day_of('at')} FROM {name} WHERE session_id = ?" for name in ("usage", "scores")]
    + [f"SELECT day FROM {name} WHERE session_id = ?" for name in _MARKED_BY]
)
DROP_DAY = (
    "INSERT INTO summed_days (day, version, left_out, whole) VALUES (?, ?, NULL, 1)"
    " ON CONFLICT (day) DO UPDATE SET version = excluded.version, left_out = NULL"
)
SUMMED_DAYS = "SELECT day FROM summed_days"
DELETE_SUMMED_SESSIONS = "DELETE FROM summed_sessions WHERE day = ?"
DELETE_MARKS = tuple(f"DELETE FROM {name} WHERE session_id = ?" for name in _MARKED_BY)


def random_number() -> int:
    """Return a random number for a mark or a version; it differs from all earlier ones."""
    return randbits(62)


def mark_rows(session_id: str, times: Iterable[int]) -> list[Row]:
    """Return rows of a table of marks, for changes at these times.

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


def marks_of_scores(state: SessionState, keys: Iterable[ScoreKey], opened_at: int) -> list[Row]:
    """Return the marks for scores that may have changed since a state's last write.

    Args:
        keys: The keys of these scores; some may be taken back.
        opened_at: The time of a session without times, in microseconds since 1970 UTC.
    """
    times = {scored_at(state, target, id_, opened_at) for target, id_, _, _ in keys}
    if times:
        # What is scored before it came has the time of the session until then.
        times.add(scored_at(state, "session", "", opened_at))
    return mark_rows(state.session_id, times)


def marks_of_rebuild(
    session_id: str, stored: Rows, expected: Rows, changed: set[str]
) -> dict[str, list[Row]]:
    """Return the marks for rows that a rebuild replaces, by table.

    Args:
        stored, expected: The session's rows before and after, by table.
        changed: The tables in which they differ.
    """

    def marks(table: str, at: int) -> list[Row]:
        return mark_rows(session_id, (row[at] for row in (*stored[table], *expected[table])))

    return {
        MARKS_TABLE: [] if changed.isdisjoint(_COUNTED) else marks("usage", _AT),
        SCORE_MARKS_TABLE: marks("scores", _SCORE_AT) if "scores" in changed else [],
    }


def drop_days(tx: Transaction, session_id: str) -> None:
    """Drop the sums of all days on which a session has usage, and its marks, before it is deleted.

    The sums may contain values of its metadata. A process that is summing up one of the days finds
    that the day's version has changed, and discards its result.
    """
    _drop(tx, [row[0] for row in tx.rows(DAYS_OF_SESSION, [session_id] * 4)])
    for statement in DELETE_MARKS:
        tx.run(statement, (session_id,))


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


MARKS_TABLE, SCORE_MARKS_TABLE = day_marks.name, score_marks.name
