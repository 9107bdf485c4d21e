"""Find the recordings of a store for the replay server, and keep the last ones in memory.

A recording in memory must not outlive its session: another process may erase the session. So the
server checks every few seconds that sessions have not changed. Called by server.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

from websockets.http11 import Request

from eventstore.common import unforeseen
from eventstore.errors import DatabaseUnavailableError, EventStoreError, NotFoundError
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import SERVER, Frame
from eventstore.replay.server.reconnects import Reconnects
from eventstore.replay.server.served_sessions import ServedSessions
from eventstore.replay.server.session_request import (
    SessionRequest,
    named_session,
    newest_match,
    read_request,
)
from eventstore.replay.serving.recording import Recording, read_recording
from eventstore.store.log.read_events import read_events
from eventstore.store.log.session_facts import Revision, find_revisions
from eventstore.store.sessions.log import Log

_LOGGER = logging.getLogger("eventstore.replay")
#: Time between two checks for erased sessions, and the most that a check may take. In seconds.
LOOK_EACH, LOOK_PATIENCE = 2.0, 5.0
#: Why clients after the first are refused if `once` is set.
SERVED_ONCE = "the session was served once, and is not served again"
_KEPT = 4
# So many recordings are read at the same time. Running replays read theirs in other threads.
_READ_AT_ONCE = 4


class SessionRevision(NamedTuple):
    """A session at a certain revision.

    Attributes:
        session_id: The session.
        version: Its revision: the seq of its last event, and how often it was erased in part.
    """

    session_id: str
    version: Revision


def _session_revision(seen: Log, session_id: str) -> SessionRevision:
    return SessionRevision(session_id, seen.revision(session_id))


def _next(seen: Log, request: SessionRequest, served: Collection[str]) -> SessionRevision:
    return _session_revision(seen, newest_match(seen, request, served))


class StoredRecordings:
    """Finds the recording that a handshake asks for. Call its methods on one event loop.

    If a client names a session, it is served every time, but not faster than `Reconnects` allows.
    If a client asks for any session with a model or metadata, it gets another one each time.

    Args:
        log, session_id, seen_by, once: As for `recordings_of`.
    """

    def __init__(
        self,
        log: Log,
        session_id: str | None = None,
        seen_by: Callable[[Request], Log] | None = None,
        once: bool = False,
    ) -> None:
        self._store, self._session_id, self._seen_by = log, session_id, seen_by
        self._once, self._has_begun = once, False
        self._served, self._reconnects = ServedSessions(), Reconnects()
        self._kept: OrderedDict[SessionRevision, Recording] = OrderedDict()
        self._reading: dict[SessionRevision, asyncio.Future[Recording]] = {}
        # The recordings in `_kept`, and those that are still being replayed.
        self._alive: WeakValueDictionary[SessionRevision, Recording] = WeakValueDictionary()
        self._threads = ThreadPoolExecutor(_READ_AT_ONCE, "eventstore-recordings")

    async def find(self, request: Request) -> Recording:
        """Return the recording that a handshake asks for.

        If many clients want the same recording at once, it is read only once.

        Raises:
            RefusedError: The client may not see the store.
            EventStoreError: There is no such recording, or it cannot be read.
        """
        if self._once and self._has_begun:
            raise NotFoundError(SERVED_ONCE)
        seen, session_request = await asyncio.to_thread(self._asked, request)
        if session_request.session is not None:
            await asyncio.sleep(self._reconnects.wait(session_request.session))
            return await self._recording(
                await asyncio.to_thread(_session_revision, seen, session_request.session)
            )
        by = seen.scope, session_request
        known = await self._served.next(by, partial(_next, seen, session_request))
        try:
            return await self._recording(known)
        except DatabaseUnavailableError:
            self._served.give_back(by, known.session_id)
            raise

    def begins(self) -> bool:
        """Return True if a replay may begin, and remember that one began."""
        may = not (self._once and self._has_begun)
        self._has_begun = True
        return may

    def ended(self, recording: Recording) -> None:
        """Remember that a replay of a recording ended, to limit reconnects."""
        self._reconnects.ended(recording.name)

    async def _recording(self, known: SessionRevision) -> Recording:
        found = self._alive.get(known)
        if found is None:
            reading = self._reading.get(known)
            if reading is None:
                loop = asyncio.get_running_loop()
                reading = loop.run_in_executor(self._threads, partial(self._read, known))
                self._reading[known] = reading
                reading.add_done_callback(partial(self._is_read, known))
            found = await asyncio.shield(reading)
        return found

    async def look(self) -> None:
        """Check every `LOOK_EACH` seconds for sessions that have changed, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EACH)
            alive = list(self._alive.items())
            if not alive:
                continue
            sessions = {known.session_id for known, _ in alive}
            ask = partial(find_revisions, self._store.engine, sessions)
            try:
                now = await asyncio.wait_for(asyncio.to_thread(ask), LOOK_PATIENCE)
            except (EventStoreError, TimeoutError):
                continue  # running replays go on while the database is away
            except Exception as error:  # the next check may succeed
                unforeseen.log_fault(_LOGGER, "looking for erased sessions", error)
                continue
            for known, recording in alive:
                version = now.get(known.session_id)
                if version is None or version[1] != known.version[1]:
                    recording.forget()
                if version != known.version:
                    self._kept.pop(known, None)

    def _asked(self, request: Request) -> tuple[Log, SessionRequest]:
        """Return the part of the store that a client may see, and what it asks for.

        Raises:
            NotFoundError: The client names a session that is not there.
        """
        seen = self._store if self._seen_by is None else self._seen_by(request)
        if self._session_id is not None:
            return seen, SessionRequest(self._session_id, None, (), ())
        session_request = read_request(request.path)
        if session_request.session is not None:
            named = named_session(seen, session_request.session, session_request.role)
            session_request = session_request._replace(session=named)
        return seen, session_request

    def _read(self, known: SessionRevision) -> Recording:
        chosen, (head, _) = known

        def frames() -> Iterator[Frame]:
            return (Frame(e.direction, e.text, e.at) for e in self._store.events(chosen, last=head))

        def sent() -> Iterator[StoredEvent]:
            return read_events(self._store.engine, chosen, 1, head, direction=SERVER)

        return read_recording(chosen, frames, sent)

    def _is_read(self, known: SessionRevision, reading: asyncio.Future[Recording]) -> None:
        del self._reading[known]
        if reading.cancelled() or reading.exception() is not None:
            return
        self._kept[known] = self._alive[known] = reading.result()
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
