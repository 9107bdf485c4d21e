"""Replace a session's events by segments, or its segments by events, or move the segments' bytes.

Called by archive/seal.py, archive/move_segments.py and archive/erase_audio.py, and by
copy_session.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Engine

from eventstore.encryption.cipher import Cipher
from eventstore.encryption.encrypt_events import EncryptEvent, event_encrypter
from eventstore.encryption.encrypt_segments import encrypt_segment
from eventstore.errors import ConflictError, NotFoundError
from eventstore.projection.load_keys import load_key
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import UNREADABLE, parse_stored
from eventstore.store.database.transaction import Transaction, write
from eventstore.store.log.insert_events import insert_events
from eventstore.store.log.segments.left_bytes import note_locations, note_old_location
from eventstore.store.log.session_facts import no_session
from eventstore.store.log.tombstones import count_erasures, refuse_erased
from eventstore.store.readmodels.states.load_state import find_and_mark_repeats

SEALED_AND_ERASED = "SELECT sealed_seq, erased_at FROM streams WHERE session_id = ?"
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
    """A segment to insert.

    Attributes:
        first_seq, last_seq: Its first and last event.
        first_at, least_at: The time of the first event, and the earliest time of any, in
            microseconds since 1970 UTC; None if unknown.
        frame_bytes: How many bytes its frames had on the wire.
        sha256, previous_sha256: Its digest, and that of the segment before it.
        data: The packed events.
    """

    first_seq: int
    last_seq: int
    first_at: int | None
    least_at: int | None
    frame_bytes: int
    sha256: bytes
    previous_sha256: bytes
    data: bytes


class MovedSegment(NamedTuple):
    """The new place of a segment's bytes.

    Attributes:
        first_seq, sha256: Of the segment.
        location, data: The URL of the bytes, or the bytes themselves; the other one is None.
    """

    first_seq: int
    sha256: bytes
    location: str | None
    data: bytes | None


def put_segments(
    engine: Engine,
    session_id: str,
    sealed_seq: int,
    erasures: int,
    first: int,
    last: int,
    made: Iterable[NewSegment],
) -> None:
    """Replace the events that segments were made of by these segments.

    Args:
        sealed_seq: Up to which seq the session was sealed when the segments were made.
        erasures: How many erasures the session had then; see `count_erasures`.
        first: Existing segments from this seq on are replaced as well.
        last: The last seq of the new segments.
        made: The segments, in order.

    Raises:
        ConflictError: The session was sealed, unsealed or erased in the meantime.
        DatabaseUnavailableError: The database failed, and nothing was changed.
    """
    with write(engine) as tx:
        _lock(tx, session_id, sealed_seq, erasures)
        # The events go first, so that the segments reuse their space in the file.
        tx.run(DELETE_EVENTS, (session_id, last))
        replace_segments(tx, session_id, first, made)
        tx.run(SET_SEALED, (last, session_id))


def restore_events(
    engine: Engine, session_id: str, sealed_seq: int, erasures: int, rows: Iterable[EventRow]
) -> None:
    """Replace all segments of a session by their events.

    Args:
        sealed_seq: Up to which seq the session is sealed.
        erasures: How many erasures the session had when the events were read.
        rows: The events from 1 to `sealed_seq`.

    Raises:
        ConflictError: The session was sealed, unsealed or erased in the meantime.
        DatabaseUnavailableError: The database failed, and nothing was changed.
    """
    with write(engine) as tx:
        _lock(tx, session_id, sealed_seq, erasures)
        cipher = tx.cipher(session_id)
        encrypt = event_encrypter(cipher) if cipher is not None else None
        insert_events(tx, (_columns(session_id, row, encrypt) for row in rows), few=False)
        note_locations(tx, session_id)
        tx.run(DELETE_SEGMENTS, (session_id, 1))
        tx.run(SET_SEALED, (None, session_id))
        find_and_mark_repeats(tx, session_id, sealed_seq)


def move_bytes(engine: Engine, session_id: str, placed: Iterable[MovedSegment]) -> None:
    """Move the bytes of a session's segments to other places, or into the database.

    Raises:
        NotFoundError: The session was unsealed or deleted in the meantime.
        DatabaseUnavailableError: The database failed, and nothing was changed.
    """
    with write(engine) as tx:
        for first, sha256, location, data in placed:
            note_old_location(tx, session_id, first, location)
            if tx.run(PLACE_SEGMENT, (location, data, session_id, first, sha256)) != 1:
                problem = f"session {session_id} was sealed or unsealed meanwhile; run it again"
                raise NotFoundError(problem)


def replace_segments(
    tx: Transaction, session_id: str, first: int, made: Iterable[NewSegment]
) -> None:
    """Replace a session's segments from seq `first` on by others."""
    note_locations(tx, session_id, first)
    tx.run(DELETE_SEGMENTS, (session_id, first))
    insert_segments(tx, session_id, made)


def insert_segments(tx: Transaction, session_id: str, made: Iterable[NewSegment]) -> None:
    """Insert segments, encrypted if the store is."""
    cipher = tx.cipher(session_id)
    for segment in made:
        tx.run(INSERT_SEGMENT, (session_id, *encrypted_segment(cipher, segment)))


def encrypted_segment(cipher: Cipher | None, segment: NewSegment) -> NewSegment:
    """Return a segment as it is stored: encrypted if there is a cipher."""
    if cipher is None:
        return segment
    return segment._replace(data=encrypt_segment(cipher, segment[:-1], segment.data))


def _columns(session_id: str, row: EventRow, encrypt: EncryptEvent | None) -> tuple[Any, ...]:
    """Return the columns of an event's row.

    The frame is not decoded again, because only the row says which audio was erased.
    """
    seq, at, direction, type_, frame, offset, size, audio = row
    event = None if type_ == UNREADABLE else parse_stored(frame, offset, audio)
    length = size if offset is not None and offset >= 0 else None
    key = load_key(type_, event, direction)
    if encrypt is not None:
        frame, offset, audio = encrypt(seq, at, direction, type_, frame, offset, length, audio)
    return session_id, seq, at, direction, type_, frame, offset, length, key, audio


def _lock(tx: Transaction, session_id: str, sealed_seq: int, erasures: int) -> None:
    """Lock the stream, and raise ConflictError if the session is not as it was when it was read."""
    row = tx.locked_row(SEALED_AND_ERASED, (session_id,))
    if row is None:
        raise no_session(session_id)
    refuse_erased(tx, session_id, row[1])
    # Content that was read before an erasure must not come back.
    if (row[0] or 0) != sealed_seq or count_erasures(tx, session_id) != erasures:
        raise ConflictError(session_id, sealed_seq, row[0] or 0)
