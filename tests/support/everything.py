"""Everything that a store says of its sessions, to compare two stores by."""

from __future__ import annotations

import io
from typing import Any

from eventstore import EventStore


def sound(store: EventStore, session_id: str) -> bytes:
    stream = io.BytesIO()
    store.audio(session_id, stream)
    return stream.getvalue()


def everything(store: EventStore, session_id: str) -> list[Any]:
    """All that the store's verbs say of a session."""
    head = store.last_seq(session_id)
    shown = [store.state(session_id), store.state(session_id, "+3.5"), store.state(session_id, 50)]
    return [
        list(store.events(session_id)),
        list(store.events(session_id, type="response.*")),
        list(store.events(session_id, 20, 40)),
        list(store.events(session_id, head, head)),
        b"".join(store.export(session_id)),
        list(store.replay(session_id)),
        list(store.follow(session_id)),
        store.reseed(session_id, audio=True),
        sound(store, session_id),
        *shown,
    ]
