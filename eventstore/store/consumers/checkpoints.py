"""How far a consumer is in a session, which worker has the session, and why it failed there.

A checkpoint moves only from the seq and the version that its mover knows. So of two workers, or of
a worker and an append, one alone moves it, and what the other one wrote is rolled back. Each
statement names one session, so that a distributed database routes it to one node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from eventstore.store.database.transaction import Transaction

#: The first and the longest pause before another attempt, in microseconds. Each pause is twice as
#: long as the one before.
FIRST_PAUSE, MOST_PAUSE = 1_000_000, 600_000_000
_MOST_DOUBLINGS = 20
#: No pause and no lease is longer, in microseconds: a time that is further away was noted before
#: the clock was set back. Workers may have leases of several lengths.
MOST_AHEAD = 24 * 3600 * 1_000_000

READ = (
    "SELECT seq, version, worker, until, tries, failed_at, retry_at, error FROM checkpoints"
    " WHERE session_id = ? AND consumer = ?"
)
BEGIN = (
    "INSERT INTO checkpoints (session_id, consumer, seq, version, tries) VALUES (?, ?, ?, ?, 0)"
    " ON CONFLICT (session_id, consumer) DO NOTHING"
)
#: A session that is settled without a consumer is found by it as one that it has not finished.
LEAVE_BEHIND = (
    "INSERT INTO checkpoints (session_id, consumer, seq, version, tries, failed_at)"
    " VALUES (?, ?, ?, ?, 0, ?) ON CONFLICT (session_id, consumer)"
    " DO UPDATE SET failed_at = excluded.failed_at WHERE checkpoints.failed_at IS NULL"
)
MOVE = (
    "UPDATE checkpoints SET seq = ?, version = ?, worker = NULL, until = NULL, tries = 0,"
    " failed_at = NULL, retry_at = NULL, error = NULL"
    " WHERE session_id = ? AND consumer = ? AND seq = ? AND version = ?"
)
MOVE_MINE = f"{MOVE} AND worker = ?"
#: A claim counts as a failed try until its worker has moved the checkpoint: a worker that the
#: session kills tells nothing any more.
CLAIM = (
    "UPDATE checkpoints SET worker = ?, until = ?, tries = tries + 1, retry_at = ?"
    " WHERE session_id = ? AND consumer = ? AND seq = ? AND version = ?"
    " AND (worker IS NULL OR until < ? OR until > ?)"
)
#: Another worker may have failed since the checkpoint was read.
CLAIM_DUE = f"{CLAIM} AND (retry_at IS NULL OR retry_at <= ? OR retry_at > ?)"
#: A worker that goes on has not failed: what the claim counted is taken back. What a receiver has
#: acknowledged since the worker read the checkpoint is kept.
RENEW = (
    "UPDATE checkpoints SET seq = CASE WHEN seq > ? THEN seq ELSE ? END,"
    " version = CASE WHEN version > ? THEN version ELSE ? END, until = ?, tries = 0,"
    " failed_at = NULL, retry_at = NULL, error = NULL"
    " WHERE session_id = ? AND consumer = ? AND worker = ?"
)
#: As `RENEW`, and only from where the worker knows the checkpoint to be.
RENEW_FROM = f"{RENEW} AND seq = ? AND version = ?"
RELEASE = (
    "UPDATE checkpoints SET worker = NULL, until = NULL,"
    " tries = CASE WHEN tries > 0 THEN tries - 1 ELSE 0 END, failed_at = ?, retry_at = NULL"
    " WHERE session_id = ? AND consumer = ? AND worker = ?"
)
FAIL = (
    "UPDATE checkpoints SET worker = NULL, until = NULL, tries = ?, failed_at = ?, retry_at = ?,"
    " error = ? WHERE session_id = ? AND consumer = ?"
)
#: What `make_anew` sets: an older version, to be replaced at once. It is no failure: there is no
#: error.
MAKE_ANEW = (
    "UPDATE checkpoints SET version = 0, worker = NULL, until = NULL, tries = 0, failed_at = ?,"
    " retry_at = NULL, error = NULL WHERE session_id = ? AND consumer = ?"
)


class Checkpoint(NamedTuple):
    """How far a consumer is in a session.

    Attributes:
        seq: The last event that it has had; 0 for none.
        version: The version of the consumer's code that had it.
        worker: The worker that has the session now; None if none has.
        until: Until when that worker has it, in microseconds since 1970 UTC.
        tries: How often the consumer failed at the events behind `seq`.
        failed_at: When it failed last; None if it did not.
        retry_at: When to try again.
        error: The name of the error's class.
    """

    seq: int
    version: int
    worker: str | None = None
    until: int | None = None
    tries: int = 0
    failed_at: int | None = None
    retry_at: int | None = None
    error: str | None = None


def read_checkpoint(tx: Transaction, session_id: str, consumer: str) -> Checkpoint | None:
    """Return how far a consumer is in a session, or None if it has had nothing of it."""
    row = tx.row(READ, (session_id, consumer))
    return None if row is None else Checkpoint._make(row)


def begin_checkpoint(
    tx: Transaction, session_id: str, consumer: str, seq: int, version: int
) -> None:
    """Make the checkpoint of a session, if there is none."""
    tx.run(BEGIN, (session_id, consumer, seq, version))


def leave_behind(
    tx: Transaction, session_id: str, consumer: str, first: tuple[int, int], at: int
) -> None:
    """Note that a consumer is behind in a session that all others have had.

    So it finds the session when it looks for news, whatever its clock says.

    Args:
        first: The seq and the version of the checkpoint, if there is none yet.
        at: The time, in microseconds since 1970 UTC.
    """
    tx.run(LEAVE_BEHIND, (session_id, consumer, *first, at))


def claim(
    tx: Transaction,
    session_id: str,
    consumer: str,
    known: Checkpoint,
    worker: str,
    at: int,
    lease: int,
    waits: bool = True,
) -> bool:
    """Take a session for a worker, so that no other one works on it.

    Args:
        known: The checkpoint, which must be there.
        worker: The worker's name.
        at: The time now, in microseconds since 1970 UTC.
        lease: For how many microseconds the worker has the session.
        waits: True leaves a session alone that failed, until its pause is over.

    Returns:
        False if another worker has the session, or the checkpoint is another one.
    """
    until = at + lease
    again = until + pause_behind(known.tries + 1)
    key = (session_id, consumer, known.seq, known.version)
    soon = (at, at + MOST_AHEAD)
    if waits:
        return tx.run(CLAIM_DUE, (worker, until, again, *key, *soon, *soon)) == 1
    return tx.run(CLAIM, (worker, until, again, *key, *soon)) == 1


def renew(
    tx: Transaction, session_id: str, consumer: str, to: tuple[int, int], worker: str, until: int
) -> bool:
    """Move a checkpoint for a worker that keeps its session.

    Args:
        to: Its new seq and version.
        worker: The worker that must still have the session.
        until: Until when the worker has it, in microseconds since 1970 UTC.

    Returns:
        False, with nothing written, if another worker has the session.
    """
    return tx.run(RENEW, (*_twice(to), until, session_id, consumer, worker)) == 1


def renew_from(
    tx: Transaction,
    session_id: str,
    consumer: str,
    known: tuple[int, int],
    to: tuple[int, int],
    worker: str,
    until: int,
) -> bool:
    """Move a checkpoint as `renew` does, if it is where the worker knows it to be.

    Where the answer to a COMMIT was lost, it may be farther.

    Args:
        known: The seq and the version that the checkpoint must have.
    """
    key = (session_id, consumer, worker, *known)
    return tx.run(RENEW_FROM, (*_twice(to), until, *key)) == 1


def renew_all(
    tx: Transaction, consumer: str, worker: str, until: int, to: Mapping[str, tuple[int, int]]
) -> bool:
    """Move the checkpoints of many sessions, as `renew` does, by fewer round trips.

    Args:
        to: The new seq and version by session.

    Returns:
        True if all were moved. False if one was not, because another worker has the session.
    """
    rows = [(*_twice(one), until, id_, consumer, worker) for id_, one in sorted(to.items())]
    return tx.run_many(RENEW, rows) == len(rows)


def _twice(place: tuple[int, int]) -> tuple[int, int, int, int]:
    return place[0], place[0], place[1], place[1]


def release(
    tx: Transaction, session_id: str, consumer: str, worker: str, unfinished_at: int | None
) -> None:
    """Give a session back that a worker took, as if it had not taken it.

    Args:
        unfinished_at: The time now if the consumer is behind in the session, which is then found
            though all others may have had it; otherwise None.
    """
    tx.run(RELEASE, (unfinished_at, session_id, consumer, worker))


def move(
    tx: Transaction,
    session_id: str,
    consumer: str,
    known: tuple[int, int],
    to: tuple[int, int],
    worker: str | None = None,
) -> bool:
    """Move a checkpoint, and forget that the consumer failed before.

    Args:
        known: The seq and the version that the checkpoint must have.
        to: Its new seq and version.
        worker: The worker that must still have the session; None for an append.

    Returns:
        False, with nothing written, if the checkpoint was moved or taken by another one.
    """
    key = (*to, session_id, consumer, *known)
    if worker is None:
        return tx.run(MOVE, key) == 1
    return tx.run(MOVE_MINE, (*key, worker)) == 1


def note_failure(
    tx: Transaction,
    session_id: str,
    consumer: str,
    version: int,
    error: str,
    at: int,
    tries: int | None = None,
) -> None:
    """Note that a consumer failed in a session, and when to try again.

    Args:
        version: The version of the consumer's code.
        error: The name of the error's class; its text may contain content.
        at: The time, in microseconds since 1970 UTC.
        tries: How often it failed at the same events, if the caller has counted; None to count
            from what the checkpoint says.
    """
    begin_checkpoint(tx, session_id, consumer, 0, version)
    if tries is None:
        found = read_checkpoint(tx, session_id, consumer)
        # A claim was counted as a try when it was made.
        tries = max(1, found.tries + (found.worker is None)) if found is not None else 1
    tx.run(FAIL, (tries, at, at + pause_behind(tries), error[:64], session_id, consumer))


def make_anew(tx: Transaction, session_id: str, consumer: str, at: int) -> None:
    """Have a worker make the rows of a session anew, as if an older version had made them.

    Args:
        at: The time, in microseconds since 1970 UTC.
    """
    tx.run(MAKE_ANEW, (at, session_id, consumer))


def pause_behind(tries: int) -> int:
    """Return the pause after `tries` failed attempts, in microseconds."""
    return min(FIRST_PAUSE << min(tries - 1, _MOST_DOUBLINGS), MOST_PAUSE)
