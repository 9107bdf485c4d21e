"""Serve MCP as streamable HTTP at `/mcp`, with the keys and the guard of `eventstore serve`.

Called by the command `mcp --listen`. Each request stands for itself: the server keeps no sessions
of the protocol, so that nothing of one key's requests is there for another's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

from fastapi import FastAPI, Request, Response
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from eventstore.common.version import VERSION
from eventstore.mcp.asking import Service
from eventstore.mcp.server import make_server
from eventstore.web.running import Server, configuration
from eventstore.web.server.documents import answer
from eventstore.web.server.errors import ApiError, add_error_handlers
from eventstore.web.server.guard import Guard
from eventstore.web.server.health import ResponseCounts
from eventstore.web.server.requests import access_of
from eventstore.web.server.sign_ins import SignIns

PATH = "/mcp"
#: How many bytes a request may have.
MAX_BODY_BYTES = 1024 * 1024
_ROUTE = SimpleNamespace(path=PATH)


class _Endpoint:
    """The ASGI application at `/mcp`, which asks for a key before it hands a request on.

    Args:
        service: The server's settings.
        manager: Reads and answers the protocol's messages.
    """

    def __init__(self, service: Service, manager: StreamableHTTPSessionManager) -> None:
        self._service, self._manager = service, manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = _ROUTE  # for the log; FastAPI names routes of its own alone
        request = Request(scope)
        access = self._service.access
        if self._service.stores.keys is not None:
            access = access_of(request)
            if "read" not in access.rights:
                raise ApiError(403, "this key has no right to read", "missing_right")
        request.state.access = access
        await self._manager.handle_request(scope, receive, send)


@asynccontextmanager
async def mcp_app(service: Service) -> AsyncIterator[FastAPI]:
    """Make the application that serves MCP, for as long as the block lasts.

    Args:
        service: The server's settings.
    """
    manager = StreamableHTTPSessionManager(
        make_server(service),
        json_response=True,
        stateless=True,
        max_request_body_size=MAX_BODY_BYTES,
    )
    app = FastAPI(title="MCP", version=VERSION, openapi_url=None, docs_url=None, redoc_url=None)
    app.state.stores = service.stores
    app.state.stopping = False
    app.state.sign_ins = SignIns()
    counts = ResponseCounts()
    # Without sessions of the protocol there is nothing to listen for, and nothing to delete.
    app.add_route(PATH, _Endpoint(service, manager), methods=["POST"])  # type: ignore[arg-type]

    @app.get("/healthz")
    async def is_alive() -> Response:
        return answer({"status": "ok"})

    add_error_handlers(app)
    app.add_middleware(
        Guard,
        counts=counts,
        body_bytes=MAX_BODY_BYTES,
        loopback_only=service.stores.keys is None,
    )
    async with manager.run():
        yield app


async def serve_http(
    service: Service,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    ready: Callable[[int], None],
    stop: asyncio.Event,
    hurry: asyncio.Event,
) -> None:
    """Serve until an event is set, then answer the requests that are under way.

    Args:
        service: The server's settings.
        host: The address to listen on.
        port: The port to listen on; 0 for any free port.
        tls: The context to listen with; None for no TLS.
        ready: Is called with the port when the server listens.
        stop: Ends the server.
        hurry: Ends it at once.

    Raises:
        EventStoreError: The server cannot listen on the address.
    """
    async with mcp_app(service) as app:
        server = Server(configuration(app, host, port, tls), ready)

        async def end() -> None:
            await stop.wait()
            server.should_exit = True
            await hurry.wait()
            server.force_exit = True

        ending = asyncio.create_task(end())
        try:
            await server.serve()
        finally:
            ending.cancel()
