"""Find sessions that may be recordings of one call.

They have responses of the same ids, and the same session's id by their servers, or the same call's
id by their recorders: a sideband that joins in mid-call may never be told the session's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from eventstore.errors import EventStoreError
from eventstore.projection.session_names import names_of_session
from eventstore.realtime.values import loads, mapping
from eventstore.store.database.outages import is_outage
from eventstore.store.database.transaction import Transaction
from eventstore.store.readmodels.encrypted_rows import decrypted_texts

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


class StreamTimes(NamedTuple):
    """When a session was opened and closed here, in microseconds since 1970 UTC."""

    opened_at: int
    closed_at: int | None


def other_recordings(tx: Transaction, session_id: str, told: Mapping[str, Any]) -> list[str]:
    """The ids of other sessions, fifty at most, that have one of a session's last responses.

    Args:
        told: the session's notes, with its id by its server: responses of other calls may have
            equal ids, where servers do not make them unique.
    """
    ids = told.get("server_id"), call_of(mapping(told.get("opened")))
    if ids == (None, None):
        return []
    names = [row[0] for row in tx.rows(OTHERS, (session_id, session_id))]
    return [name for name in names if _is_alike(notes_of(tx, name), *ids)]


def _is_alike(notes: Mapping[str, Any], server_id: str | None, call_id: str | None) -> bool:
    if server_id is not None and notes.get("server_id") == server_id:
        return True
    return call_id is not None and call_of(mapping(notes.get("opened"))) == call_id


def call_of(opened: Mapping[str, Any]) -> str | None:
    """Return the id of the call that a recording joined, or whose address it connected to.

    Args:
        opened: how it is recorded, as its first note says.
    """
    names = names_of_session(opened, {}, ())
    return next((value for name, value in names if name == "call_id"), None)


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


def read_stream_times(tx: Transaction, session_id: str) -> StreamTimes | None:
    """A session's stream; None where there is none, or it was erased."""
    row = tx.row(STREAM, (session_id,))
    return None if row is None else StreamTimes(*row)
