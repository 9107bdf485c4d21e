"""The relay's HTTP: read a client's request, and write it for the upstream. Pure.

`relay_connection.py` calls it for each connection, and `relay_calls.py` for calls that are created.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import h11

from eventstore.capture.messages.message_unpacking import Compression
from eventstore.capture.relay.relay_metadata import is_metadata_header
from eventstore.realtime.request_target import read_target, without_prefix
from eventstore.realtime.upstream_urls import PUBLIC_PARAMETERS, bad_upstream, split_upstream

#: A header's name, spelled as in the request, and its value.
Header = tuple[bytes, bytes]

#: The paths at which sessions of GPT-Live are created, or forked, over WebRTC.
_LIVE_CREATION = re.compile(r".*/live/sessions(/[^/]+/fork)?/?")
_EXAMPLE_URL = "wss://api.openai.com"
_DEFAULT_PORTS = {False: 80, True: 443}
_HEAD_LIMIT = 64 * 1024
_ANSWER_LIMIT = 256 * 1024
# Parts of an answer that are read: interim answers and chunks of a body may never end.
_MOST_ANSWER_PARTS = 1000
# Headers for the next hop alone (RFC 9110, 7.6.1). Bodies are passed on unchanged, so
# Transfer-Encoding is too.
_HOP_BY_HOP = frozenset(
    {b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"upgrade"}
)
_REPLACED = frozenset({b"host", b"connection"})
# Offers of other extensions are left out, because the relay could not read the frames that they
# change.
_DEFLATE = b"permessage-deflate"


class Upstream(NamedTuple):
    """The server behind the relay.

    Attributes:
        tls: Whether it is connected to by TLS.
        host, port: Where to connect.
        authority: The value of its Host header.
        path: Is put before a request's path; without a slash at its end.
        query: Is put before a request's query.
        authorization: The header for requests that have none, from user and password in the URL.
    """

    tls: bool
    host: str
    port: int
    authority: str
    path: str
    query: str
    authorization: bytes | None

    @property
    def shown(self) -> str:
        """Return the upstream's URL without what may be secret."""
        return f"{'wss' if self.tls else 'ws'}://{self.authority}{self.path}"

    @property
    def has_credentials(self) -> bool:
        """Return True if its URL holds what may be a key; each request carries it then."""
        names = (name.lower() for name, _ in parse_qsl(self.query, keep_blank_values=True))
        return self.authorization is not None or any(
            name not in PUBLIC_PARAMETERS for name in names
        )


class HttpRequest(NamedTuple):
    """The head of a client's request; the names of headers are spelled as they were sent."""

    method: str
    target: str
    version: str
    headers: list[Header]

    @property
    def is_websocket(self) -> bool:
        """Return True if it asks for a websocket (RFC 6455, 4.1)."""
        return (
            self.method == "GET"
            and b"websocket" in _list_values(self.headers, b"upgrade")
            and b"upgrade" in _list_values(self.headers, b"connection")
        )

    @property
    def creates_call(self) -> bool:
        """Return True if it asks for a call over WebRTC."""
        path = self.target.partition("?")[0]
        is_call = path.rstrip("/").endswith("/realtime/calls")
        return self.method == "POST" and (is_call or self.creates_live_session)

    @property
    def creates_live_session(self) -> bool:
        """Return True if it asks for a session of GPT-Live over WebRTC."""
        path = self.target.partition("?")[0]
        return self.method == "POST" and _LIVE_CREATION.fullmatch(path) is not None


class BadRequestError(Exception):
    """A request that cannot be passed on; `status` is the HTTP status to answer with."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def parse_upstream(url: str) -> Upstream:
    """Return the server of a URL such as `wss://api.openai.com`.

    Raises:
        InvalidInputError: If it is not such a URL.
    """
    parts = split_upstream(url, _EXAMPLE_URL)
    # The URL is written into the heads of requests, so it must hold no line ends.
    if not parts.hostname or not all("!" <= character <= "~" for character in url):
        raise bad_upstream(url, _EXAMPLE_URL)
    tls = parts.scheme == "wss"
    authority = parts.netloc.rpartition("@")[2]
    user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    basic = b"Basic " + b64encode(user.encode()) if "@" in parts.netloc else None
    path = parts.path.rstrip("/")
    at = parts.hostname, parts.port or _DEFAULT_PORTS[tls]
    return Upstream(tls, *at, authority, path, parts.query, basic)


class RequestReader:
    """Reads the head of the first request that a client sends.

    Attributes:
        rest: The bytes that came behind the head.
    """

    def __init__(self) -> None:
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
        self.rest = b""

    def feed(self, data: bytes) -> HttpRequest | None:
        """Take the next bytes; return the request once its head is whole, else None.

        Raises:
            BadRequestError: If it is not HTTP, or too long.
        """
        try:
            self._parser.receive_data(data)
            event = self._parser.next_event()
        except h11.RemoteProtocolError as error:
            raise BadRequestError(error.error_status_hint, str(error)) from error
        if not isinstance(event, h11.Request):
            return None
        self.rest = self._parser.trailing_data[0]
        target = event.target.decode()
        if not target.startswith("/") and "://" in target:  # the form for proxies (RFC 9112, 3.2.2)
            target = "/" + target.partition("://")[2].partition("/")[2]
        if not target.startswith("/"):
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "the request's target is no path")
        headers = [(bytes(name), bytes(value)) for name, value in event.headers.raw_items()]
        return HttpRequest(event.method.decode(), target, event.http_version.decode(), headers)


class AnswerReader:
    """Reads a copy of an upstream's answer to a handshake.

    Args:
        keeps_body: Keep the answer's body, unless it is very long.

    Attributes:
        status: The answer's status, or None until its head is whole.
        headers: The answer's headers, names in lower case.
        body: What came of the body, if it is kept.
        ended: Whether all of the answer has come, including its body.
        rest: The bytes that came behind a 101.
    """

    def __init__(self, keeps_body: bool = False) -> None:
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_ANSWER_LIMIT)
        asked = [("Host", "upstream"), ("Connection", "Upgrade"), ("Upgrade", "websocket")]
        self._parser.send(h11.Request(method="GET", target="/", headers=asked))
        self._parser.send(h11.EndOfMessage())
        self._bytes = self._parts = 0
        self.status: int | None = None
        self.headers: list[Header] = []
        self.ended = False
        self.rest = b""
        self.body = b""
        self._keeps_body = keeps_body
        self._broken = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes. If a body is not HTTP, or very long, `ended` stays False.

        Raises:
            ValueError: If the head is not HTTP, or too long.
        """
        if self._broken:
            return
        self._bytes += len(data)
        try:
            self._parser.receive_data(data)
            while not self.ended:
                event = self._parser.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    break
                self._take(event)
                self._parts += 1
                if self._parts > _MOST_ANSWER_PARTS:
                    raise h11.RemoteProtocolError("the answer has too many parts")
            if self.status is None and self._bytes > _ANSWER_LIMIT:
                raise h11.RemoteProtocolError("the answer's head is too long")
        except h11.RemoteProtocolError as error:
            self._broken = True
            if self.status is None:
                raise ValueError(str(error)) from error

    def _take(self, event: h11.Event | type) -> None:
        if isinstance(event, h11.InformationalResponse) and event.status_code != 101:
            return
        if isinstance(event, h11.Response | h11.InformationalResponse):
            self.status, self.headers = event.status_code, list(event.headers)
        if isinstance(event, h11.Data) and self._keeps_body:
            self.body += event.data
            if len(self.body) > _ANSWER_LIMIT:
                self._keeps_body, self.body = False, b""
        if isinstance(event, h11.InformationalResponse):
            self.rest = self._parser.trailing_data[0]
            self.ended = True
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            self.ended = True


def upstream_target(upstream: Upstream, request: HttpRequest) -> str:
    """Return the path and query to request from the upstream.

    If the upstream's path ends as the request's path begins (`/openai/v1` and `/v1/realtime`), that
    part is written once. Metadata are removed from the path. They are removed from the query of a
    websocket and of a request that creates a call; the query of another request may mean something
    to the upstream.
    """
    path, _, query = request.target.partition("?")
    path = without_prefix(path)
    if request.is_websocket or request.creates_call:
        query = read_target(request.target).query
    query = "&".join(filter(None, (upstream.query, query)))
    path = _join_paths(upstream.path, path)
    return f"{path}?{query}" if query else path


def _join_paths(base: str, path: str) -> str:
    ours, theirs = base.split("/")[1:], path.split("/")[1:]
    for length in range(min(len(ours), len(theirs)), 0, -1):
        if ours[-length:] == theirs[:length]:
            return "".join(f"/{segment}" for segment in ours + theirs[length:])
    return base + path


def request_head(upstream: Upstream, request: HttpRequest) -> bytes:
    """Return the head of the request for the upstream."""
    target = upstream_target(upstream, request)
    lines = [f"{request.method} {target} HTTP/{request.version}".encode()]
    lines += (b": ".join(header) for header in _forwarded_headers(upstream, request))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _forwarded_headers(upstream: Upstream, request: HttpRequest) -> Iterator[Header]:
    websocket = request.is_websocket
    replaced = {
        b"host": upstream.authority.encode(),
        b"connection": b"Upgrade" if websocket else b"close",
    }
    dropped = _HOP_BY_HOP | _list_values(request.headers, b"connection")
    if request.creates_live_session:
        dropped |= {b"accept-encoding"}  # the relay reads the session's id from the answer's body
    if websocket:
        dropped -= {b"upgrade"}
    for name, value in request.headers:
        lowered = name.lower()
        if lowered in _REPLACED:
            if lowered in replaced:
                yield name, replaced.pop(lowered)
        elif lowered == b"sec-websocket-extensions":
            offers = [offer for offer in value.split(b",") if _extension(offer) == _DEFLATE]
            if offers:
                yield name, b",".join(offers).strip()
        elif lowered not in dropped and not is_metadata_header(name):
            yield name, value
    yield from ((name.title(), value) for name, value in replaced.items())
    if upstream.authorization and not header(request.headers, b"authorization"):
        yield b"Authorization", upstream.authorization


def compression(answer: Iterable[Header]) -> Compression:
    """Return what an answer agrees on about permessage-deflate (RFC 7692)."""
    for piece in (header(answer, b"sec-websocket-extensions") or "").encode().split(b","):
        if _extension(piece) == _DEFLATE:
            options = {option.strip().lower() for option in piece.split(b";")[1:]}
            return Compression(
                True,
                b"client_no_context_takeover" not in options,
                b"server_no_context_takeover" not in options,
            )
    return Compression()


def _extension(offer: bytes) -> bytes:
    return offer.partition(b";")[0].strip().lower()


def header(headers: Iterable[Header], name: bytes) -> str | None:
    """Return the values of a header, joined by commas, or None if there is none.

    Args:
        name: The header's name in lower case.
    """
    values = [value for key, value in headers if key.lower() == name]
    return b", ".join(values).decode("latin-1") if values else None


def _list_values(headers: Iterable[Header], name: bytes) -> frozenset[bytes]:
    value = header(headers, name) or ""
    return frozenset(option.strip().lower().encode("latin-1") for option in value.split(","))


def answer(status: int, body: bytes, content_type: str = "application/json") -> bytes:
    """Return a whole answer, after which the connection is closed."""
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def refusal(status: int, message: str) -> bytes:
    """Return an answer that says what went wrong, in the shape of OpenAI's errors."""
    kind = "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": None}
    return answer(status, json.dumps({"error": error}).encode())
