"""Read the events of a session in order, in pieces of bounded size.

A piece is a segment if the events are sealed, otherwise some rows of the table. No transaction
stays open between two pieces, so a slow reader blocks nobody. Everything that reads frames uses
this module, from `Log.events` to `verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import TypeVar

from sqlalchemy import Engine

from eventstore.errors import DamagedError
from eventstore.realtime.events import EventRow, StoredEvent
from eventstore.realtime.frames import restore
from eventstore.realtime.values import dumps
from eventstore.segments.wrong_column import wrong_column
from eventstore.store.database.transaction import Row, Transaction, read
from eventstore.store.log.decrypted_events import decrypted_events, decrypted_frames
from eventstore.store.log.segments.read_segments import events_in, find_segment, sealed_events
from eventstore.store.log.tombstones import check_not_erased

#: How many bytes of frames and audio a piece has at most, unless one frame alone is larger.
PIECE_BYTES = 4 * 1024 * 1024
_PIECE_ROWS = 2000
_LISTED_TYPES = 100

SIZES = (
    "SELECT seq, OCTET_LENGTH(frame) + COALESCE(OCTET_LENGTH(audio), 0) FROM events"
    " WHERE session_id = ? AND seq >= ? AND seq <= ?{which} ORDER BY seq LIMIT ?"
)
PIECE_OF_EVENTS = (
    "SELECT seq, at, direction, type, frame, audio_offset,"
    " COALESCE(audio_bytes, OCTET_LENGTH(audio)), audio FROM events"
    " WHERE session_id = ? AND seq >= ? AND seq <= ?{which} ORDER BY seq"
)

_Read = TypeVar("_Read", EventRow, StoredEvent | EventRow)


def read_events(
    engine: Engine,
    session_id: str,
    first: int,
    last: int,
    types: Sequence[str] | str | None = None,
    direction: str | None = None,
) -> Iterator[StoredEvent]:
    """Yield a session's events from `first` to `last`, both included, in order.

    Args:
        types: Only these types, or the types that match a glob such as `response.*`; None for all.
        direction: Only the events of one side; None for all.

    Raises:
        DamagedError: An event cannot be read.
        ErasedError: The session was erased, maybe while it was read.
        MissingKeyError: The events are encrypted, and the session's key is not at hand.
    """
    span = (session_id, first, last)
    for row in _stored(engine, *span, types, direction, decrypted_frames):
        if isinstance(row, StoredEvent):
            yield row
            continue
        wrong = wrong_column(row)
        if wrong is not None:
            raise DamagedError(session_id, row.seq, row.seq, wrong)
        seq, at, of_row, type_, frame, offset, _, audio = row
        try:
            text = restore(frame, offset, audio)
        except ValueError as error:
            raise DamagedError(session_id, seq, seq, str(error)) from error
        yield StoredEvent(seq, at, of_row, type_, text)


def read_rows(
    engine: Engine,
    session_id: str,
    first: int,
    last: int,
    types: Sequence[str] | str | None = None,
    direction: str | None = None,
) -> Iterator[EventRow]:
    """Yield the same events as `read_events`, as the columns in which the frames are stored.

    Raises:
        DamagedError, ErasedError, MissingKeyError: As for `read_events`.
    """
    rows = read_stored_rows(engine, session_id, first, last, types, direction)
    return _checked(session_id, rows)


def read_stored_rows(
    engine: Engine,
    session_id: str,
    first: int,
    last: int,
    types: Sequence[str] | str | None = None,
    direction: str | None = None,
) -> Iterator[EventRow]:
    """Yield the same rows as `read_rows`, also rows with values that no event can have.

    `verify` uses it to report such rows instead of stopping at the first one.
    """
    return _stored(engine, session_id, first, last, types, direction, decrypted_events)


def _stored(
    engine: Engine,
    session_id: str,
    first: int,
    last: int,
    types: Sequence[str] | str | None,
    direction: str | None,
    decrypted: Callable[[Transaction, str, list[Row]], Iterator[_Read]],
) -> Iterator[_Read | EventRow]:
    """Yield events as they are read: sealed ones as rows, others as `decrypted` yields them."""
    while first <= last:
        with read(engine) as tx:
            packed = find_segment(tx, session_id, first)
            if packed is None:
                which, filters = _condition(tx, session_id, types, direction)
                piece = _read_piece(tx, session_id, first, last, which, filters)
                read_now = decrypted(tx, session_id, piece)
        if packed is None:
            if not piece:
                with read(engine) as tx:
                    # If it was erased meanwhile, the events so far may be half of it.
                    check_not_erased(tx, session_id)
                return
            yield from read_now
            first = piece[-1][0] + 1
            continue
        is_wanted = None if types is direction is None else partial(_is_wanted, types, direction)
        rows = events_in(packed, is_wanted)
        if first > packed.first_seq or last < packed.last_seq:
            rows = (row for row in rows if first <= row.seq <= last)
        yield from rows
        first = packed.last_seq + 1


def rows_in(tx: Transaction, session_id: str, first: int, last: int) -> Iterator[EventRow]:
    """Yield the same rows as `read_rows`, of all types, within the caller's transaction."""
    for row in sealed_events(tx, session_id, first, last):
        yield row
        first = row.seq + 1
    while first <= last:
        piece = _read_piece(tx, session_id, first, last, "", ())
        if not piece:
            return
        yield from _checked(session_id, decrypted_events(tx, session_id, piece))
        first = piece[-1][0] + 1


def _checked(session_id: str, rows: Iterable[EventRow]) -> Iterator[EventRow]:
    """Yield rows; raise DamagedError at the first one with values that no event can have."""
    for row in rows:
        wrong = wrong_column(row)
        if wrong is not None:
            raise DamagedError(session_id, row.seq, row.seq, wrong)
        yield row


def _is_wanted(
    types: Sequence[str] | str | None, direction: str | None, of_row: str, type_: str
) -> bool:
    """Return True if the type and the direction of a row are asked for."""
    if direction is not None and of_row != direction:
        return False
    if isinstance(types, str):
        return fnmatchcase(type_, types)
    return types is None or type_ in types


def _condition(
    tx: Transaction, session_id: str, types: Sequence[str] | str | None, direction: str | None
) -> tuple[str, tuple[str, ...]]:
    """Return the SQL condition for types and direction, and its parameters."""
    if isinstance(types, str):
        rows = tx.rows("SELECT DISTINCT type FROM events WHERE session_id = ?", (session_id,))
        types = [row[0] for row in rows if fnmatchcase(row[0], types)]
    which, filters = "", tuple(types or ())
    if types is not None and len(types) > _LISTED_TYPES:
        # A statement has at most some ten thousand parameters, so many types are one JSON
        # parameter.
        listed = "SELECT value FROM json_each(?)"
        if tx.postgresql:
            listed = "SELECT jsonb_array_elements_text(?::jsonb)"
        which, filters = f" AND type IN ({listed})", (dumps(filters),)
    elif types is not None:
        # A glob that matches no type asks for no event, not for all of them.
        which = f" AND type IN ({', '.join('?' * len(types))})" if types else " AND 1 = 0"
    if direction is not None:
        which, filters = f"{which} AND direction = ?", (*filters, direction)
    return which, filters


def _read_piece(
    tx: Transaction, session_id: str, first: int, last: int, which: str, filters: tuple[str, ...]
) -> list[Row]:
    """Read rows from `first` on, as many as fit into one piece. They are not yet decrypted."""
    sizes_sql = _in_bytes(tx, SIZES.format(which=which))
    sizes = tx.rows(sizes_sql, (session_id, first, last, *filters, _PIECE_ROWS))
    if not sizes:
        return []
    total, end = 0, sizes[0][0]
    for seq, size in sizes:
        total += size
        if total > PIECE_BYTES and seq != sizes[0][0]:
            break
        end = seq
    sql = _in_bytes(tx, PIECE_OF_EVENTS.format(which=which))
    return tx.rows_with_bytes(sql, (session_id, first, end, *filters))


def _in_bytes(tx: Transaction, sql: str) -> str:
    # SQLite 3.40 has no OCTET_LENGTH. Its LENGTH counts the bytes of a blob and the characters of a
    # text.
    return sql if tx.postgresql else sql.replace("OCTET_LENGTH", "LENGTH")
