"""Recordings to import, written by tests; and what a store holds, to compare."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

from eventstore import EventStore
from eventstore.capture.files.import_file import Imported
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import Frame

Json = dict[str, Any]

SESSION_UPDATE = {"type": "session.update", "session": {"instructions": "Be brief."}}
CLOSE = {"direction": "store", "event": {"type": "eventstore.session.closed", "reason": "done"}}


def created(session_id: str | None) -> Json:
    """The event that opens a connection; None for a server that names no session."""
    session = {"model": "gpt-realtime"}
    return {
        "type": "session.created",
        "session": session | ({"id": session_id} if session_id else {}),
    }


def answer(response_id: str, **fields: Any) -> list[Json]:
    """The events of a response without output."""
    response = {"id": response_id, "object": "realtime.response", "output": [], **fields}
    return [
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {"type": "response.done", "response": {**response, "status": "completed"}},
    ]


def jsonl(*values: Any) -> bytes:
    """Lines of JSON; text stands as it is."""
    lines = (value if isinstance(value, str) else json.dumps(value) for value in values)
    return "".join(f"{line}\n" for line in lines).encode()


def imported(store: EventStore, content: bytes, **options: Any) -> list[Imported]:
    """Import a recording of this content."""
    return store.import_file(io.BytesIO(content), **options)


def imported_one(store: EventStore, content: bytes, **options: Any) -> str:
    """Import a recording of one connection; its session id."""
    (only,) = imported(store, content, **options)
    return only.session_id


def exported(store: EventStore, *session_ids: str) -> bytes:
    """Sessions as they are exported, one behind the other."""
    return b"".join(line for id_ in session_ids for line in store.export(id_))


def events_of(store: EventStore, session_id: str) -> list[StoredEvent]:
    """All events of a session."""
    return list(store.events(session_id))


def frames_of(store: EventStore, session_id: str) -> list[Frame]:
    """All events of a session as the frames that were appended."""
    return [Frame(event.direction, event.text, event.at) for event in store.events(session_id)]


def texts(store: EventStore, session_id: str) -> list[str | bytes]:
    """The exact texts of a session's events."""
    return [event.text for event in store.events(session_id)]


def session_ids(store: EventStore) -> set[str]:
    """The ids of all sessions; of up to 100."""
    return {entry["id"] for entry in store.sessions(limit=100).data}


def everything(store: EventStore, ids: Iterable[str]) -> dict[str, Any]:
    """What a store holds of sessions: their events, and what `show` says of them."""
    return {id_: (events_of(store, id_), store.state(id_)) for id_ in ids}
