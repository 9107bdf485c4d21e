"""Find several recordings of one call, so that each billed thing is counted once.

A relay records a call's connection, and a sideband that joined the call is recorded too; or both
are imported. The server tells both the same session's id and the same responses, at the same time.
Each has something that the other lacks, such as the client's audio. Several sidebands of a call
receive the same events, perhaps without the session's id, but their recorders know the call's id.

The recording that was opened first counts; of GPT-Live sessions, it is the one that was told the
most seconds, since a server tells how long a session is until now. Each of the others gets a note
in its log, which names the session that counts its usage, and lists what it alone has. Only this
note makes a session's usage be left out: see `projection/handlers/session_billing.py`.

A copy of a recording under another id, frame for frame, is a session of its own. So is a call that
a server with ids of its own, such as a replay server, answers again later.

The recorder and `import` call it when a session has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from eventstore.capture.recording import notes
from eventstore.common import unforeseen
from eventstore.errors import EventStoreError
from eventstore.projection.handlers.session_billing import usage_ids
from eventstore.projection.session_names import is_sideband
from eventstore.projection.state import SessionState
from eventstore.realtime.frames import STORE
from eventstore.realtime.values import number, text
from eventstore.store.database.outages import is_outage
from eventstore.store.database.transaction import read
from eventstore.store.log.read_events import read_events
from eventstore.store.log.session_facts import find_last_seq
from eventstore.store.queries.query_sessions import state_at
from eventstore.store.queries.recordings_of_call import (
    call_names,
    call_of,
    notes_of,
    other_recordings,
    read_stream_times,
)
from eventstore.store.sessions.append import append
from eventstore.store.sessions.project_session import project_session

if TYPE_CHECKING:
    from eventstore.store.sessions.log import WritableLog


_LOGGER = logging.getLogger("eventstore.recorder")


class _Recording(NamedTuple):
    opened_at: int
    session_id: str
    is_closed: bool
    state: SessionState

    def rank(self) -> tuple[float, int, str]:
        """Return what recordings of a call are sorted by: the first one counts."""
        told = self.state.told_usage or {}
        seconds = number(told.get("seconds")) if self.state.live is not None else None
        return -(seconds or 0.0), self.opened_at, self.session_id


def note_same_calls(log: WritableLog, session_id: str, is_dated: bool = True) -> str | None:
    """Find other recordings of a session's call, and note which of them counts.

    It may be called again, and by several processes at once: notes stay, or are replaced if more is
    known. An open session is left unchanged.

    Args:
        log: The store's log.
        session_id: The session.
        is_dated: False if the date of the session's times is assumed. Then they do not show whether
            another recording was made at the same time.

    Returns:
        The session that counts this one's usage; None if it counts itself.

    Raises:
        DatabaseUnavailableError: If the database is away; call it again to note the rest.
    """
    with read(log.engine) as tx:
        noted = notes_of(tx, session_id)
        alike = other_recordings(tx, session_id, noted)
    own = _recording(log, session_id) if alike else None
    if own is None:  # the usual case
        return noted.get("same_call")
    others = _other_recordings(log, own, alike, is_dated)
    others.sort(key=_Recording.rank)
    first = next((r for r in others if r.state.same_call is None), None)
    if first is None:
        return own.state.same_call
    if first.rank() < own.rank():
        _note(log, own, first.session_id, [r for r in others if r.rank() < own.rank()])
        return first.session_id
    for place, other in enumerate(others):  # these recordings ended before this one
        _note(log, other, session_id, [own, *others[:place]])
    return None


def _note(log: WritableLog, own: _Recording, first: str, before: Iterable[_Recording]) -> None:
    """Note in a recording's log that another recording of its call counts."""
    counted = (r.state.only_here if r.state.same_call else usage_ids(r.state) for r in before)
    only_here = frozenset(usage_ids(own.state).difference(*counted))
    if own.is_closed and (own.state.same_call, own.state.only_here) != (first, only_here):
        frames = [notes.same_call(first, only_here)]
        append(log.engine, None, own.session_id, frames, own=log.registry.inline())
        project_session(log.engine, own.session_id)


def note_ended(log: WritableLog, session_id: str | None) -> None:
    """Call `note_same_calls` for a session that was just recorded to its end; never fails.

    Args:
        session_id: The session; None if nothing of it was written.
    """
    if session_id is None:
        return
    try:
        note_same_calls(log, session_id)
    except Exception as error:  # the recording itself is written; only its usage counts twice
        unforeseen.log_fault(_LOGGER, "looking for other recordings of a call", error)


def _recording(log: WritableLog, session_id: str) -> _Recording | None:
    with read(log.engine) as tx:
        stream = read_stream_times(tx, session_id)
    try:
        state = state_at(log.engine, session_id)
    except EventStoreError as error:  # it was erased meanwhile, or is damaged
        if is_outage(error):
            raise
        return None
    if stream is None:
        return None
    return _Recording(stream.opened_at, session_id, stream.closed_at is not None, state)


def _other_recordings(
    log: WritableLog, own: _Recording, alike: Iterable[str], is_dated: bool
) -> list[_Recording]:
    """Return other recordings of the same call; none if the session is a copy of one that counts.

    Args:
        alike: Ids of sessions that may be recordings of the call.
        is_dated: Whether the session's times show when it was.
    """
    found = []
    for other in filter(None, (_recording(log, name) for name in alike)):
        # The lists may hold an id that is cut, so the whole ids are compared.
        if not _is_one_call(own.state, other.state):
            continue
        if is_dated and not (
            _overlap_in_time(own.state, other.state) or _is_sideband_of(own.state, other.state)
        ):
            continue
        if other.state.same_call is None and _is_copy(log, own, other):
            return []
        found.append(other)
    return found


def _is_one_call(one: SessionState, other: SessionState) -> bool:
    """Return True if both have the same id by their servers, or of the call that was joined."""
    names = call_names(one.server_id, one.notes)
    return not names.isdisjoint(call_names(other.server_id, other.notes))


def _overlap_in_time(one: SessionState, other: SessionState) -> bool:
    """Return True if two sessions overlap in time, or it is not known when they were."""
    times = one.first_at, one.last_at, other.first_at, other.last_at
    begun, ended, other_begun, other_ended = times
    if begun is None or ended is None or other_begun is None or other_ended is None:
        return True
    return begun <= other_ended and other_begun <= ended


def _is_sideband_of(one: SessionState, other: SessionState) -> bool:
    """Return True if a GPT-Live session, and a sideband of it, were recorded at the same server.

    A sideband may join again after it was cut off, so that its recordings do not overlap in time.
    Two connections that each began a session are two sessions, as of a replay server.
    """
    if one.live is None or other.live is None:
        return False
    host = _host_of(one)
    at_one_server = host != "" and host == _host_of(other)
    return at_one_server and (is_sideband(one.notes) or is_sideband(other.notes))


def _host_of(state: SessionState) -> str:
    """Return the host and port that a session was recorded at; empty if they are unknown."""
    try:
        return urlsplit(text(state.notes.get("url")) or "").netloc
    except ValueError:
        return ""


def _is_copy(log: WritableLog, one: _Recording, other: _Recording) -> bool:
    """Return True if two sessions have the same frames, up to the end of the shorter one.

    Two sidebands of one call receive the same frames, but neither is a copy: a copy has the first
    note of its original, which names that recording.
    """
    names = one.state.notes.get("recording"), other.state.notes.get("recording")
    if None not in names and names[0] != names[1]:
        joined = call_of(one.state.notes), call_of(other.state.notes)
        if joined[0] is not None and joined[0] == joined[1]:
            return False
    both = (
        (
            (event.direction, event.text)
            for event in read_events(log.engine, name, 1, find_last_seq(log.engine, name) or 0)
            if event.direction != STORE
        )
        for name in (one.session_id, other.session_id)
    )
    return all(first == second for first, second in zip(*both, strict=False))
