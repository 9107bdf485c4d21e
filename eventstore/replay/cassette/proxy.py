"""Pass one Realtime connection on to the real server: handshake, frames and close, unchanged.

Called by cassette_server.py when a cassette is recorded.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.realtime.upstream_urls import public_url, split_upstream
from eventstore.replay.serving.handshake import refusal, response

#: Called with each frame's direction and text before the frame is passed on.
OnFrame = Callable[[str, str | bytes], None]

#: How long the other side may take to answer a close frame, in seconds.
CLOSE_TIMEOUT = 2.0
#: The largest message, in bytes; the same limit as the relay's.
MAX_MESSAGE = 64 * 1024 * 1024

_ROOT = "/v1"
_NORMAL, _NO_CODE, _CUT_OFF = 1000, 1005, 1006
# Headers that belong to one connection alone (RFC 9110, section 7.6.1), and headers that the new
# connection makes itself.
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("proxy-connection", "trailer", "transfer-encoding", "upgrade"),
        *("host", "content-length"),
    }
)


class ConnectionEnd(NamedTuple):
    """How a connection ended.

    Attributes:
        by: Who closed it: `client` or `server`.
        code, reason: The close frame's code and reason; 1006 if there was no close frame.
    """

    by: str
    code: int
    reason: str

    @property
    def cut_off(self) -> bool:
        """Return True if the server ended the connection without a close frame."""
        return self.by == SERVER and self.code == _CUT_OFF


def upstream_url(base: str, target: str) -> str:
    """Return the real server's URL for the target of a client's request.

    Example: the base `wss://api.openai.com/v1` and the target `/v1/realtime?model=gpt-realtime`
    give `wss://api.openai.com/v1/realtime?model=gpt-realtime`.

    Args:
        base: The URL that replaces `/v1`.
        target: The path and query of the request.

    Raises:
        InvalidInputError: The base is not the URL of a websocket.
    """
    there, asked = split_upstream(base), urlsplit(target)
    path = there.path.rstrip("/") + asked.path.removeprefix(_ROOT)
    query = "&".join(filter(None, (there.query, asked.query)))
    return urlunsplit((there.scheme, there.netloc, path, query, ""))


def trusting_upstream(base: str) -> ssl.SSLContext | None:
    """Return the TLS context for an upstream, by the environment as it is now; None without TLS."""
    return ssl.create_default_context() if split_upstream(base).scheme == "wss" else None


async def connect_upstream(
    base: str, request: Request, tls: ssl.SSLContext | None
) -> ClientConnection | Response:
    """Connect to the real server with a client's request.

    Args:
        base: The URL that replaces `/v1`.
        request: The client's handshake.
        tls: The context that `trusting_upstream` returned.

    Returns:
        The connection, or the response with which the client is to be refused.
    """
    offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
    subprotocols = [Subprotocol(name.strip()) for name in offered.split(",") if name.strip()]
    try:
        return await connect(
            upstream_url(base, request.path),
            additional_headers=_passed_on(request.headers),
            subprotocols=subprotocols or None,
            user_agent_header=None,
            compression=None,
            max_size=MAX_MESSAGE,
            close_timeout=CLOSE_TIMEOUT,
            ssl=tls,
        )
    except InvalidStatus as error:
        refused = error.response
        headers = _passed_on(refused.headers)
        return response(refused.status_code, refused.reason_phrase, headers, bytes(refused.body))
    except (OSError, ValueError, WebSocketException, InvalidInputError) as error:
        status, why = HTTPStatus.BAD_GATEWAY, type(error).__name__
        return refusal(status, f"cannot connect to {public_url(base)}: {error or why}")


def _passed_on(headers: Headers) -> Headers:
    """Return the headers to pass on: without those that belong to one connection alone."""
    named = ",".join(headers.get_all("Connection")).lower()
    left_out = {*_HOP_BY_HOP, *(name.strip() for name in named.split(","))}
    return Headers(
        (name, value)
        for name, value in headers.raw_items()
        if name.lower() not in left_out and not name.lower().startswith("sec-websocket-")
    )


async def pass_on(
    client: ServerConnection, upstream: ClientConnection, on_frame: OnFrame
) -> ConnectionEnd:
    """Pass frames both ways until one side closes, and close the other side in the same way.

    Args:
        on_frame: Called with each frame. If it raises, both connections are cut off, and the
            exception is raised here.
    """
    pumps: dict[Connection, asyncio.Task[None]] = {
        client: asyncio.create_task(_pump(client, upstream, CLIENT, on_frame)),
        upstream: asyncio.create_task(_pump(upstream, client, SERVER, on_frame)),
    }
    try:
        ended, _ = await asyncio.wait(pumps.values(), return_when=asyncio.FIRST_COMPLETED)
        for pump in ended:
            pump.result()
        if pumps[client] in ended:
            return await _close(client, upstream, CLIENT)
        return await _close(upstream, client, SERVER)
    finally:
        for connection, pump in pumps.items():
            pump.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await pump
            connection.transport.abort()


async def _pump(source: Connection, target: Connection, direction: str, on_frame: OnFrame) -> None:
    with suppress(ConnectionClosed):
        async for frame in source:
            on_frame(direction, frame)
            # If the target is gone, frames that it sent before may still be unread. The pump in
            # the other direction ends after the last of them.
            with suppress(ConnectionClosed):
                await target.send(frame)


async def _close(closed: Connection, other: Connection, by: str) -> ConnectionEnd:
    code, reason = closed.close_code or _CUT_OFF, closed.close_reason or ""
    if code == _CUT_OFF:
        other.transport.abort()
        return ConnectionEnd(by, code, reason)
    code = _NORMAL if code == _NO_CODE else code
    await other.close(code, reason)
    return ConnectionEnd(by, code, reason)
