"""Recordings of one call by several connections, of which each billed thing is counted once.

A relay records the connection of a call, and a sideband that joined it is recorded as well; or both
are imported. The server tells both the same session's id, and the same responses. What was opened
first counts; each of the others gets a note in its log, which says where its usage is counted,
and what it alone has. By that note alone, usage of a session is left out: see
`projection/session_billing.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from eventstore import unforeseen
from eventstore.capture import notes
from eventstore.errors import ErasedError, NotFoundError
from eventstore.projection.session_billing import usage_ids
from eventstore.projection.state import SessionState
from eventstore.store.appender import append
from eventstore.store.project import project_session
from eventstore.store.query_sessions import state_at
from eventstore.store.recordings_of_call import sessions_alike, stream_of
from eventstore.store.transaction import read

if TYPE_CHECKING:
    from eventstore.event_store import EventStore


_LOGGER = logging.getLogger("eventstore.recorder")


class _Recording(NamedTuple):
    opened_at: int
    session_id: str
    is_closed: bool
    state: SessionState


def note_same_calls(store: EventStore, session_id: str) -> str | None:
    """Look for other recordings of a session's call, and note which of them counts.

    It may be called again, and by several processes at once: what is noted stays as it is, or is
    noted anew where more is known. A session that is still open is left alone.

    Returns:
        The session that counts this one's usage; None where that is this one.

    Raises:
        DatabaseUnavailableError: what was not noted is noted the next time.
    """
    recordings = sorted(_recordings(store, session_id), key=itemgetter(0, 1))
    counted: set[str] = set()
    first = recordings[0].session_id if len(recordings) > 1 else session_id
    for recording in recordings:
        state, ids = recording.state, usage_ids(recording.state)
        only_here = frozenset(ids - counted)
        counted |= ids
        told = state.same_call == first and state.only_here == only_here
        if recording.session_id != first and recording.is_closed and not told:
            note = notes.same_call(first, only_here)
            append(store.engine, None, recording.session_id, [note])
            project_session(store.engine, recording.session_id)
    return None if first == session_id else first


def note_ended(store: EventStore, session_id: str | None) -> None:
    """Do the same for a session that was just recorded to its end; never fails.

    Args:
        session_id: None where nothing of it was written.
    """
    if session_id is None:
        return
    try:
        note_same_calls(store, session_id)
    except Exception as error:  # what was recorded is written, and what is not noted counts twice
        unforeseen.note(_LOGGER, "looking for other recordings of a call", error)


def _recordings(store: EventStore, session_id: str) -> Iterator[_Recording]:
    """The recordings of one call, a session's own first; none where there are no others."""
    with read(store.engine) as tx:
        others = sessions_alike(tx, session_id)
    server_id = None
    for name in (session_id, *others) if others else ():
        with read(store.engine) as tx:
            stream = stream_of(tx, name)
        try:
            state = state_at(store.engine, name)
        except (NotFoundError, ErasedError):
            continue
        server_id = state.server_id if name == session_id else server_id
        # Responses of other calls may have equal ids, where servers do not make them unique.
        if stream is not None and server_id is not None and state.server_id == server_id:
            yield _Recording(stream.opened_at, name, stream.closed_at is not None, state)
