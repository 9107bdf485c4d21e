"""Read a stream: in order, in pieces bounded by bytes, with no transaction held between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.realtime.frames import restore
from eventstore.store.transaction import Transaction, read

#: Bytes of frames and audio that one piece holds at most, unless one frame alone is larger.
PIECE_BYTES = 4 * 1024 * 1024
_PIECE_ROWS = 2000

SIZES = (
    "SELECT seq, OCTET_LENGTH(frame) + COALESCE(OCTET_LENGTH(audio), 0) FROM events"
    " WHERE session_id = ? AND seq >= ? AND seq <= ?{which} ORDER BY seq LIMIT ?"
)
PIECE = (
    "SELECT seq, at, direction, type, frame, audio_offset, audio FROM events"
    " WHERE session_id = ? AND seq >= ? AND seq <= ?{which} ORDER BY seq"
)


class StoredEvent(NamedTuple):
    """One event of the log.

    Attributes:
        seq: its place in the session, from 1.
        at: arrival in microseconds since 1970 UTC, None where unknown.
        direction: client, server or store.
        type: its type on the wire; `eventstore.unreadable` where it has none.
        text: the frame exactly as received; bytes for a binary message.
    """

    seq: int
    at: int | None
    direction: str
    type: str
    text: str | bytes


def read_events(
    engine: Engine,
    session_id: str,
    first: int,
    last: int,
    types: Sequence[str] | None = None,
    direction: str | None = None,
) -> Iterator[StoredEvent]:
    """A session's events from `first` to `last`, both included, in order.

    Args:
        types: only these types; None for all.
        direction: only those of one side; None for all.
    """
    which, filters = "", tuple(types or ())
    if types is not None:
        which = f" AND type IN ({', '.join('?' * len(types))})"
    if direction is not None:
        which, filters = f"{which} AND direction = ?", (*filters, direction)
    while first <= last:
        with read(engine) as tx:
            piece = _read_piece(tx, session_id, first, last, which, filters)
        if not piece:
            return
        yield from piece
        first = piece[-1].seq + 1


def types_like(engine: Engine, session_id: str, glob: str) -> list[str]:
    """The types of a session's events that a glob such as `response.*` matches."""
    with read(engine) as tx:
        rows = tx.rows("SELECT DISTINCT type FROM events WHERE session_id = ?", (session_id,))
    # A glob that matches nothing still asks for something: for no event.
    return [row[0] for row in rows if fnmatchcase(row[0], glob)] or [""]


def _read_piece(
    tx: Transaction, session_id: str, first: int, last: int, which: str, filters: tuple[str, ...]
) -> list[StoredEvent]:
    # SQLite 3.40 has no OCTET_LENGTH; LENGTH counts a blob's bytes and a text's characters.
    sizes_sql = SIZES if tx.postgresql else SIZES.replace("OCTET_LENGTH", "LENGTH")
    sizes = tx.rows(sizes_sql.format(which=which), (session_id, first, last, *filters, _PIECE_ROWS))
    if not sizes:
        return []
    total, end = 0, sizes[0][0]
    for seq, size in sizes:
        total += size
        if total > PIECE_BYTES and seq != sizes[0][0]:
            break
        end = seq
    rows = tx.rows(PIECE.format(which=which), (session_id, first, end, *filters))
    return [
        StoredEvent(seq, at, direction, type_, restore(frame, offset, audio))
        for seq, at, direction, type_, frame, offset, audio in rows
    ]
