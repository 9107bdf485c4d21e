"""Recordings out of a store, for the replay server: those that were served last are at hand.

A recording at hand holds what was said. So it is kept only while its session is as it was: the
server looks every few seconds, since another process may erase it.
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
from eventstore.replay.server.session_request import SessionRequest, newest_match, read_request
from eventstore.replay.serving.recording import Recording, read_recording
from eventstore.store.log.read_events import read_events
from eventstore.store.log.session_facts import Revision, check_session_id, find_revisions
from eventstore.store.sessions.log import Log

_LOGGER = logging.getLogger("eventstore.replay")
#: Seconds between two looks for sessions that were erased, and that a look may take.
LOOK_EACH, LOOK_PATIENCE = 2.0, 5.0
#: Why a client behind the first is refused by `once`.
SERVED_ONCE = "the session was served once, and is not served again"
_KEPT = 4
# Long recordings that are read at once; who plays one reads it in other threads.
_READ_AT_ONCE = 4


class SessionRevision(NamedTuple):
    """A session as it was at a time."""

    session_id: str
    version: Revision


def _session_revision(seen: Log, session_id: str) -> SessionRevision:
    return SessionRevision(session_id, seen.revision(session_id))


def _next(seen: Log, wish: SessionRequest, served: Collection[str]) -> SessionRevision:
    return _session_revision(seen, newest_match(seen, wish, served))


class StoredRecordings:
    """Finds the recording that a handshake asks for. Its methods are called on one event loop.

    A session that is named is served as often as it is asked for, but not faster than
    `Reconnects` lets it. Who asks for any that is like something gets the next one each time.

    Args:
        log: to read from.
        session_id: serve this one, whatever clients ask for; None for what their path or query
            names.
        seen_by: what of the store a client sees, by its handshake; raises RefusedError. None for
            all of it.
        once: play to one client, and refuse those behind it.
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
        # Those above, and those that somebody still plays.
        self._alive: WeakValueDictionary[SessionRevision, Recording] = WeakValueDictionary()
        self._threads = ThreadPoolExecutor(_READ_AT_ONCE, "eventstore-recordings")

    async def find(self, request: Request) -> Recording:
        """Return the recording; of many clients who want the same, one has it read.

        Raises:
            RefusedError, EventStoreError: there is none for this client.
        """
        if self._once and self._has_begun:
            raise NotFoundError(SERVED_ONCE)
        seen, wish = await asyncio.to_thread(self._asked, request)
        if wish.session is not None:
            await asyncio.sleep(self._reconnects.wait(wish.session))
            return await self._recording(
                await asyncio.to_thread(_session_revision, seen, wish.session)
            )
        by = seen.scope, wish
        known = await self._served.next(by, partial(_next, seen, wish))
        try:
            return await self._recording(known)
        except DatabaseUnavailableError:
            self._served.give_back(by, known.session_id)
            raise

    def begins(self) -> bool:
        """Return True if a client may be played to, which is about to begin."""
        may = not (self._once and self._has_begun)
        self._has_begun = True
        return may

    def ended(self, recording: Recording) -> None:
        """Note that a replay ended."""
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
        """Look again and again, until cancelled, whether the sessions are as they were."""
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
                continue  # those who play go on while the database is away
            except Exception as error:  # the next look may go well
                unforeseen.log_fault(_LOGGER, "looking for erased sessions", error)
                continue
            for known, recording in alive:
                version = now.get(known.session_id)
                if version is None or version[1] != known.version[1]:
                    recording.forget()
                if version != known.version:
                    self._kept.pop(known, None)

    def _asked(self, request: Request) -> tuple[Log, SessionRequest]:
        """Return what of the store a client sees, and what it asks for; a session that is named
        is there."""
        seen = self._store if self._seen_by is None else self._seen_by(request)
        if self._session_id is not None:
            return seen, SessionRequest(self._session_id, None, (), ())
        wish = read_request(request.path)
        if wish.session is not None:
            check_session_id(wish.session)
            seen.last_seq(wish.session)
        return seen, wish

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
