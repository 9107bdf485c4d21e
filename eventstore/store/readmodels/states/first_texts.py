"""Find the first text delta of each response: its time is the time of the response's first text.

Other deltas of a text are not read, if it was finished. Called by load_state.py.
"""

from __future__ import annotations

from bisect import bisect_right

from eventstore.projection.state import SessionState
from eventstore.realtime.catalogue import TEXT_DELTAS
from eventstore.store.database.transaction import Row, Transaction
from eventstore.store.readmodels.states.state_rows import (
    STATE_EVENT_COLUMNS,
    decrypt_state_rows,
    fold_row,
    listed,
    read_state_rows,
)

_PART_ADDED = "response.content_part.added"
NEXT_TEXT_DELTA = (
    f"SELECT {STATE_EVENT_COLUMNS} FROM events WHERE session_id = ? AND seq > ? AND seq < ?"
    f" AND type IN ({listed(TEXT_DELTAS)}) ORDER BY seq LIMIT 1"
)
# PostgreSQL: the first text delta behind each of many parts, in one round trip.
FIRST_TEXT_DELTAS = (
    f"SELECT part, {STATE_EVENT_COLUMNS}"
    " FROM unnest(?::bigint[], ?::bigint[]) AS parts(part, next_part)"
    " CROSS JOIN LATERAL (SELECT * FROM events WHERE session_id = ? AND seq > part"
    f" AND seq < next_part AND type IN ({listed(TEXT_DELTAS)}) ORDER BY seq LIMIT 1) AS found"
)


class FirstTexts:
    """Finds the first text delta of responses whose time of the first text is not known yet.

    PostgreSQL gets one query for many parts, to save round trips. SQLite has no round trips, and is
    faster with one query for each part.
    """

    def __init__(self, tx: Transaction, session_id: str) -> None:
        self._tx, self._session_id = tx, session_id
        self._parts: list[int] = []
        self._ends: list[int] = []
        self._found: dict[int, Row] = {}

    def read_ahead(self, piece: list[Row]) -> None:
        """PostgreSQL: find the first text delta behind each part that begins in these rows."""
        self._parts = [row[0] for row in piece if self._tx.postgresql and row[3] == _PART_ADDED]
        if not self._parts:
            return
        self._ends = [*self._parts[1:], piece[-1][0] + 1]
        where = (self._parts, self._ends, self._session_id)
        rows = self._tx.rows(FIRST_TEXT_DELTAS, where)
        deltas = decrypt_state_rows(self._tx, self._session_id, [row[1:] for row in rows])
        self._found = {row[0]: delta for row, delta in zip(rows, deltas, strict=True)}

    def between(self, after: int, before: int) -> Row | None:
        """Return the first text delta between two seqs, both excluded, or None."""
        place = bisect_right(self._parts, after) - 1
        if place >= 0 and after < self._ends[place]:
            known = self._found.get(self._parts[place])
            if known is not None and after < known[0]:
                return known if known[0] < before else None
            if known is None:
                after = self._ends[place] - 1
        if after + 1 >= before:
            return None
        where = (self._session_id, after, before)
        return next(iter(read_state_rows(self._tx, self._session_id, NEXT_TEXT_DELTA, where)), None)


def read_first_texts(texts: FirstTexts, state: SessionState, before: int) -> None:
    """Fold the text deltas before seq `before` for which a response is waiting."""
    while state.awaiting_text:
        found = texts.between(state.seq, before)
        if found is None:
            return
        fold_row(state, found)
