"""Columns of an event's row that say again what its frame says, as they are stored.

Readers find events by them without reading frames: `audio_bytes` and `load_key`. `verify` makes
them anew from the frame, and compares.
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
    """What a row stores beside its frame.

    Attributes:
        audio_bytes: how long the audio is that was cut out; None where none was.
        load_key: what loading a state finds the event by.
        audio_offset: as stored, before anything was decrypted.
    """

    audio_bytes: int | None
    load_key: str | None
    audio_offset: int | None


class DerivedColumns:
    """Reads them for events that are asked for in order, a page at once."""

    def __init__(self, engine: Engine, session_id: str) -> None:
        self._engine, self._session_id = engine, session_id
        self._page: dict[int, Derived] = {}

    def of(self, seq: int) -> Derived | None:
        """Return what an event's row stores; None where there is no such row."""
        if seq not in self._page:
            with read(self._engine) as tx:
                rows = tx.rows(DERIVED, (self._session_id, seq))
            self._page = {row[0]: Derived(*row[1:]) for row in rows}
        return self._page.get(seq)
