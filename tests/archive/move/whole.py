"""What a session is, for comparing it in two stores."""

from __future__ import annotations

from typing import Any

from support.rows import read_model_rows

from eventstore import EventStore
from eventstore.realtime.frames import Frame
from eventstore.store.database.tables import day_tables
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import read

NOT_OF_SESSIONS = (*tables.NOT_OF_SESSIONS, *day_tables.OF_THE_STORE)
ALL_TABLES = [t.name for t in tables.metadata.tables.values() if t not in NOT_OF_SESSIONS]
ALL_TABLES += ["said_rows"]


def frames_of(store: EventStore, session_id: str) -> list[Frame]:
    """A session's frames."""
    events = list(store.events(session_id))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [Frame(event.direction, event.text, event.at) for event in events]


def whole(store: EventStore, session_id: str) -> dict[str, Any]:
    """All rows of a session, but for the search index, which each database has in its way."""
    with read(store.engine) as tx:
        found: dict[str, Any] = {
            name: tx.rows(f"SELECT * FROM {name} WHERE session_id = ? ORDER BY 1, 2", (session_id,))
            for name in ("streams", "events", "segments", "erasures")
        }
    models = read_model_rows(store.engine, session_id)
    models.pop("said", None)
    return {**found, **models}


def check_right(store: EventStore, session_id: str) -> None:
    """Its log is sound, and a rebuild finds every row of its read models right."""
    assert store.verify(session_id).done[0].problems == []
    assert [done.changed for done in store.rebuild([session_id]).done] == [0]


def tables_with(store: EventStore, session_id: str) -> list[str]:
    """The tables that have a row of a session."""
    postgresql = store.engine.dialect.name == "postgresql"
    names = [name for name in ALL_TABLES if not (postgresql and name == "said_rows")]
    with read(store.engine) as tx:
        return [
            name
            for name in names
            if tx.row(f"SELECT 1 FROM {name} WHERE session_id = ?", (session_id,))
        ]
