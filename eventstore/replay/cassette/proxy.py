"""A transparent proxy for one Realtime connection: handshake, frames and close as they are."""

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

#: Told each frame's direction and text before it is passed on.
OnFrame = Callable[[str, str | bytes], None]

#: Seconds for the other side to answer a close frame.
CLOSE_TIMEOUT = 2.0
#: Bytes that a message may have, as for the relay.
MAX_MESSAGE = 64 * 1024 * 1024

_ROOT = "/v1"
_NORMAL, _NO_CODE, _CUT_OFF = 1000, 1005, 1006
# Headers that belong to one connection alone (RFC 9110, 7.6.1), and those that are made anew.
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
        by: who closed it, client or server.
        code, reason: of its close frame; 1006 where it was cut off without one.
    """

    by: str
    code: int
    reason: str

    @property
    def cut_off(self) -> bool:
        """Whether the server went away without a word."""
        return self.by == SERVER and self.code == _CUT_OFF


def upstream_url(base: str, target: str) -> str:
    """Where a request goes that came for a target such as `/v1/realtime?model=gpt-realtime`.

    Args:
        base: what stands for `/v1`, such as `wss://api.openai.com/v1`.

    Raises:
        InvalidInputError: the base is no websocket's address.
    """
    there, asked = split_upstream(base), urlsplit(target)
    path = there.path.rstrip("/") + asked.path.removeprefix(_ROOT)
    query = "&".join(filter(None, (there.query, asked.query)))
    return urlunsplit((there.scheme, there.netloc, path, query, ""))


def trusting_upstream(base: str) -> ssl.SSLContext | None:
    """Whom to trust for an upstream, by the environment as it is now; None where it has no TLS."""
    return ssl.create_default_context() if split_upstream(base).scheme == "wss" else None


async def connect_upstream(
    base: str, request: Request, tls: ssl.SSLContext | None
) -> ClientConnection | Response:
    """Ask the real server for what a client asked for.

    Args:
        tls: see `trusting_upstream`.

    Returns:
        The connection; where it was refused, the answer to refuse the client with.
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
    """Headers without those of this hop."""
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
    """Pass frames both ways until one side closes, and close the other as it did.

    Raises:
        Exception: what `on_frame` raised; both connections are cut off then.
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
            # Where the target is gone, its own pump ends, behind the last that it had sent.
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
