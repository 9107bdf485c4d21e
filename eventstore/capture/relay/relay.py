"""Run a relay: an app connects to it instead of the provider, and its sessions are recorded.

`eventstore record` calls `relay`; each connection is served by `relay_connection.py`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from eventstore.capture.calls.call_recordings import CallRecordings
from eventstore.capture.messages.unpacking_thread import UnpackingThread
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.relay.relay_connection import RelayedConnection
from eventstore.capture.relay.relay_metrics import RelayCounts
from eventstore.capture.relay.relay_request import parse_upstream
from eventstore.capture.relay.relay_shared import OnEvent, RelayState
from eventstore.common.hosts import Visitors, parse_origin

CONNECT_TIMEOUT = 30.0
_BACKLOG = 1024
# Seconds for a client's TLS handshake.
_TLS_TIMEOUT = 10.0
#: Connections that are relayed at once, unless the caller gives another number.
MAX_RELAYED_CALLS = 1000
# Seconds for connections to close after they were told to. Then they are aborted.
_CLOSE_TIMEOUT = 5.0


class Relay:
    """A relay that is running.

    Attributes:
        sockets: Where it listens.
        counts: Its counters.
        port: The port of the first socket.
    """

    def __init__(self, server: asyncio.Server, shared: RelayState) -> None:
        self._server, self._shared = server, shared
        self.sockets: Sequence[socket.socket] = tuple(server.sockets)
        self.counts: RelayCounts = shared.counts
        self.port: int = self.sockets[0].getsockname()[1]

    @property
    def live(self) -> int:
        """How many sessions are in progress."""
        return self._shared.sessions

    async def drain(self, grace: float = 0.0) -> None:
        """Accept no more connections, and close the open ones.

        A second call with no grace ends the grace of the first.

        Args:
            grace: Seconds in which connections may end by themselves.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        await self._stop_listening()
        for connection in list(self._shared.live):
            if connection.request is None:
                connection.go_away()
        await self._idle(grace)
        await self._shared.created.idle(max(0.0, until - loop.time()))
        for connection in list(self._shared.live):
            connection.go_away()
        leaving = loop.create_task(self._shared.created.leave())
        await self._idle(_CLOSE_TIMEOUT)
        for connection in list(self._shared.live):
            connection.abort()
        await self._idle(_CLOSE_TIMEOUT)
        await leaving
        if self._shared.reporting:
            await asyncio.wait(self._shared.reporting)

    async def _stop_listening(self) -> None:
        if self._shared.draining:
            return
        self._shared.draining = True
        # If the server were closed first, a connection that is just being accepted would stay open,
        # and nobody would know of it.
        for listening in self.sockets:
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0)
        self._server.close()

    async def _idle(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._shared.idle.wait(), seconds)


@asynccontextmanager
async def relay(
    recorder: Recorder | RecorderProcess,
    upstream: str,
    host: str,
    port: int,
    *,
    listen_tls: ssl.SSLContext | None = None,
    upstream_tls: ssl.SSLContext | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
    durable: bool = False,
    metadata: Mapping[str, str] | None = None,
    on_event: OnEvent | None = None,
    origins: Iterable[str] = (),
    max_calls: int = MAX_RELAYED_CALLS,
) -> AsyncIterator[Relay]:
    """Relay websockets to an upstream and record them, until the block is left.

    Args:
        recorder: Records the messages of every session.
        upstream: The server's URL, such as `wss://api.openai.com`. Its path is put before the path
            of each request.
        host, port: Where to listen; port 0 for any free port.
        listen_tls: Certificate and key to listen with; None for no TLS.
        upstream_tls: Which certificates of the upstream to trust; None for those that the system
            trusts.
        connect_timeout: Seconds for the upstream to answer a handshake.
        durable: Pass a message on only after it is committed.
        metadata: Pairs to set on every session.
        on_event: Called with the connection's number and a text for people when something happens.
        origins: Origins of browser pages that may connect, such as `https://app.example`; `*` for
            all. Pages of this machine always may.
        max_calls: How many connections are relayed at once. More are refused with 503.

    Raises:
        InvalidInputError: If the upstream is not such a URL, or an origin is not one.
        OSError: If the address cannot be listened on.
    """
    server = parse_upstream(upstream)
    tls = (upstream_tls or ssl.create_default_context()) if server.tls else None
    allowed = frozenset(map(parse_origin, origins))
    unpacking = UnpackingThread(asyncio.get_running_loop())
    shared = RelayState(
        recorder,
        server,
        tls,
        connect_timeout,
        durable,
        metadata or {},
        on_event or (lambda number, words: None),
        unpacking,
        Visitors(host, listen_tls is not None, allowed, "--allow-origin"),
        max_calls,
        CallRecordings(recorder, max_calls),
    )
    shared.idle.set()
    running = Relay(await _listen(shared, host, port, listen_tls), shared)
    try:
        yield running
    finally:
        try:
            await running.drain()
        finally:
            unpacking.close()


async def _listen(
    shared: RelayState, host: str, port: int, tls: ssl.SSLContext | None
) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(
        lambda: RelayedConnection(shared).client,
        host,
        port,
        ssl=tls,
        backlog=_BACKLOG,
        ssl_handshake_timeout=_TLS_TIMEOUT if tls else None,
    )
