"""Find sessions that may be recordings of one call.

They have responses of the same ids, and the same session's id by their servers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from eventstore.errors import EventStoreError
from eventstore.realtime.values import loads, mapping
from eventstore.store.encrypted_rows import decrypted_texts
from eventstore.store.outages import is_outage
from eventstore.store.transaction import Transaction

#: How many of a session's responses are looked for in others, and in how many.
_RESPONSES, _OTHERS = 20, 50
# The last ones: who joined a call late has them as well.
OTHERS = (
    "SELECT DISTINCT r.session_id FROM responses r WHERE r.response_id IN"
    " (SELECT o.response_id FROM (SELECT response_id FROM responses WHERE session_id = ?"
    f" ORDER BY at DESC, seq DESC LIMIT {_RESPONSES}) o) AND r.session_id <> ?"
    f" ORDER BY r.session_id LIMIT {_OTHERS}"
)
SESSION = "SELECT wire, notes FROM sessions WHERE session_id = ?"
RESPONSE_IDS = "SELECT response_id FROM responses WHERE session_id = ?"
STREAM = "SELECT opened_at, closed_at FROM streams WHERE session_id = ? AND erased_at IS NULL"


class Stream(NamedTuple):
    """When a session was opened and closed here, in microseconds since 1970 UTC."""

    opened_at: int
    closed_at: int | None


def sessions_alike(tx: Transaction, session_id: str, server_id: str | None) -> list[str]:
    """The ids of other sessions, fifty at most, that have one of a session's last responses.

    Args:
        server_id: the session's id by its server, as its notes have it: responses of other calls
            may have equal ids, where servers do not make them unique.
    """
    if server_id is None:
        return []
    names = [row[0] for row in tx.rows(OTHERS, (session_id, session_id))]
    return [name for name in names if notes_of(tx, name).get("server_id") == server_id]


def notes_of(tx: Transaction, session_id: str) -> dict[str, Any]:
    """What lists tell of a session beside its configuration; empty where that cannot be read."""
    row = tx.row(SESSION, (session_id,))
    if row is None:
        return {}
    try:
        _, notes = decrypted_texts(tx, "sessions", session_id, "", *row)
        return mapping(loads(notes))
    except EventStoreError as error:  # one session's damage is no other's
        if is_outage(error):
            raise
    except ValueError:
        pass
    return {}


def response_ids(tx: Transaction, session_id: str) -> list[str]:
    """The ids of a session's responses."""
    return [row[0] for row in tx.rows(RESPONSE_IDS, (session_id,))]


def stream_of(tx: Transaction, session_id: str) -> Stream | None:
    """A session's stream; None where there is none, or it was erased."""
    row = tx.row(STREAM, (session_id,))
    return None if row is None else Stream(*row)
