"""Handshakes: the key that came with one, the subprotocol, refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.typing import Subprotocol

from eventstore.errors import EventStoreError

_REALTIME = Subprotocol("realtime")
#: Headers that tell by whom a listener is asked: see `Visitors.refusal`.
ASKED_BY = ("Host", "Origin", "Sec-Fetch-Site")
#: How browsers send a key, whose websockets have no headers of their own.
_KEY_PROTOCOL = "openai-insecure-api-key."


class RefusedError(EventStoreError):
    """A handshake that is refused.

    Attributes:
        status: HTTP's.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


def header(headers: Headers, name: str) -> str | None:
    """The values of a header, which may come more than once, joined; None where there is none."""
    return ", ".join(headers.get_all(name)) if name in headers else None


def asks_for_websocket(headers: Headers) -> bool:
    """Whether a request is for a websocket: gateways also ask servers for their models first."""
    upgrade = header(headers, "Upgrade") or ""
    return upgrade.strip().lower() == "websocket" and "Sec-WebSocket-Key" in headers


def api_key(headers: Headers) -> str | None:
    """The key of a handshake: a bearer's, or a subprotocol's as browsers send it."""
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
    """`realtime` where the client speaks it; keys that come as subprotocols are never sent back."""
    return _REALTIME if _REALTIME in offered else None


def refusal(status: HTTPStatus, message: str) -> Response:
    """A refused handshake, its body in the shape of OpenAI's errors."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    headers = Headers({"Content-Type": "application/json"})
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return response(status, status.phrase, headers, json.dumps({"error": error}).encode())


def response(status: int, phrase: str, headers: Headers, body: bytes) -> Response:
    """An answer with these headers, completed with what ends the connection."""
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(status, phrase, headers, body)
