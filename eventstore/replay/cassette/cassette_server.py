"""Serve a cassette on loopback: replay its connections, and record those that come after them.

Started by cassette.py, in the thread of loop_thread.py.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Subprotocol

from eventstore.common.hosts import Visitors
from eventstore.replay.cassette.cassette_file import UnfinishedConnection
from eventstore.replay.cassette.proxy import (
    CLOSE_TIMEOUT,
    MAX_MESSAGE,
    connect_upstream,
    pass_on,
    trusting_upstream,
)
from eventstore.replay.serving.bounded_connection import bounded_connections
from eventstore.replay.serving.connection import Manner, Outcome, serve_connection
from eventstore.replay.serving.handshake import (
    ASKED_BY,
    asks_for_websocket,
    header,
    refusal,
    refused_http,
    subprotocol,
)
from eventstore.replay.serving.recording import Recording

_HOST = "127.0.0.1"
#: How long the server waits for its connections to end, in seconds.
_END = 10.0


@dataclass
class CassetteServer:
    """The server of one cassette, and what its clients did.

    Attributes:
        cassette: The cassette's file. New connections are recorded beside it.
        recordings: The cassette's connections. The nth client is served the nth of them.
        manner: How they are served.
        upstream: The server to which further clients are passed on; None to refuse them.
        tls: The certificate and key to listen with; None for no TLS.
        url: The address for an OpenAI client's `websocket_base_url`.
        opened: How many clients were served or passed on.
        refused: How many clients were refused, because the cassette has no more connections.
        outcomes: The outcome of each replayed connection, by its number.
        failures: Why connections could not be served or recorded, in words.
    """

    cassette: Path
    recordings: Sequence[Recording]
    manner: Manner
    upstream: str | None
    tls: ssl.SSLContext | None = None
    url: str = ""
    opened: int = 0
    refused: int = 0
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _chosen: dict[object, tuple[int, Recording | ClientConnection]] = field(default_factory=dict)
    _arrived: int = 0
    _parts: dict[int, UnfinishedConnection] = field(default_factory=dict)
    _upstream_tls: ssl.SSLContext | None = None
    _serving: dict[ServerConnection, asyncio.Task[None]] = field(default_factory=dict)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[CassetteServer]:
        """Serve on a free port of loopback until the block ends. Then all connections end."""
        if self.upstream is not None:
            # Made before the test runs, since the test may tell its process to trust only the
            # cassette's certificate.
            self._upstream_tls = trusting_upstream(self.upstream)
        server = await serve(
            self._play,
            _HOST,
            0,
            process_request=self._handshake,
            select_subprotocol=self._subprotocol,
            create_connection=bounded_connections(),
            compression=None,
            max_size=MAX_MESSAGE,
            server_header=None,
            # A handshake may take as long as the real server needs. Pings are useless on loopback.
            open_timeout=None,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT,
            ssl=self.tls,
        )
        scheme = "ws" if self.tls is None else "wss"
        self.url = f"{scheme}://{_HOST}:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), _END)
            for _, source in self._chosen.values():
                if not isinstance(source, Recording):
                    source.transport.abort()

    async def settle(self) -> None:
        """Wait until the server has handled the connections that clients have closed."""
        closed = [
            task for connection, task in self._serving.items() if connection.state is not State.OPEN
        ]
        if closed:
            await asyncio.wait(closed, timeout=_END)

    @property
    def parts(self) -> list[UnfinishedConnection]:
        """Return what was recorded, in the order in which clients connected."""
        return [part for _, part in sorted(self._parts.items())]

    @property
    def open(self) -> int:
        """Return how many connections are open."""
        return len(self._serving)

    async def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        headers = request.headers
        refused = Visitors(_HOST, self.tls is not None).refusal(
            *(header(headers, name) for name in ASKED_BY)
        )
        if refused is not None:
            return refusal(HTTPStatus.FORBIDDEN, refused)
        if not asks_for_websocket(headers):
            # `websockets` refuses what is left. No such request uses up a connection.
            return refused_http(request.path)
        source: Recording | ClientConnection | Response
        self._arrived += 1
        arrived = self._arrived
        if self.opened < len(self.recordings):
            source = self.recordings[self.opened]
        elif self.upstream is None:
            self.refused += 1
            held = f"the cassette holds {len(self.recordings)} of them: {self.cassette}"
            return refusal(HTTPStatus.NOT_FOUND, f"one connection too many; {held}")
        else:
            source = await connect_upstream(self.upstream, request, self._upstream_tls)
        if isinstance(source, Response):
            return source
        self.opened += 1
        self._chosen[connection.id] = (arrived, source)
        return None

    def _subprotocol(
        self, connection: ServerConnection, offered: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        source = self._chosen[connection.id][1]
        if not isinstance(source, Recording):
            return source.subprotocol
        return subprotocol(offered)

    async def _play(self, connection: ServerConnection) -> None:
        number, source = self._chosen.pop(connection.id)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._serving[connection] = task
        try:
            if isinstance(source, Recording):
                self.outcomes[number] = await serve_connection(
                    connection, source, self.manner, lambda _: None
                )
            else:
                await self._record(number, connection, source)
        except Exception as error:
            self.failures.append(f"connection {number}: {error or type(error).__name__}")
            raise
        finally:
            del self._serving[connection]

    async def _record(
        self, number: int, connection: ServerConnection, upstream: ClientConnection
    ) -> None:
        try:
            part = UnfinishedConnection(self.cassette)
            self._parts[number] = part
            ending = await pass_on(connection, upstream, part.add)
            part.end(*ending)
        finally:
            upstream.transport.abort()
        if ending.cut_off:
            self.failures.append(f"connection {number}: the server cut it off")
