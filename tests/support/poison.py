"""Sessions that no reader can read, and work that dies of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import Engine, text

from eventstore import EventStore
from eventstore.errors import EventStoreError
from eventstore.store.database.outages import attempt

_FLIP = {
    "sqlite": "UPDATE segments SET data = CAST(X'00' || data AS BLOB) WHERE session_id = :s",
    "postgresql": "UPDATE segments SET data = '\\x00'::bytea || data WHERE session_id = :s",
}
_BACK = "UPDATE segments SET data = SUBSTR(data, 2) WHERE session_id = :s"


def poison(store: EventStore, session_id: str, mend: bool = False) -> None:
    """Seal a session and damage its segment; or mend that."""
    if not mend:
        store.append(session_id, [], close=True)
        store.seal([session_id])
    with store.engine.begin() as connection:
        sql = _BACK if mend else _FLIP[store.engine.dialect.name]
        connection.execute(text(sql), {"s": session_id})
        connection.execute(
            text("UPDATE streams SET projector_version = 0 WHERE session_id = :s"),
            {"s": session_id},
        )


def lengths_or_death(engine: Engine, ids: Sequence[str]) -> Iterator[int | EventStoreError]:
    """The lengths of ids; the process is killed at `sess_killer`, and `sess_odd` raises."""
    for session_id in ids:
        yield attempt(session_id, partial(_length_or_death, session_id))


def _length_or_death(session_id: str) -> int:
    if session_id == "sess_killer":
        os.kill(os.getpid(), signal.SIGKILL)
    if session_id == "sess_odd":
        raise KeyError("a secret that was said")
    return len(session_id)
