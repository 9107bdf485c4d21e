"""Find sessions that may be recordings of the same call.

Such recordings have responses with the same ids, and the same id of the server's session or of the
call. A sideband that joins a call late may only know the call's id. The server of a GPT-Live
session gives no ids to what is said, so that its recordings are found by the session's id alone.
Called by capture/recording/same_call.py and capture/files/import_file.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product
from typing import Any, NamedTuple

from eventstore.errors import EventStoreError
from eventstore.projection.session_names import names_of_session
from eventstore.realtime.protocols import LIVE, is_live_id
from eventstore.realtime.request_target import LIVE_ID, LIVE_SIDEBAND
from eventstore.realtime.upstream_urls import joined_session
from eventstore.realtime.values import loads, mapping, text
from eventstore.store.database.outages import is_outage
from eventstore.store.database.transaction import Transaction
from eventstore.store.filters.filters import SessionFilter
from eventstore.store.queries.requested_sessions import sessions_newest_first
from eventstore.store.readmodels.encrypted_rows import decrypted_texts

#: How many of a session's responses are looked up in other sessions, and in how many sessions.
_RESPONSES, _OTHERS = 20, 50
# The last responses are compared, because a recording that began late has those.
OTHERS = (
    "SELECT DISTINCT r.session_id FROM responses r WHERE r.response_id IN"
    " (SELECT o.response_id FROM (SELECT response_id FROM responses WHERE session_id = ?"
    f" ORDER BY at DESC, seq DESC LIMIT {_RESPONSES}) o) AND r.session_id <> ?"
    f" ORDER BY r.session_id LIMIT {_OTHERS}"
)
#: The names by which recordings of a GPT-Live session are found: its own connection, and sidebands.
_LIVE_NAMES = LIVE_ID, LIVE_SIDEBAND
SESSION_RESOURCE = "SELECT wire, notes FROM sessions WHERE session_id = ?"
RESPONSE_IDS = "SELECT response_id FROM responses WHERE session_id = ?"
STREAM = "SELECT opened_at, closed_at FROM streams WHERE session_id = ? AND erased_at IS NULL"


class StreamTimes(NamedTuple):
    """When a session was opened and closed in this store.

    Attributes:
        opened_at, closed_at: In microseconds since 1970 UTC; `closed_at` is None for an open
            session.
    """

    opened_at: int
    closed_at: int | None


def other_recordings(tx: Transaction, session_id: str, metadata: Mapping[str, Any]) -> list[str]:
    """Return the ids of other sessions with one of this session's last responses, at most fifty.

    They also have the same server's session id or the same call id, because servers may use a
    response id in several calls.

    Args:
        session_id: The session.
        metadata: Its notes, as `notes_of` returns them.
    """
    ids = _names(metadata)
    if not ids:
        return []
    if metadata.get("protocol") == LIVE or any(map(is_live_id, ids)):
        names = [*ids, *_recordings_of_live_sessions(tx, ids)]
    else:
        names = [row[0] for row in tx.rows(OTHERS, (session_id, session_id))]
    return [
        name
        for name in dict.fromkeys(names)
        if name != session_id and not ids.isdisjoint(_names(notes_of(tx, name)))
    ]


def _recordings_of_live_sessions(tx: Transaction, ids: Iterable[str]) -> Iterator[str]:
    """Yield the ids of the newest sessions that record GPT-Live sessions with these ids."""
    for name in product(_LIVE_NAMES, ids):
        for row in islice(sessions_newest_first(tx, SessionFilter(address=(name,))), _OTHERS):
            yield row[-1]


def _names(notes: Mapping[str, Any]) -> frozenset[str]:
    return call_names(notes.get("server_id"), mapping(notes.get("opened")))


def call_names(server_id: str | None, opened: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids by which a recording's call is known: recordings of one call share an id.

    Args:
        server_id: The id that the server gave to the session; None if it told none.
        opened: The session's first note, which says how it is recorded.
    """
    return frozenset(filter(None, (server_id, call_of(opened))))


def call_of(opened: Mapping[str, Any]) -> str | None:
    """Return the id of the call that a recording joined, or whose URL it connected to, or None.

    For a sideband of a GPT-Live session, it is the session's id.

    Args:
        opened: The session's first note, which says how it is recorded.
    """
    names = names_of_session(opened, {}, None)
    named = next((value for name, value in names if name == "call_id"), None)
    return named or joined_session(text(opened.get("url")) or "")


def notes_of(tx: Transaction, session_id: str) -> dict[str, Any]:
    """Return the notes of a session, as lists show them; empty if they cannot be read."""
    row = tx.row(SESSION_RESOURCE, (session_id,))
    if row is None:
        return {}
    try:
        _, notes = decrypted_texts(tx, "sessions", session_id, "", *row)
        return mapping(loads(notes))
    except EventStoreError as error:  # A damaged session does not stop the search.
        if is_outage(error):
            raise
    except ValueError:
        pass
    return {}


def response_ids(tx: Transaction, session_id: str) -> list[str]:
    """Return the ids of a session's responses."""
    return [row[0] for row in tx.rows(RESPONSE_IDS, (session_id,))]


def read_stream_times(tx: Transaction, session_id: str) -> StreamTimes | None:
    """Return when a session was opened and closed, or None if it does not exist or was erased."""
    row = tx.row(STREAM, (session_id,))
    return None if row is None else StreamTimes(*row)
