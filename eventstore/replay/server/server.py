"""Serve recordings over the Realtime websocket: the handshake, and a task for each client."""

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
    subprotocol,
)
from eventstore.replay.serving.matching import Drift
from eventstore.replay.serving.recording import Recording
from eventstore.store.sessions.log import Log

#: Gives the recording that a handshake asks for; raises EventStoreError where there is none.
FindRecording = Callable[[Request], Recording]

_INTERNAL_ERROR, _REASON = 1011, 120
# Handshakes that fail are the client's affair: no traceback of them is anybody's news.
_LOGGER = logging.getLogger("eventstore.replay.server.server")
_LOGGER.setLevel(logging.CRITICAL)
# Faults of our own are; the library's logger would tell their messages, too.
_FAULTS = logging.getLogger("eventstore.replay")
#: Clients that are played to at once, unless another number is named.
MAX_REPLAYS = 1000
_MAX_FRAME = 32 * 1024 * 1024
# Seconds for a client's TLS handshake.
_TLS_TIMEOUT = 10.0


class Watcher(NamedTuple):
    """Who is told what happens; connections are numbered from 1.

    Attributes:
        opened: a client was given a recording.
        drift: it did otherwise than the recorded one.
        closed: its connection is over.
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
    """Recordings out of a store, one that was served a moment ago being at hand.

    Args:
        session_id: serve this one, whatever clients ask for; None for what their path or query
            names.
        seen_by: what of the store a client sees, by its handshake; raises RefusedError. None for
            all of it.
        once: play to one client, and refuse those behind it.
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
    """A server that plays recordings to whoever connects, until the block is left.

    Args:
        open_: gives the recording that a client asks for.
        host, port: where to listen; port 0 for any that is free.
        watcher: who is told what clients do; None for nobody.
        keyed: `open_` asks for a key, which no page sends unasked; so pages of all hosts may.
        most: how many clients are played to at once; more are refused with 503.
        tls: certificate and key to listen with; None for no TLS.

    Raises:
        OSError: the address cannot be listened on.
    """
    chosen: WeakKeyDictionary[ServerConnection, Recording] = WeakKeyDictionary()
    numbers = count(1)
    visitors = Visitors(host, tls=tls is not None)
    opening: set[ServerConnection] = set()
    stored = open_ if isinstance(open_, StoredRecordings) else None

    async def handshake(connection: ServerConnection, request: Request) -> Response | None:
        headers = request.headers
        refused = visitors.refusal(*(header(headers, name) for name in ASKED_BY))
        if refused is not None and not keyed:
            return refusal(HTTPStatus.FORBIDDEN, refused)
        if not asks_for_websocket(request.headers):
            return None  # it is refused, and takes no session from a client
        if len(connection.server.connections) + len(opening) >= most:
            told = f"there are {most:,} replays, and no more at once"
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, told)
        opening.add(connection)
        try:
            chosen[connection] = await _opened(open_, request)
        except Exception as error:
            return _refused(error)
        finally:
            opening.discard(connection)
        return None

    async def play(connection: ServerConnection) -> None:
        recording = chosen.pop(connection)
        if stored is not None and not stored.begins():
            await connection.close(CloseCode.POLICY_VIOLATION, SERVED_ONCE)
            return
        number, told = next(numbers), watcher or _NOBODY
        told.opened(number, recording)

        def on_drift(drift: Drift) -> None:
            told.drift(number, drift)

        try:
            outcome = await serve_connection(connection, recording, manner, on_drift)
        except Exception as error:
            outcome = Outcome()
            await connection.close(_INTERNAL_ERROR, _reason(error))
        if stored is not None:
            stored.ended(recording)
        told.closed(number, recording, outcome)

    async with serve(
        play,
        host,
        port,
        process_request=handshake,
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


async def _opened(open_: FindRecording | StoredRecordings, request: Request) -> Recording:
    if isinstance(open_, StoredRecordings):
        return await open_.find(request)
    # In a thread: to read a long recording must not hold up those that play.
    return await asyncio.to_thread(open_, request)


def _refused(error: Exception) -> Response:
    """The answer to a handshake that no recording was found for."""
    if isinstance(error, RefusedError):
        return refusal(error.status, str(error))
    if isinstance(error, EventStoreError):
        return refusal(_status(error), str(error))
    unforeseen.log_fault(_FAULTS, "choosing what to replay", error)
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed, and has logged where")


def _reason(error: Exception) -> str:
    """Why a replay ends, for its close frame."""
    if isinstance(error, EventStoreError):
        return str(error).encode("utf-8", "replace")[:_REASON].decode(errors="ignore")
    unforeseen.log_fault(_FAULTS, "a replay", error)
    return "the replay failed"


def _status(error: EventStoreError) -> HTTPStatus:
    if isinstance(error, DatabaseUnavailableError):
        return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.NOT_FOUND if isinstance(error, NotFoundError) else HTTPStatus.BAD_REQUEST
