"""Serve recordings over the websockets of Realtime and GPT-Live, each client in a task of its own.

Called by the commands `replay --serve` and `serve`, and by Python programs as
`eventstore.replay_server`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import count
from typing import NamedTuple
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from eventstore.common import unforeseen
from eventstore.common.hosts import Visitors
from eventstore.errors import DatabaseUnavailableError, EventStoreError, NotFoundError
from eventstore.replay.server.stored_recordings import SERVED_ONCE, StoredRecordings
from eventstore.replay.serving.bounded_connection import bounded_connections
from eventstore.replay.serving.connection import Manner, Outcome, serve_connection
from eventstore.replay.serving.handshake import (
    ASKED_BY,
    RefusedError,
    asks_for_websocket,
    header,
    refusal,
    refused_http,
    subprotocol,
)
from eventstore.replay.serving.live_role import check_role, live_target_of
from eventstore.replay.serving.matching import Drift
from eventstore.replay.serving.recording import Recording
from eventstore.store.sessions.log import Log

#: Returns the recording that a handshake asks for, or raises EventStoreError if there is none.
FindRecording = Callable[[Request], Recording]

_INTERNAL_ERROR, _REASON = 1011, 120
# `websockets` would log a traceback for each failed handshake, which is the client's mistake.
_LOGGER = logging.getLogger("eventstore.replay.server.server")
_LOGGER.setLevel(logging.CRITICAL)
# Faults of this server are logged here instead, without the content of frames.
_FAULTS = logging.getLogger("eventstore.replay")
#: By default, so many clients are served at the same time.
MAX_REPLAYS = 1000
_MAX_FRAME = 32 * 1024 * 1024
# Seconds for a client's TLS handshake.
_TLS_TIMEOUT = 10.0


class Watcher(NamedTuple):
    """Functions that are called with what happens on the connections, numbered from 1.

    Attributes:
        opened: Called when a client is given a recording.
        drift: Called when a client does something else than the recorded client.
        closed: Called when a connection is over.
    """

    opened: Callable[[int, Recording], None]
    drift: Callable[[int, Drift], None]
    closed: Callable[[int, Recording, Outcome], None]


_NOBODY = Watcher(lambda *_: None, lambda *_: None, lambda *_: None)


def recordings_of(
    log: Log,
    session_id: str | None = None,
    seen_by: Callable[[Request], Log] | None = None,
    once: bool = False,
) -> StoredRecordings:
    """Return the recordings of a store, for `replay_server`.

    Args:
        log: The store to read from.
        session_id: Serve this session, whatever clients ask for. None serves the session that the
            path or query of a client names.
        seen_by: Returns the part of the store that a client may see, by its handshake, or raises
            RefusedError. None lets clients see all of it.
        once: Serve one client, and refuse the others.
    """
    return StoredRecordings(log, session_id, seen_by, once)


@asynccontextmanager
async def replay_server(
    open_: FindRecording | StoredRecordings,
    manner: Manner,
    host: str,
    port: int,
    watcher: Watcher | None = None,
    keyed: bool = False,
    most: int = MAX_REPLAYS,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Run a server that plays recordings to its clients, until the block ends.

    Args:
        open_: The recordings, or a function that returns the recording for a handshake.
        manner: How recordings are served.
        host, port: The address to listen on; port 0 for any free port.
        watcher: Called with what clients do; None for nothing.
        keyed: `open_` requires an API key. Then web pages of all origins may connect, since a
            browser sends no key by itself.
        most: How many clients are served at the same time. More are refused with status 503.
        tls: The certificate and key to listen with; None for no TLS.

    Yields:
        The server, which listens.

    Raises:
        OSError: The server cannot listen on the address.
    """
    stored = open_ if isinstance(open_, StoredRecordings) else None
    service = _ReplayService(
        open_, manner, Visitors(host, tls=tls is not None), watcher or _NOBODY, keyed, most
    )
    async with serve(
        service.play,
        host,
        port,
        process_request=service.handshake,
        select_subprotocol=lambda _, offered: subprotocol(offered),
        create_connection=bounded_connections(),
        compression=None,
        max_size=_MAX_FRAME,
        server_header=None,
        logger=_LOGGER,
        ssl=tls,
        ssl_handshake_timeout=_TLS_TIMEOUT if tls else None,
    ) as server:
        looking = None if stored is None else asyncio.create_task(stored.look())
        try:
            yield server
        finally:
            if looking is not None:
                looking.cancel()


class _ReplayService:
    """Answers handshakes, and plays to each client the recording that its handshake chose.

    Args:
        open_: The recordings, or a function that returns the recording for a handshake.
        manner: How recordings are served.
        visitors: Knows which browser pages may connect.
        watcher: Called with what clients do.
        keyed: `open_` requires an API key, so that pages of all origins may connect.
        most: How many clients are served at the same time.
    """

    def __init__(
        self,
        open_: FindRecording | StoredRecordings,
        manner: Manner,
        visitors: Visitors,
        watcher: Watcher,
        keyed: bool,
        most: int,
    ) -> None:
        self._open, self._manner, self._watcher = open_, manner, watcher
        self._stored = open_ if isinstance(open_, StoredRecordings) else None
        self._visitors, self._keyed, self._most = visitors, keyed, most
        self._chosen: WeakKeyDictionary[ServerConnection, Recording] = WeakKeyDictionary()
        self._opening: set[ServerConnection] = set()
        self._numbers = count(1)

    async def handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        """Choose the recording for a client. Return the response to a refused handshake."""
        refused = self._visitors.refusal(*(header(request.headers, name) for name in ASKED_BY))
        if refused is not None and not self._keyed:
            return refusal(HTTPStatus.FORBIDDEN, refused)
        if not asks_for_websocket(request.headers):
            # `websockets` refuses what is left. No such request uses up a session.
            return refused_http(request.path)
        if len(connection.server.connections) + len(self._opening) >= self._most:
            message = f"there are {self._most:,} replays, and no more at once"
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, message)
        self._opening.add(connection)
        try:
            recording = await _opened(self._open, request)
            check_role(recording.name, recording.script, live_target_of(request.path))
            self._chosen[connection] = recording
        except Exception as error:
            return _refused(error)
        finally:
            self._opening.discard(connection)
        return None

    async def play(self, connection: ServerConnection) -> None:
        """Play the chosen recording to a client, until one of both ends the connection."""
        recording = self._chosen.pop(connection)
        if self._stored is not None and not self._stored.begins():
            await connection.close(CloseCode.POLICY_VIOLATION, SERVED_ONCE)
            return
        number, watcher = next(self._numbers), self._watcher
        watcher.opened(number, recording)

        def on_drift(drift: Drift) -> None:
            watcher.drift(number, drift)

        try:
            outcome = await serve_connection(connection, recording, self._manner, on_drift)
        except Exception as error:
            outcome = Outcome()
            await connection.close(_INTERNAL_ERROR, _reason(error))
        if self._stored is not None:
            self._stored.ended(recording)
        watcher.closed(number, recording, outcome)


async def _opened(open_: FindRecording | StoredRecordings, request: Request) -> Recording:
    if isinstance(open_, StoredRecordings):
        return await open_.find(request)
    # In a thread, because reading a long recording must not delay running replays.
    return await asyncio.to_thread(open_, request)


def _refused(error: Exception) -> Response:
    """Return the response to a handshake for which no recording was found."""
    if isinstance(error, RefusedError):
        return refusal(error.status, str(error))
    if isinstance(error, EventStoreError):
        return refusal(_status(error), str(error))
    unforeseen.log_fault(_FAULTS, "choosing what to replay", error)
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed, and has logged where")


def _reason(error: Exception) -> str:
    """Return why a replay failed, for its close frame."""
    if isinstance(error, EventStoreError):
        return str(error).encode("utf-8", "replace")[:_REASON].decode(errors="ignore")
    unforeseen.log_fault(_FAULTS, "a replay", error)
    return "the replay failed"


def _status(error: EventStoreError) -> HTTPStatus:
    if isinstance(error, DatabaseUnavailableError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.NOT_FOUND if isinstance(error, NotFoundError) else HTTPStatus.BAD_REQUEST
