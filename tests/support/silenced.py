"""Sessions whose audio was erased."""

from __future__ import annotations

from typing import Any

from eventstore import EventStore
from eventstore.realtime.events import EventRow
from eventstore.store.log.read_events import read_rows


def quiet(value: Any) -> Any:
    """A resource without the audio that came within items, and without the note that it went."""
    if isinstance(value, list):
        return [quiet(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: "" if key == "audio" and isinstance(entry, str) else quiet(entry)
        for key, entry in value.items()
        if key != "audio_erased_at"
    }


def rows(store: EventStore, session_id: str) -> list[EventRow]:
    return list(read_rows(store.engine, session_id, 1, store.last_seq(session_id)))


def is_silent(store: EventStore, session_id: str) -> bool:
    """Whether no event has a byte of audio."""
    return not any(
        row.audio
        for row in rows(store, session_id)
        if row.audio_offset is None or row.audio_offset >= 0
    )
