"""Put segments in the place of a session's events, and back; and their bytes elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.errors import ConflictError, NotFoundError
from eventstore.realtime.frames import Frame
from eventstore.store.append_to_stream import decoded_rows, insert_events
from eventstore.store.transaction import Transaction, write

LOCK = "SELECT head_seq, sealed_seq FROM streams WHERE session_id = ?"
INSERT_SEGMENT = (
    "INSERT INTO segments (session_id, first_seq, last_seq, first_at, least_at, frame_bytes,"
    " sha256, previous_sha256, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
DELETE_SEGMENTS = "DELETE FROM segments WHERE session_id = ? AND first_seq >= ?"
DELETE_EVENTS = "DELETE FROM events WHERE session_id = ? AND seq <= ?"
PLACE_SEGMENT = (
    "UPDATE segments SET location = ?, data = ?"
    " WHERE session_id = ? AND first_seq = ? AND sha256 = ?"
)
SET_SEALED = "UPDATE streams SET sealed_seq = ? WHERE session_id = ?"


class NewSegment(NamedTuple):
    """A segment to put.

    Attributes:
        first_seq, last_seq: of its events.
        first_at, least_at: the time of the first event, and the earliest; None where none is known.
        frame_bytes: what its frames took on the wire.
        sha256, previous_sha256: its digest, and that of the segment before.
        data: packed.
    """

    first_seq: int
    last_seq: int
    first_at: int | None
    least_at: int | None
    frame_bytes: int
    sha256: bytes
    previous_sha256: bytes
    data: bytes


class Placed(NamedTuple):
    """Where a segment's bytes are from now on.

    Attributes:
        first_seq, sha256: the segment's.
        location, data: one of them, and None.
    """

    first_seq: int
    sha256: bytes
    location: str | None
    data: bytes | None


def put_segments(
    engine: Engine, session_id: str, sealed_seq: int, first: int, made: Iterable[NewSegment]
) -> None:
    """Put segments in the place of the events that they were made of.

    Args:
        sealed_seq: up to which seq the session was sealed when they were made.
        first: segments from this seq on are replaced as well.
        made: the segments, in order.

    Raises:
        ConflictError: somebody else has sealed, unsealed or erased it meanwhile.
        DatabaseUnavailableError: nothing was changed.
    """
    with write(engine) as tx:
        _lock(tx, session_id, sealed_seq)
        tx.run(DELETE_SEGMENTS, (session_id, first))
        last = sealed_seq
        for segment in made:
            tx.run(INSERT_SEGMENT, (session_id, *segment))
            last = segment.last_seq
        tx.run(DELETE_EVENTS, (session_id, last))
        tx.run(SET_SEALED, (last, session_id))


def put_events(engine: Engine, session_id: str, sealed_seq: int, frames: Iterable[Frame]) -> None:
    """Put events in the place of a session's segments.

    Args:
        sealed_seq: up to which seq it is sealed.
        frames: of its events from 1 to there.

    Raises:
        ConflictError: somebody else has sealed, unsealed or erased it meanwhile.
        DatabaseUnavailableError: nothing was changed.
    """
    with write(engine) as tx:
        _lock(tx, session_id, sealed_seq)
        insert_events(tx, decoded_rows(session_id, 0, frames, None), few=False)
        tx.run(DELETE_SEGMENTS, (session_id, 1))
        tx.run(SET_SEALED, (None, session_id))


def put_bytes(engine: Engine, session_id: str, placed: Iterable[Placed]) -> None:
    """Put the bytes of a session's segments elsewhere, or into the database.

    Raises:
        NotFoundError: the session was unsealed, or deleted, meanwhile.
        DatabaseUnavailableError: nothing was changed.
    """
    with write(engine) as tx:
        for first, sha256, location, data in placed:
            if tx.run(PLACE_SEGMENT, (location, data, session_id, first, sha256)) != 1:
                problem = f"session {session_id} was sealed or unsealed meanwhile; run it again"
                raise NotFoundError(problem)


def _lock(tx: Transaction, session_id: str, sealed_seq: int) -> None:
    row = tx.row(LOCK + (" FOR UPDATE" if tx.postgresql else ""), (session_id,))
    if row is None:
        raise NotFoundError(f"no session {session_id}; list them with: eventstore sessions")
    if (row[1] or 0) != sealed_seq:
        raise ConflictError(session_id, sealed_seq, row[1] or 0)
