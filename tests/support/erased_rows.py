"""What is left of a session in each table."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from eventstore import EventStore
from eventstore.store.database.tables import day_tables
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import read
from eventstore.store.log.session_facts import find_last_seq
from eventstore.store.sessions.erase_session import digest_to_keep
from support.rows import read_model_rows

#: Tables with rows of sessions.
OF_SESSIONS = set(tables.metadata.tables) - {
    table.name for table in (*tables.NOT_OF_SESSIONS, *day_tables.OF_THE_STORE)
}


def counts(engine: Engine, session_id: str) -> dict[str, int]:
    """How many rows of a session there are, by table."""
    with read(engine) as tx:
        names = sorted(OF_SESSIONS) + ([] if tx.postgresql else ["said_rows"])
        sql = "SELECT COUNT(*) FROM {} WHERE session_id = ?"
        found = {name: tx.rows(sql.format(name), (session_id,))[0][0] for name in names}
    return {name: count for name, count in found.items() if count}


def digest(engine: Engine, session_id: str) -> bytes:
    with read(engine) as tx:
        return digest_to_keep(tx, session_id, find_last_seq(engine, session_id) or 0)


def whole(store: EventStore, session_id: str) -> dict[str, Any]:
    """Everything about a session."""
    return {
        "events": list(store.events(session_id)),
        "show": store.state(session_id),
        "rows": read_model_rows(store.engine, session_id),
        "digest": digest(store.engine, session_id),
        "usage": store.usage(session=session_id),
        "responses": store.responses(session=session_id, limit=100).data,
        "found": store.responses(session=session_id, text="weather", limit=100).data,
    }
