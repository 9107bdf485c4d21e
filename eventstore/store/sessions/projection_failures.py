"""Sessions that could not be projected: noted, so that every process sees them, and tried again.

A note is one row, written behind the transaction that failed, and deleted in the one that works. It
counts only while the session is behind what was tried: an append that projects inline has no need
to look for it.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import EventStoreError, Failure
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store.database.outages import is_outage
from eventstore.store.database.transaction import Transaction, read, write
from eventstore.times import now

#: Microseconds until the second try; each pause is twice the one before, up to the most.
FIRST_PAUSE, MOST_PAUSE = 1_000_000, 600_000_000
_MOST_DOUBLINGS = 20

#: Of a failure `f` and its stream `s`: whether the session is still behind what was tried.
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
        session_id: the session.
        seq: up to which event it was tried.
        tries: how often, since it last worked.
        failed_at: when, in microseconds since 1970 UTC.
        error: the name of the error's class.
    """

    session_id: str
    seq: int
    tries: int
    failed_at: int
    error: str


def note_failure(engine: Engine, session_id: str, error: EventStoreError) -> None:
    """Note that a session that is behind could not be projected, and when to try again.

    Args:
        error: why; only the name of its class is kept.

    Raises:
        DatabaseUnavailableError: the database is away, full or locked.
    """
    kind, at = Failure(session_id, error).kind[:64], now()
    try:
        with write(engine) as tx:
            row = tx.row(TRIES, (session_id,))
            tries = (row[0] if row is not None else 0) + 1
            again = at + pause_behind(tries)
            values = (PROJECTOR_VERSION, tries, at, again, kind, session_id, PROJECTOR_VERSION)
            tx.run(NOTE, values)
    except EventStoreError as another:
        # The session's rows are damaged, say: what failed is told all the same.
        if is_outage(another):
            raise


def pause_behind(tries: int) -> int:
    """Return the microseconds to wait behind so many tries that failed."""
    return min(FIRST_PAUSE << min(tries - 1, _MOST_DOUBLINGS), MOST_PAUSE)


def clear_failure(tx: Transaction, session_id: str) -> None:
    """Forget that a session could not be projected: now it was."""
    tx.run(CLEAR, (session_id,))


def due_sessions(engine: Engine, most: int) -> list[str]:
    """Return the sessions that failed and are to be tried again, those due longest first."""
    at = now()
    with read(engine) as tx:
        # A time beyond every pause is of a clock that was set back since.
        return [row[0] for row in tx.rows(DUE, (at, at + MOST_PAUSE, most))]


def list_failures(tx: Transaction, most: int) -> list[FailedProjection]:
    """Return sessions that could not be projected, the latest first."""
    return [FailedProjection(*row) for row in tx.rows(LIST, (most,))]


def count_failures(tx: Transaction) -> dict[str, int]:
    """Return how many sessions could not be projected, by the name of the error's class."""
    return {error: int(number) for error, number in tx.rows(COUNT)}
