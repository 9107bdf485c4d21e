"""Read and answer websocket handshakes: API key, subprotocol, refusals.

Used by replay/server/server.py, cassette_server.py, proxy.py and the services of the command line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.typing import Subprotocol

from eventstore.errors import EventStoreError
from eventstore.realtime.request_target import live_target

_REALTIME = Subprotocol("realtime")
#: The methods of HTTP requests that no websocket begins with.
_OTHER_METHODS = ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_WEBSOCKETS_ALONE = (
    "this server answers websockets alone: connect with live.connect(), live.sideband.connect() or"
    " live.forks.connect(), or with realtime.connect()"
)
#: The headers by which `Visitors.refusal` decides who may connect.
ASKED_BY = ("Host", "Origin", "Sec-Fetch-Site")
#: Browsers cannot set headers of a websocket. They send the key as a subprotocol with this prefix.
_KEY_PROTOCOL = "openai-insecure-api-key."


class RefusedError(EventStoreError):
    """Raised to refuse a handshake.

    Attributes:
        status: The HTTP status of the refusal.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def header(headers: Headers, name: str) -> str | None:
    """Return all values of a header, joined by commas, or None if the header is not there."""
    return ", ".join(headers.get_all(name)) if name in headers else None


def asks_for_websocket(headers: Headers) -> bool:
    """Return True if a request asks for a websocket. Some gateways first ask for `/v1/models`."""
    upgrade = header(headers, "Upgrade") or ""
    return upgrade.strip().lower() == "websocket" and "Sec-WebSocket-Key" in headers


def api_key(headers: Headers) -> str | None:
    """Return the API key of a handshake: the bearer token, or a browser's subprotocol."""
    for value in headers.get_all("Authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            return key.strip()
    for value in headers.get_all("Sec-WebSocket-Protocol"):
        for offered in value.split(","):
            if offered.strip().startswith(_KEY_PROTOCOL):
                return offered.strip().removeprefix(_KEY_PROTOCOL)
    return None


def subprotocol(offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the subprotocol to accept: `realtime` if the client offers it.

    A key that came as a subprotocol is never sent back.
    """
    return _REALTIME if _REALTIME in offered else None


def refusal(status: HTTPStatus, message: str) -> Response:
    """Return the response that refuses a handshake, with a body in the form of OpenAI's errors."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    headers = Headers({"Content-Type": "application/json"})
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return response(status, status.phrase, headers, json.dumps({"error": error}).encode())


def refused_http(target: str) -> Response | None:
    """Return the response to a request for an HTTP endpoint of GPT-Live, or None for other paths.

    Args:
        target: The path and query of a request that asks for no websocket.
    """
    if live_target(urlsplit(target).path) is None:
        return None
    return refusal(HTTPStatus.NOT_FOUND, _WEBSOCKETS_ALONE)


def refused_method(head: bytes) -> bytes | None:
    """Return the response to a request that no websocket begins with, such as `POST`, or None.

    Args:
        head: The first bytes of a connection.
    """
    method = head.partition(b" ")[0]
    if method.decode("ascii", "replace") not in _OTHER_METHODS:
        return None
    refused = refusal(HTTPStatus.METHOD_NOT_ALLOWED, _WEBSOCKETS_ALONE)
    refused.headers["Allow"] = "GET"
    if method == b"HEAD":
        refused.body = b""
    return refused.serialize()


def response(status: int, phrase: str, headers: Headers, body: bytes) -> Response:
    """Return an HTTP response that ends the connection; the headers for this are added."""
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(status, phrase, headers, body)
