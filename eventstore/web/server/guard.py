"""The middleware around every route: it limits bodies, refuses other hosts, sets headers and logs.

Added to the application by `web/app.py`, and to that of webhooks by `web/api/webhooks.py`.
"""

from __future__ import annotations

import time
from collections.abc import Hashable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventstore.common.hosts import Visitors
from eventstore.errors import EventStoreError
from eventstore.realtime.values import dumps
from eventstore.web.server.bodies import BodyMemory
from eventstore.web.server.errors import PRIVATE, failure
from eventstore.web.server.health import ResponseCounts
from eventstore.web.server.log import LOGGER, note_fault
from eventstore.web.server.paths import routable
from eventstore.web.server.requests import asker_of

_THIS_MACHINE = Visitors("localhost")
# The status in the log if a client disconnected before it had sent its whole request, as in nginx.
_GONE = 499

#: Security headers of every response. They keep browsers from showing a response in a frame, from
#: guessing its media type and from running scripts in it; and caches from storing it.
RESPONSE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-store",
}


class TooLargeError(Exception):
    """The body of a request has more bytes than the server takes."""


class _Body:
    """Counts the bytes of one request's body that are in memory.

    Args:
        bodies: The count for all requests.
        most: How many bytes the body may have.
    """

    def __init__(self, bodies: BodyMemory, most: int) -> None:
        self._bodies, self._most = bodies, most
        self._who: Hashable = None
        self._size = 0

    def grow(self, asker: Hashable, size: int) -> None:
        """Count bytes that have arrived.

        Raises:
            TooLargeError: The body is larger than a body may be.
            BusyError: The asker's requests hold too many bytes together.
        """
        if self._size + size > self._most:
            raise TooLargeError
        self._bodies.take(asker, size)
        self._who, self._size = asker, self._size + size

    def give_back(self) -> None:
        """Release the body's bytes, when the request has been answered."""
        self._bodies.give_back(self._who, self._size)


class Guard:
    """The ASGI middleware around an application.

    Args:
        app: The application.
        counts: Counts the responses, for metrics.
        body_bytes: How many bytes the body of a request may have.
        loopback_only: Accept requests only from programs and pages of this machine, because no
            API key is needed. A page of another host could otherwise send requests by the user's
            browser.
        open_path: A path that accepts requests from anywhere, because its route checks a
            signature; None if there is no such path.
    """

    def __init__(
        self,
        app: ASGIApp,
        counts: ResponseCounts,
        body_bytes: int,
        loopback_only: bool,
        open_path: str | None = None,
    ) -> None:
        self._app, self._counts, self._open_path = app, counts, open_path
        self._most, self._loopback_only = body_bytes, loopback_only
        self._bodies = BodyMemory(body_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or refuse it; log it in both cases."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = routable(scope)
        started, status, begun = time.monotonic(), 500, False
        headers, body = Headers(scope=scope), _Body(self._bodies, self._most)
        is_open = scope["path"] == self._open_path

        async def limited() -> Message:
            message = await receive()
            if message.get("body"):
                asker = self._open_path if is_open else asker_of(Request(scope))
                body.grow(asker, len(message["body"]))
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                headers_sent = MutableHeaders(scope=message)
                for name, value in RESPONSE_HEADERS.items():
                    headers_sent.setdefault(name, value)
            await send(message)

        try:
            refused = self._refusal(headers, is_open)
            if refused is not None:
                await failure(Request(scope), *refused)(scope, receive, send_with_headers)
                return
            await self._app(scope, limited, send_with_headers)
        except TooLargeError:
            message = f"the body has more than {self._most:,} bytes"
            await failure(Request(scope), 413, message, "too_large")(
                scope, receive, send_with_headers
            )
        except ClientDisconnect:
            status = _GONE
        except Exception as error:
            # The error is not raised again: uvicorn would log its message, which may hold content.
            _note_unforeseen(error, begun)
            if not begun:
                answer = failure(Request(scope), 500, PRIVATE[500], "server_error")
                await answer(scope, receive, send_with_headers)
        finally:
            body.give_back()
            self._note(scope, status, time.monotonic() - started)

    def _refusal(self, headers: Headers, is_open: bool) -> tuple[int, str, str] | None:
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > self._most:
            return 413, f"the body has more than {self._most:,} bytes", "too_large"
        if is_open or not self._loopback_only:
            return None
        # A link on another site's page may lead here, because only the user sees the response.
        is_followed = headers.get("sec-fetch-dest") == "document"
        site = None if is_followed else headers.get("sec-fetch-site")
        origin = ", ".join(headers.getlist("origin")) if "origin" in headers else None
        if _THIS_MACHINE.refusal(headers.get("host", ""), origin, site) is not None:
            return 403, "without API keys, only this machine's own may ask", "other_host"
        return None

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._counts.add(method, route, status, seconds)
        line = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
        key = scope.get("state", {}).get("key_name")
        LOGGER.info(dumps(line if key is None else {**line, "key": key}))


def _note_unforeseen(error: Exception, begun: bool) -> None:
    """Log a fault, unless an error of the store ended a response that had begun.

    Such an error is expected: a session may be erased while it is sent.
    """
    if not (begun and isinstance(error.__cause__, EventStoreError)):
        note_fault("a request", error)


_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})
