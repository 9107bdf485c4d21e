"""Read rows of the log to load a state: in batches, decrypted, and without audio.

Called by load_state.py and audio_parts.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

import orjson

from eventstore.encryption.encrypt_events import decrypt_rows
from eventstore.projection.fold import apply_fields
from eventstore.projection.state import SessionState
from eventstore.realtime.frames import ENCRYPTIONS, UNREADABLE, parse_stored
from eventstore.store.database.transaction import Row, Transaction

#: How many rows a batch has at most.
PIECE_ROWS = 1000
STATE_EVENT_COLUMNS = (
    "seq, at, direction, type, frame, audio_offset,"
    " CASE WHEN audio_offset < 0 THEN audio END,"
    " audio_bytes"
)
# The delta events of one content part.
PART_EVENTS = (
    f"SELECT {STATE_EVENT_COLUMNS} FROM events WHERE session_id = ? AND load_key = ? AND seq > ?"
    f" AND seq <= ? ORDER BY seq LIMIT {PIECE_ROWS}"
)
# The column `audio_offset` of a row.
_OFFSET = itemgetter(5)


def listed(types: frozenset[str]) -> str:
    """Return event types as a list in SQL."""
    return ", ".join(f"'{type_}'" for type_ in sorted(types))


def prefix_end(prefix: str) -> str:
    """Return the first text that sorts behind all texts with a prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def state_row_pieces(
    tx: Transaction,
    sql: str,
    where: tuple[str, ...],
    after: int,
    last: int,
    known: list[Row] | None = None,
) -> Iterator[list[Row]]:
    """Yield the rows of a query in lists of at most `PIECE_ROWS`.

    Args:
        where: The first parameters of the query; the first of them is the session.
        after, last: The rows have seqs above `after`, and up to `last`.
        known: The first list, if it has been read already.
    """
    while after < last:
        rows = known
        if rows is None:
            rows = read_state_rows(tx, where[0], sql, (*where, after, last))
        known = None
        yield rows
        if len(rows) < PIECE_ROWS:
            return
        after = rows[-1][0]


def read_state_rows(
    tx: Transaction, session_id: str, sql: str, parameters: Sequence[Any]
) -> list[Row]:
    """Return the rows of a query whose first columns are `STATE_EVENT_COLUMNS`, decrypted."""
    return decrypt_state_rows(tx, session_id, tx.rows(sql, parameters))


def decrypt_state_rows(tx: Transaction, session_id: str, rows: list[Row]) -> list[Row]:
    """Return rows with those decrypted that are encrypted."""
    if ENCRYPTIONS.isdisjoint(map(_OFFSET, rows)):  # This is the usual case.
        return rows
    # A row that cannot be decrypted stays as it is: the fold treats it as an unreadable event.
    stored = ((*row[:6], row[7], row[6]) for row in rows)
    found = decrypt_rows(tx.decipher(session_id), stored)
    return [
        (*new[:6], new[7] if (new[5] or 0) < 0 else None, *row[7:])
        for new, row in zip(found, rows, strict=True)
    ]


def parsed_event(
    type_: str, frame: str, offset: int | None, raw: bytes | None
) -> dict[str, Any] | None:
    """Return the event as it was parsed when it was appended, or None if it is unreadable."""
    if type_ == UNREADABLE:
        return None
    if offset is None or offset >= 0:
        try:
            event: dict[str, Any] = orjson.loads(frame)
            return event
        except ValueError:
            pass
    with suppress(ValueError):  # The text of a changed row may not be JSON.
        return parse_stored(frame, offset, raw)
    return None


def fold_row(state: SessionState, row: Row) -> None:
    """Change a state by the event of a row of `STATE_EVENT_COLUMNS`."""
    seq, at, direction, type_, frame, offset, raw, length = row
    event = parsed_event(type_, frame, offset, raw)
    apply_fields(state, seq, at, direction, type_, event, length or 0, frame)
