"""Notes of sessions that could not be projected, and when to try them again.

The notes are rows, so that every process sees them. A note is written after the transaction that
failed, and deleted in the transaction that succeeds. It counts only while the session is still
behind the event that was tried. So an append that writes the read models itself need not look for
notes. Written by project.py; listed by maintenance/status.py.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import EventStoreError, Failure
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store.consumers.checkpoints import MOST_PAUSE, pause_behind
from eventstore.store.database.outages import is_outage
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Transaction, read
from eventstore.times import now

#: SQL: the session of note `f`, with stream `s`, is still behind the event that was tried.
COUNTS_STILL = (
    "s.erased_at IS NULL AND (f.seq > s.projected_seq OR s.projector_version < f.projector_version)"
)
NOTE = (
    "INSERT INTO projection_failures"
    " (session_id, seq, projector_version, tries, failed_at, retry_at, error)"
    " SELECT session_id, head_seq, ?, ?, ?, ?, ? FROM streams WHERE session_id = ?"
    " AND erased_at IS NULL AND (projected_seq < head_seq OR projector_version < ?)"
    " ON CONFLICT (session_id) DO UPDATE SET seq = excluded.seq,"
    " projector_version = excluded.projector_version, tries = excluded.tries,"
    " failed_at = excluded.failed_at, retry_at = excluded.retry_at, error = excluded.error"
)
TRIES = (
    "SELECT f.tries FROM projection_failures f JOIN streams s ON s.session_id = f.session_id"
    f" WHERE f.session_id = ? AND {COUNTS_STILL}"
)
CLEAR = "DELETE FROM projection_failures WHERE session_id = ?"
DUE = (
    "SELECT f.session_id FROM projection_failures f JOIN streams s ON s.session_id = f.session_id"
    f" WHERE (f.retry_at <= ? OR f.retry_at > ?) AND {COUNTS_STILL}"
    " ORDER BY f.retry_at, f.session_id LIMIT ?"
)
LIST = (
    "SELECT f.session_id, f.seq, f.tries, f.failed_at, f.error"
    " FROM projection_failures f JOIN streams s ON s.session_id = f.session_id"
    f" WHERE {COUNTS_STILL} ORDER BY f.failed_at DESC, f.session_id LIMIT ?"
)
COUNT = (
    "SELECT f.error, COUNT(*) FROM projection_failures f"
    " JOIN streams s ON s.session_id = f.session_id"
    f" WHERE {COUNTS_STILL} GROUP BY f.error ORDER BY f.error"
)


class FailedProjection(NamedTuple):
    """A session that could not be projected.

    Attributes:
        session_id: The session.
        seq: The last event that was to be projected.
        tries: How many attempts failed since the last success.
        failed_at: The time of the last failure, in microseconds since 1970 UTC.
        error: The name of the error's class.
    """

    session_id: str
    seq: int
    tries: int
    failed_at: int
    error: str


def note_projection_failure(engine: Engine, session_id: str, error: EventStoreError) -> None:
    """Note that a session could not be projected, and when to try again.

    Nothing is noted if the session is not behind.

    Args:
        error: The error; only the name of its class is stored, because its text may contain
            content.

    Raises:
        DatabaseUnavailableError: The database is away, full or locked.
    """
    kind, at = Failure(session_id, error).kind[:64], now()
    try:
        write_retried(engine, lambda tx: _note(tx, session_id, kind, at))
    except EventStoreError as another:
        # For example, the session's rows are damaged. The caller reports the first error anyway.
        if is_outage(another):
            raise


def _note(tx: Transaction, session_id: str, kind: str, at: int) -> None:
    row = tx.row(TRIES, (session_id,))
    tries = (row[0] if row is not None else 0) + 1
    again = at + pause_behind(tries)
    tx.run(NOTE, (PROJECTOR_VERSION, tries, at, again, kind, session_id, PROJECTOR_VERSION))


def clear_failure(tx: Transaction, session_id: str) -> None:
    """Delete the note of a session that has just been projected."""
    tx.run(CLEAR, (session_id,))


def due_sessions(engine: Engine, limit: int) -> list[str]:
    """Return the ids of sessions to try again, the one that is due longest first.

    Args:
        limit: How many at most.
    """
    at = now()
    with read(engine) as tx:
        # A time that is further away than the longest pause was noted before the clock was set
        # back.
        return [row[0] for row in tx.rows(DUE, (at, at + MOST_PAUSE, limit))]


def list_failures(tx: Transaction, limit: int) -> list[FailedProjection]:
    """Return sessions that could not be projected, the latest failure first.

    Args:
        limit: How many at most.
    """
    return [FailedProjection(*row) for row in tx.rows(LIST, (limit,))]


def count_failures(tx: Transaction) -> dict[str, int]:
    """Return how many sessions could not be projected, by the name of the error's class."""
    return {error: int(number) for error, number in tx.rows(COUNT)}
