"""Rows of the log as loading a state reads them: by pieces, decrypted, without sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

import orjson

from eventstore.encryption.cipher import Cipher, CipherError
from eventstore.encryption.encrypt_events import decrypt_row
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import ENCRYPTIONS, UNREADABLE, parse_stored
from eventstore.store.database.transaction import Row, Transaction

#: How many rows are read at once.
PIECE_ROWS = 1000
COLUMNS = (
    "seq, at, direction, type, frame, audio_offset,"
    " CASE WHEN audio_offset < 0 THEN audio END,"
    " audio_bytes"
)
# The events that grow one part.
PART_EVENTS = (
    f"SELECT {COLUMNS} FROM events WHERE session_id = ? AND load_key = ? AND seq > ?"
    f" AND seq <= ? ORDER BY seq LIMIT {PIECE_ROWS}"
)
# Where a row's `audio_offset` is.
_OFFSET = itemgetter(5)
_ENCRYPTIONS = frozenset(ENCRYPTIONS)


def prefix_end(prefix: str) -> str:
    """What all texts with the prefix stand before."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def state_row_pieces(
    tx: Transaction, sql: str, where: tuple[str, ...], after: int, last: int
) -> Iterator[list[Row]]:
    """The rows of a query in lists of `PIECE_ROWS` at most.

    Args:
        where: the query's first parameters, of which the first is the session.
        after, last: the seqs that they are between, the first of them exclusive.
    """
    while True:
        rows = read_state_rows(tx, where[0], sql, (*where, after, last))
        yield rows
        if len(rows) < PIECE_ROWS:
            return
        after = rows[-1][0]


def read_state_rows(
    tx: Transaction, session_id: str, sql: str, parameters: Sequence[Any]
) -> list[Row]:
    """Rows that begin with `COLUMNS`, decrypted."""
    return decrypt_state_rows(tx, session_id, tx.rows(sql, parameters))


def decrypt_state_rows(tx: Transaction, session_id: str, rows: list[Row]) -> list[Row]:
    """The same rows, each as it was before it was encrypted, if it was."""
    if _ENCRYPTIONS.isdisjoint(map(_OFFSET, rows)):  # nearly always
        return rows
    cipher = tx.decipher(session_id)
    return [_decrypted_row(cipher, row) for row in rows]


def _decrypted_row(cipher: Cipher, row: Row) -> Row:
    seq, at, direction, type_, frame, offset, raw, *rest = row
    if offset in _ENCRYPTIONS:
        with suppress(CipherError):  # folded as what cannot be read
            stored = EventRow(seq, at, direction, type_, frame, offset, rest[0], raw)
            found = decrypt_row(cipher, stored)
            frame, offset, raw = found.frame, found.audio_offset, found.audio
            raw = raw if offset is not None and offset < 0 else None
    return seq, at, direction, type_, frame, offset, raw, *rest


def parsed_event(
    type_: str, frame: str, offset: int | None, raw: bytes | None
) -> dict[str, Any] | None:
    """The event as it was parsed when it was appended."""
    if type_ == UNREADABLE:
        return None
    if offset is None or offset >= 0:
        try:
            event: dict[str, Any] = orjson.loads(frame)
            return event
        except ValueError:
            pass
    with suppress(ValueError):  # a text that is none, of a row that was changed
        return parse_stored(frame, offset, raw)
    return None
