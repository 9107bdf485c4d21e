"""What a store holds, as a whole."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store.erasures import AUDIO, SESSION, count_erased
from eventstore.store.project import count_behind
from eventstore.store.schema import revision
from eventstore.store.transaction import read

COUNTS = (
    "SELECT COUNT(*), COALESCE(SUM(head_seq), 0),"
    " COUNT(CASE WHEN sealed_seq = head_seq THEN 1 END) FROM streams WHERE erased_at IS NULL"
)
COUNT_RESPONSES = "SELECT COUNT(*) FROM responses"


def status(engine: Engine) -> dict[str, Any]:
    """Schema, sessions, events, responses, and what is behind.

    A session is sealed when all of its events are.
    """
    with read(engine) as tx:
        sessions, events, sealed = tx.rows(COUNTS)[0]
        responses = tx.rows(COUNT_RESPONSES)[0][0]
        erased = count_erased(tx)
        key_store = tx.keys.name(tx)
    return {
        "object": "eventstore.status",
        "database": engine.url.render_as_string(hide_password=True),
        "schema": revision(engine),
        "projector_version": PROJECTOR_VERSION,
        "sessions": int(sessions),
        "events": int(events),
        "responses": int(responses),
        "sealed_sessions": int(sealed),
        "key_store": key_store,
        "erased_sessions": erased[SESSION],
        "erased_audio": erased[AUDIO],
        "behind": count_behind(engine),
    }
