"""Answers to handshakes: the subprotocol, refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.typing import Subprotocol

_REALTIME = Subprotocol("realtime")


def subprotocol(offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """`realtime` where the client speaks it; keys that come as subprotocols are never sent back."""
    return _REALTIME if _REALTIME in offered else None


def refusal(status: HTTPStatus, message: str) -> Response:
    """A refused handshake, its body in the shape of OpenAI's errors."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    headers = Headers({"Content-Type": "application/json"})
    return response(status, status.phrase, headers, json.dumps({"error": error}).encode())


def response(status: int, phrase: str, headers: Headers, body: bytes) -> Response:
    """An answer with these headers, completed with what ends the connection."""
    headers["Content-Length"] = str(len(body))
    headers["Connection"] = "close"
    return Response(status, phrase, headers, body)
