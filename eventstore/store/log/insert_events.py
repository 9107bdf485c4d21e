"""Insert frames into the table of events behind a stream's head, with consecutive seqs.

Called by sessions/append.py, and by whatever else writes events: copy_session.py, put_segments.py
and archive/erase_audio.py. SQLite gets an INSERT for each event, PostgreSQL a COPY.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from eventstore.brief import brief
from eventstore.encryption.cipher import Cipher
from eventstore.encryption.encrypt_events import event_encrypter
from eventstore.errors import ConflictError, InvalidInputError
from eventstore.projection.fold import apply_fields
from eventstore.projection.load_keys import SUMMED_DELTAS, load_key
from eventstore.projection.state import PROJECTOR_VERSION, SessionState
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import DIRECTIONS, Frame, decode_columns
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.log.read_events import rows_in
from eventstore.times import MAX_AT, MIN_AT

# Each statement names one session, so that a distributed database routes it to one node.
ADVANCE_LOG = (
    "UPDATE streams SET head_seq = ?, last_at = COALESCE(?, last_at)"
    " WHERE session_id = ? AND head_seq = ? AND erased_at IS NULL"
)
ADVANCE = (
    "UPDATE streams SET head_seq = ?, last_at = COALESCE(?, last_at), projected_seq = ?"
    " WHERE session_id = ? AND head_seq = ? AND projected_seq = head_seq"
    f" AND projector_version = {PROJECTOR_VERSION} AND closed_at IS NULL AND erased_at IS NULL"
)
OPEN_STREAM = (
    "INSERT INTO streams (session_id, head_seq, opened_at, projected_seq, projector_version)"
    " VALUES (?, 0, ?, 0, ?) ON CONFLICT (session_id) DO NOTHING"
)
STREAM_HEAD = (
    "SELECT head_seq, projected_seq, projector_version, opened_at, closed_at, erased_at"
    " FROM streams WHERE session_id = ?"
)
INSERT_EVENTS = (
    "INSERT INTO events (session_id, seq, at, direction, type, frame, audio_offset, audio_bytes,"
    " load_key, audio) VALUES "
)
EVENT_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_EVENT = INSERT_EVENTS + EVENT_VALUES
# PostgreSQL: one statement moves the head (the CTE `moved`) and inserts one event, or does neither.
MOVED_LOG = f"WITH moved AS ({ADVANCE_LOG} RETURNING session_id)"
MOVED = f"WITH moved AS ({ADVANCE} RETURNING session_id)"
INSERT_MOVED = (
    "INSERT INTO events (session_id, seq, at, direction, type, frame, audio_offset, audio_bytes,"
    " load_key, audio)"
    " SELECT session_id, ?::bigint, ?::bigint, ?::text, ?::text, ?::text, ?::integer,"
    " ?::integer, ?::text, ?::bytea"
    " FROM moved"
)
COPY_EVENTS = (
    "COPY events (session_id, seq, at, direction, type, frame, audio_offset, audio_bytes,"
    " load_key, audio) FROM STDIN (FORMAT BINARY)"
)
_COPY_TYPES = (
    "varchar",
    "int8",
    "int8",
    "varchar",
    "varchar",
    "text",
    "int4",
    "int4",
    "text",
    "bytea",
)
#: With fewer rows than this, single INSERTs are faster than starting a COPY.
COPY_FROM = 8
_BATCH_ROWS, _BATCH_BYTES = 500, 1_000_000
# Citus: with more rows than this, a COPY is faster than an INSERT: docs/benchmarks.md.
_MOST_INSERTED = 20


class StreamHead(NamedTuple):
    """The head of a stream, and how far its read models are.

    Attributes:
        seq: The seq of the last event; 0 if there are no events.
        projected_seq: Up to which seq the read models are written.
        projector_version: The version of the projector that wrote them.
        opened_at: When the stream was opened, in microseconds since 1970 UTC.
        closed_at: When it was closed; None while more events may come.
        erased_at: When it was erased; None if it was not.
    """

    seq: int
    projected_seq: int
    projector_version: int
    opened_at: int
    closed_at: int | None
    erased_at: int | None


def find_stream(tx: Transaction, session_id: str) -> StreamHead | None:
    """Return the head of a stream, or None, without locking its row."""
    row = tx.row(STREAM_HEAD, (session_id,))
    return StreamHead(*row) if row is not None else None


def lock_stream(tx: Transaction, session_id: str) -> StreamHead | None:
    """Lock a stream's row until the transaction ends, and return its head, or None."""
    row = tx.locked_row(STREAM_HEAD, (session_id,))
    return StreamHead(*row) if row is not None else None


def open_stream(tx: Transaction, session_id: str, at: int, version: int) -> StreamHead:
    """Create a stream if it does not exist, and lock it.

    Args:
        at: When it is opened, in microseconds since 1970 UTC.
        version: The version of the projector.

    Raises:
        ConflictError: The row was deleted again by another transaction.
    """
    tx.run(OPEN_STREAM, (session_id, at, version))
    head = lock_stream(tx, session_id)
    if head is None:
        raise ConflictError(session_id, 0, -1)
    return head


def decoded_rows(
    session_id: str,
    base: int,
    frames: Iterable[Frame],
    state: SessionState | None,
    cipher: Cipher | None,
) -> Iterator[Row]:
    """Yield the row to insert for each frame, and fold each event into a state if one is given.

    Args:
        base: The seq of the event before the first frame.
        frames: The frames.
        state: The session's state at `base`; None if nothing is to be folded.
        cipher: The cipher that encrypts the rows; None for plain rows.

    Raises:
        InvalidInputError: The direction or the time of a frame is not valid.
    """
    seq = base
    encrypt = event_encrypter(cipher) if cipher is not None else None
    for entry in frames:
        seq += 1
        try:
            direction, text, at = entry
        except (TypeError, ValueError) as error:
            raise no_frame(seq - base, entry) from error
        # The same check as `times.is_time`; calling it for each frame would be measurably slower.
        if (
            direction not in DIRECTIONS
            or not (at is None or (type(at) is int and MIN_AT <= at <= MAX_AT))
            or not isinstance(text, str | bytes)
        ):
            if direction in DIRECTIONS and not isinstance(text, str | bytes):
                raise no_frame(seq - base, entry)
            raise InvalidInputError(
                f"frame {seq - base}: direction {direction!r} and time {at!r}; use client, server"
                " or store, and microseconds since 1970 UTC or None"
            )
        type_, frame, offset, audio, event = decode_columns(text)
        length = len(audio) if audio is not None and offset is not None and offset >= 0 else None
        if state is not None:
            apply_fields(state, seq, at, direction, type_, event, length or 0, frame)
        if state is not None and state.repeats.last == seq and type_ in SUMMED_DELTAS:
            key = None  # see audio_parts.py
        else:
            key = load_key(type_, event, direction)
        if encrypt is not None:
            frame, offset, audio = encrypt(seq, at, direction, type_, frame, offset, length, audio)
        yield session_id, seq, at, direction, type_, frame, offset, length, key, audio


def no_frame(place: int, frame: object) -> InvalidInputError:
    """Return the error for a value that is not a frame.

    Args:
        place: The number of the value among the frames of an append, from 1.
        frame: The value.
    """
    return InvalidInputError(
        f"frame {place} is {brief(frame)}; give Frame(direction, text, at), with the text as it"
        " crossed the wire"
    )


def insert_events(tx: Transaction, rows: Iterable[Row], few: bool) -> None:
    """Insert rows of events: by executemany on SQLite, by COPY on PostgreSQL.

    Args:
        rows: Of one session, as `decoded_rows` yields them.
        few: True inserts them one by one.
    """
    if tx.distributed:
        _insert_on_one_node(tx, iter(rows))
    elif few:
        for row in rows:
            tx.run(INSERT_EVENT, row)
    elif not tx.postgresql:
        for batch in _batches(rows):
            tx.run_many(INSERT_EVENT, batch)
    else:
        _copy(tx, rows)


def _insert_on_one_node(tx: Transaction, rows: Iterator[Row]) -> None:
    """Citus: insert by an INSERT of values, or by COPY if there are many rows.

    Citus commits a COPY in two phases, which costs two more waits for the disk. An INSERT of values
    is committed in one; but each of its rows costs several times what a row of a COPY does.
    """
    first = next(_batches(islice(rows, _MOST_INSERTED)), [])
    further = next(rows, None)
    if further is not None:
        _copy(tx, chain(first, [further], rows))
        return
    if first:
        values = ", ".join([EVENT_VALUES] * len(first))
        tx.run(INSERT_EVENTS + values, list(chain.from_iterable(first)))


def _copy(tx: Transaction, rows: Iterable[Row]) -> None:
    with tx.connection.cursor().copy(COPY_EVENTS) as copy:
        copy.set_types(_COPY_TYPES)
        for row in rows:
            copy.write_row(row)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows in lists that are bounded in number and bytes.

    The source of the rows may take long, and may fork, between two calls of the driver.
    """
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[5] or "") + len(row[9] or b"")
        if len(batch) == _BATCH_ROWS or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def is_same_append(tx: Transaction, session_id: str, base: int, frames: Sequence[Frame]) -> bool:
    """Return True if the events behind `base` are exactly these frames.

    This tells that an append is a repetition of one whose answer was lost.
    """
    found = list(rows_in(tx, session_id, base + 1, base + len(frames)))
    return len(found) == len(frames) and all(
        _is_same(row, frame) for row, frame in zip(found, frames, strict=True)
    )


def _is_same(row: EventRow, frame: Frame) -> bool:
    if row.direction != frame.direction or (frame.at is not None and frame.at != row.at):
        return False
    _, kept, cut_at, cut, _ = decode_columns(frame.text)
    return (row.frame, row.audio_offset, row.audio) == (kept, cut_at, cut)
