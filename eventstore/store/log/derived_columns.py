"""Read the columns of event rows that repeat what the frame says: `audio_bytes` and `load_key`.

Queries find events by these columns without reading frames. `verify` (archive/verifying/verify.py,
archive/verifying/verify_rows.py) computes them again from the frame, and compares.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Engine

from eventstore.store.database.transaction import read

DERIVED = (
    "SELECT seq, audio_bytes, load_key, audio_offset FROM events"
    " WHERE session_id = ? AND seq >= ? ORDER BY seq LIMIT 2000"
)


class Derived(NamedTuple):
    """The columns of an event's row that are derived from its frame.

    Attributes:
        audio_bytes: How many bytes of audio were cut out of the frame; None if none were.
        load_key: The key by which `load_state` finds the event; None if it does not read it.
        audio_offset: As stored, that is before decryption.
    """

    audio_bytes: int | None
    load_key: str | None
    audio_offset: int | None


class DerivedColumns:
    """Reads the derived columns of events that are asked for in order, one page of rows at a time.

    Args:
        engine: The engine of the database.
        session_id: The session.
    """

    def __init__(self, engine: Engine, session_id: str) -> None:
        self._engine, self._session_id = engine, session_id
        self._page: dict[int, Derived] = {}

    def of(self, seq: int) -> Derived | None:
        """Return the derived columns of an event, or None if it has no row."""
        if seq not in self._page:
            with read(self._engine) as tx:
                rows = tx.rows(DERIVED, (self._session_id, seq))
            self._page = {row[0]: Derived(*row[1:]) for row in rows}
        return self._page.get(seq)
