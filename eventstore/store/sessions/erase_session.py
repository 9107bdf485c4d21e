"""Erase a session: one transaction takes all of it, and leaves a tombstone."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import DamagedError, ErasedError, MissingKeyError, NotFoundError
from eventstore.segments.digest import BEGINNING, session_digest
from eventstore.store.database.transaction import Transaction, write
from eventstore.store.log.read_events import rows_in
from eventstore.store.log.segments.read_segments import digest_start, read_segments
from eventstore.store.log.tombstones import (
    SESSION,
    insert_tombstone,
    locations_of_session,
    tombstone_faults,
)
from eventstore.store.sessions.delete_rows import delete_rows
from eventstore.times import now

STREAM = "SELECT head_seq, closed_at, sealed_seq, erased_at FROM streams WHERE session_id = ?"
COUNT_RESPONSES = "SELECT COUNT(*) FROM responses WHERE session_id = ?"
# Nothing is left to project, whatever the projector.
SET_ERASED = (
    "UPDATE streams SET erased_at = ?, projected_seq = head_seq, sealed_seq = NULL"
    " WHERE session_id = ?"
)


class LockedStream(NamedTuple):
    """A session's stream, locked.

    Attributes:
        head: the seq of its last event.
        closed_at, erased_at: when; None for not.
        sealed: up to which seq it is in segments; 0 for none.
    """

    head: int
    closed_at: int | None
    sealed: int
    erased_at: int | None


class Erased(NamedTuple):
    """What was erased.

    Attributes:
        session_id: of which session.
        what: `session` for all of it, `audio` for its audio.
        at: when, in microseconds since 1970 UTC.
        events: how many events it has, or had.
        responses: how many responses it had.
        sha256: the session's digest before.
    """

    session_id: str
    what: str
    at: int
    events: int
    responses: int
    sha256: bytes


def lock_to_erase(tx: Transaction, session_id: str) -> LockedStream:
    """A session's stream, locked until the transaction ends; what is deleted is overwritten.

    Raises:
        NotFoundError: there is no such session.
        MissingKeyError: the store is encrypted, and its keys are not named.
    """
    tx.keys.check(tx)  # erasing drops the key, too
    if not tx.postgresql:
        tx.run("PRAGMA secure_delete=ON")
    row = tx.row(STREAM + (" FOR UPDATE" if tx.postgresql else ""), (session_id,))
    if row is None:
        raise NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
    return LockedStream(row[0], row[1], row[2] or 0, row[3])


def erase_session(engine: Engine, session_id: str, reason: str | None = None) -> Erased | None:
    """Remove all of a session but its numbers, which are never used again.

    Args:
        reason: why, for the tombstone.

    Returns:
        What was erased; None where it was erased before.

    Raises:
        NotFoundError: there is no such session.
        DatabaseUnavailableError: nothing was changed.
    """
    with write(engine) as tx:
        stream = lock_to_erase(tx, session_id)
        # Somebody else may have set that it was erased, and left its rows: then they go now.
        if stream.erased_at is not None and next(tombstone_faults(tx, session_id), None) is None:
            return None
        responses = int(tx.rows(COUNT_RESPONSES, (session_id,))[0][0])
        sha256 = digest_to_keep(tx, session_id, stream.head)
        outside = locations_of_session(tx, session_id)
        delete_rows(tx, session_id)
        at = insert_tombstone(tx, session_id, now(), SESSION, reason, stream.head, sha256, outside)
        tx.run(SET_ERASED, (at, session_id))
    return Erased(session_id, SESSION, at, stream.head, responses, sha256)


def digest_to_keep(tx: Transaction, session_id: str, head: int) -> bytes:
    """Return the digest of a session that goes; zeros where its log cannot be read."""
    try:
        start = digest_start(read_segments(tx, session_id), head)
        return session_digest(start.previous, rows_in(tx, session_id, start.first, head))
    except (DamagedError, MissingKeyError, ErasedError, ValueError, TypeError):
        return BEGINNING  # what is damaged, or has no key any more, shall go all the same
