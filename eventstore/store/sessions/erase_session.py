"""Erase a session in one transaction, and leave a tombstone.

Called by archive/erase.py and archive/erase_audio.py, for the commands `erase` and `retain`.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import DamagedError, ErasedError, MissingKeyError
from eventstore.segments.digest import BEGINNING, session_digest
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import Transaction
from eventstore.store.log.read_events import rows_in
from eventstore.store.log.segments.read_segments import digest_start, read_segments
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import (
    WHOLE_SESSION,
    insert_tombstone,
    locations_of_session,
    tombstone_faults,
)
from eventstore.store.sessions.delete_rows import delete_rows
from eventstore.times import now

STREAM = "SELECT head_seq, closed_at, sealed_seq, erased_at FROM streams WHERE session_id = ?"
COUNT_RESPONSES = "SELECT COUNT(*) FROM responses WHERE session_id = ?"
# With projected_seq = head_seq, no worker tries to project the session again; with
# fed_seq = head_seq, it is no news for a consumer.
SET_ERASED = (
    "UPDATE streams SET erased_at = ?, projected_seq = head_seq, fed_seq = head_seq,"
    " sealed_seq = NULL"
    " WHERE session_id = ?"
)


class LockedStream(NamedTuple):
    """A session's stream, whose row this transaction has locked.

    Attributes:
        head: The seq of its last event.
        closed_at, erased_at: In microseconds since 1970 UTC; None if it is not closed or erased.
        sealed: The last event that is in a segment; 0 if there are no segments.
    """

    head: int
    closed_at: int | None
    sealed: int
    erased_at: int | None


class Erased(NamedTuple):
    """The result of an erasure.

    Attributes:
        session_id: The session.
        what: `session` if all of it was erased, `audio` if only its audio was.
        at: The time of the erasure, in microseconds since 1970 UTC.
        events: How many events the session has (`audio`) or had (`session`).
        responses: How many responses it had.
        sha256: The session's digest before the erasure.
    """

    session_id: str
    what: str
    at: int
    events: int
    responses: int
    sha256: bytes


def lock_to_erase(tx: Transaction, session_id: str) -> LockedStream:
    """Lock a session's stream until the transaction ends, and have deleted rows overwritten.

    Raises:
        NotFoundError: There is no such session.
        MissingKeyError: The store is encrypted, and the database of its keys is not named.
    """
    tx.keys.check(tx)  # An erasure also drops the session's key.
    if not tx.postgresql:
        tx.run("PRAGMA secure_delete=ON")
    row = tx.locked_row(STREAM, (session_id,))
    if row is None:
        raise no_session(session_id)
    return LockedStream(row[0], row[1], row[2] or 0, row[3])


def erase_session(engine: Engine, session_id: str, reason: str | None = None) -> Erased | None:
    """Delete a session's content. Its id and its event numbers are never used again.

    Args:
        reason: Why it is erased, for the tombstone.

    Returns:
        What was erased; None if the session was already erased.

    Raises:
        NotFoundError: There is no such session.
        DatabaseUnavailableError: The database failed, and nothing was changed.
    """
    return write_retried(engine, lambda tx: _erase(tx, session_id, reason))


def _erase(tx: Transaction, session_id: str, reason: str | None) -> Erased | None:
    stream = lock_to_erase(tx, session_id)
    # Another program may have set `erased_at` and left rows behind: these rows go now.
    if stream.erased_at is not None and next(tombstone_faults(tx, session_id), None) is None:
        return None
    responses = int(tx.rows(COUNT_RESPONSES, (session_id,))[0][0])
    sha256 = digest_to_keep(tx, session_id, stream.head)
    outside = locations_of_session(tx, session_id)
    delete_rows(tx, session_id)
    at = insert_tombstone(
        tx, session_id, now(), WHOLE_SESSION, reason, stream.head, sha256, outside
    )
    tx.run(SET_ERASED, (at, session_id))
    return Erased(session_id, WHOLE_SESSION, at, stream.head, responses, sha256)


def digest_to_keep(tx: Transaction, session_id: str, head: int) -> bytes:
    """Return the digest of a session that is about to go, or zeros if its log cannot be read."""
    try:
        start = digest_start(read_segments(tx, session_id), head)
        return session_digest(start.previous, rows_in(tx, session_id, start.first, head))
    except (DamagedError, MissingKeyError, ErasedError, ValueError, TypeError):
        return BEGINNING  # A damaged session, or one without its key, is erased all the same.
