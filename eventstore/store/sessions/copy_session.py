"""Read a whole session from one database, and insert it into another one.

Called by archive/copy_sessions.py, for the commands `copy` and `move`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.realtime.frames import Frame
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.log.insert_events import decoded_rows, insert_events
from eventstore.store.log.segments.left_bytes import note_locations
from eventstore.store.log.segments.read_segments import StoredSegment, bytes_of
from eventstore.store.readmodels.states.load_state import load_state
from eventstore.store.readmodels.write_read_models import rows_of, write_all
from eventstore.store.sessions.delete_rows import delete_rows
from eventstore.store.sessions.put_segments import NewSegment, insert_segments

STREAM = (
    "SELECT head_seq, opened_at, last_at, closed_at, sealed_seq, erased_at FROM streams"
    " WHERE session_id = ?"
)
ERASURES = "SELECT at, what, reason, events, sha256 FROM erasures WHERE session_id = ? ORDER BY at"
NEXT_SEGMENT = (
    "SELECT first_seq, last_seq, first_at, least_at, frame_bytes, sha256, previous_sha256,"
    " location, data FROM segments WHERE session_id = ? AND first_seq >= ? AND last_seq <= ?"
    " ORDER BY first_seq LIMIT 1"
)
INSERT_STREAM = (
    "INSERT INTO streams (head_seq, opened_at, last_at, closed_at, sealed_seq, erased_at,"
    " projected_seq, projector_version, session_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (session_id) DO NOTHING"
)
COPY_ERASURE = (
    "INSERT INTO erasures (at, what, reason, events, sha256, session_id) VALUES (?, ?, ?, ?, ?, ?)"
)
DELETE_ERASURES = "DELETE FROM erasures WHERE session_id = ?"
SET_PROJECTED_SEQ = "UPDATE streams SET projected_seq = ? WHERE session_id = ?"
DELETE_STREAM = "DELETE FROM streams WHERE session_id = ?"


class SessionFacts(NamedTuple):
    """What a store knows of a session apart from its events.

    Attributes:
        head_seq: The seq of the last event.
        opened_at, last_at, closed_at, erased_at: In microseconds since 1970 UTC.
        sealed_seq: The last event that is in a segment; None if there are no segments.
        erasures: The rows of its tombstones.
    """

    head_seq: int
    opened_at: int
    last_at: int | None
    closed_at: int | None
    sealed_seq: int | None
    erased_at: int | None
    erasures: tuple[Row, ...]


def read_facts(tx: Transaction, session_id: str, lock: bool = False) -> SessionFacts | None:
    """Return a session's facts, or None if there is no such session.

    Args:
        lock: True keeps other transactions from changing the session until this one ends.
    """
    row = tx.locked_row(STREAM, (session_id,)) if lock else tx.row(STREAM, (session_id,))
    if row is None:
        return None
    return SessionFacts._make((*row, read_erasures(tx, session_id)))


def read_erasures(tx: Transaction, session_id: str) -> tuple[Row, ...]:
    """Return the tombstones of a session, even if the session itself is not there."""
    return tuple(tx.rows(ERASURES, (session_id,)))


def stored_segments(engine: Engine, session_id: str, last: int) -> Iterator[NewSegment]:
    """Yield a session's segments up to `last`, with their bytes as they are stored.

    The bytes are read from the database or from the place that the segment names.

    Raises:
        DamagedError: The bytes are missing.
        DatabaseUnavailableError: The bytes cannot be reached.
    """
    first = 1
    while first <= last:
        with read(engine) as tx:
            row = tx.row(NEXT_SEGMENT, (session_id, first, last))
        if row is None:
            return
        known = row[:-2]
        packed = StoredSegment._make((session_id, *row, tx.keys, tx.allowed))
        segment = NewSegment._make((*known, bytes_of(packed)))
        yield segment
        first = segment.last_seq + 1


def insert_session(
    tx: Transaction,
    session_id: str,
    facts: SessionFacts,
    segments: Iterable[NewSegment],
    tail: Iterable[Frame],
) -> bool:
    """Insert a session that the database does not have, and write its read models.

    Args:
        facts: Of the session in the other database.
        segments: Its segments, in order.
        tail: The frames of the events behind its segments.

    Returns:
        False, with nothing written, if the session exists already.
    """
    *stream, erasures = facts
    made = (*stream, 0, PROJECTOR_VERSION, session_id)
    if tx.run(INSERT_STREAM, made) != 1:
        return False
    _delete_all_but_stream(tx, session_id)
    for erasure in erasures:
        tx.run(COPY_ERASURE, (*erasure, session_id))
    cipher = tx.cipher(session_id)
    insert_segments(tx, session_id, segments)
    rows = decoded_rows(session_id, facts.sealed_seq or 0, tail, None, cipher)
    insert_events(tx, rows, few=False)
    closed = facts.closed_at is not None
    state = load_state(tx, session_id, facts.head_seq, closed, projects=True)
    write_all(tx, state, rows_of(state, facts.opened_at))
    tx.run(SET_PROJECTED_SEQ, (facts.head_seq, session_id))
    return True


def delete_session(tx: Transaction, session_id: str) -> None:
    """Delete all rows of a session. The caller has locked the session.

    The locations of its bytes outside of the database are noted; `scrub.delete_left_bytes` deletes
    them.
    """
    note_locations(tx, session_id)
    _delete_all_but_stream(tx, session_id)
    tx.run(DELETE_STREAM, (session_id,))


def _delete_all_but_stream(tx: Transaction, session_id: str) -> None:
    delete_rows(tx, session_id)
    tx.run(DELETE_ERASURES, (session_id,))
