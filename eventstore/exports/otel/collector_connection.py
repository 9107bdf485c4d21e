"""Carry the requests of OpenTelemetry's exporter to a collector, each within one limit of time.

The exporter sends by `requests`, whose limit of time is one for each read. A collector that answers
byte by byte, or whose answer has no end, would hold whoever sends. So the session of requests that
the exporter gets has this adapter, which sends by common/timed_http.py. What `requests` reads of
the environment (proxies, authorities) and of the URL (user and password) goes on to count. Called
by collector_answers.py.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from select import select
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_auth_from_url, select_proxy

from eventstore.common import timed_http

_PORTS = {"http": 80, "https": 443}
#: The limit if the exporter names none, in seconds.
_TIMEOUT = 10.0


class ExchangeError(requests.ConnectionError):
    """The server was there, but did not answer: what was sent may be the reason."""


class TimedAdapter(BaseAdapter):
    """Sends requests over one connection, which is kept while both sides want that."""

    def __init__(self) -> None:
        super().__init__()
        self._connection: socket.socket | None = None
        self._to: tuple[object, ...] = ()
        self._is_closed = False

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send a request, and return its answer, with the beginning of its body.

        Raises:
            requests.ConnectionError: There was no answer; the message says why in a few words,
                without the URL.
        """
        seconds = timeout if isinstance(timeout, int | float) else _TIMEOUT
        deadline = time.monotonic() + seconds
        url, is_connected, is_whole = request.url or "", False, False
        try:
            proxy = select_proxy(url, proxies)
            data = _data(request, proxy)
            connection, is_kept = self._connected(url, proxy, deadline, verify, cert)
            is_connected = True
            try:
                answer = _exchange(connection, data, deadline)
            except (OSError, HTTPException) as error:
                if not is_kept or isinstance(error, TimeoutError):
                    raise
                # The collector may have ended the connection at this moment.
                self._drop()
                connection, _ = self._connected(url, proxy, deadline, verify, cert)
                answer = _exchange(connection, data, deadline)
            is_whole = answer.is_whole
        except (OSError, HTTPException, ValueError) as error:
            kind = ExchangeError if is_connected else requests.ConnectionError
            raise kind(words_of(error)) from error
        finally:
            if not is_whole:
                self._drop()
        response = requests.Response()
        response.status_code, response.reason = answer.status, answer.reason
        response.headers = CaseInsensitiveDict(answer.headers)
        response.url, response.request = request.url or "", request
        response.raw = io.BytesIO(answer.body)
        return response

    def close(self) -> None:
        """End what is sent at this moment; any thread may call it. Nothing can be sent any more."""
        self._is_closed = True
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                # The method of a connection with TLS would disturb who reads it at this moment.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _connected(
        self,
        url: str,
        proxy: str | None,
        deadline: float,
        verify: bool | str,
        cert: str | tuple[str, str] | None,
    ) -> tuple[socket.socket, bool]:
        """Return the connection that is kept, if it is still open, or else a new one.

        Returns:
            The connection, and True if it was kept.
        """
        parts = urlsplit(url)
        to = parts.scheme, parts.netloc, proxy, verify, cert
        kept = self._connection
        # What is to be read before anything was asked is the end of the connection.
        if kept is not None and (to != self._to or select([kept], [], [], 0)[0]):
            self._drop()
        is_kept = self._connection is not None
        if self._connection is None:
            made = _connect(parts, proxy, deadline)
            if parts.scheme == "https":
                made = timed_http.secure(made, _tls(verify, cert), parts.hostname or "", deadline)
            self._connection, self._to = made, to
        if self._is_closed:
            raise OSError("closed")
        return self._connection, is_kept

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def words_of(error: Exception) -> str:
    """Return why there was no answer, in a few words without secrets."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, socket.gaierror | UnicodeError):
        return "there is no host of this name"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "it speaks no TLS"
    if isinstance(error, HTTPException | ValueError):
        return "what it answers is not HTTP"
    return getattr(error, "strerror", None) or str(error) or "the connection ended"


def _exchange(connection: socket.socket, data: bytes, deadline: float) -> timed_http.Answer:
    try:
        timed_http.send(connection, data, deadline)
    except TimeoutError:
        raise
    except OSError as error:
        # A collector may refuse what is too large before it has all of it.
        with suppress(OSError, HTTPException, ValueError):
            return timed_http.read_answer(connection, "POST", deadline)
        raise error
    return timed_http.read_answer(connection, "POST", deadline)


def _connect(parts: SplitResult, proxy: str | None, deadline: float) -> socket.socket:
    """Return a connection to a server, or to one end of a proxy's tunnel to it.

    Raises:
        OSError: There is none.
    """
    if proxy is None:
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        return timed_http.connect(timed_http.look_up(host, port, deadline), port, deadline)
    through = _proxy(proxy)
    host, port = through.hostname or "", through.port or _PORTS["http"]
    connection = timed_http.connect(timed_http.look_up(host, port, deadline), port, deadline)
    try:
        if parts.scheme == "https":
            _tunnel(connection, parts, proxy, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def _proxy(proxy: str) -> SplitResult:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme != "http" or not parts.hostname:
        raise OSError("only proxies of http:// are used")
    return parts


def _tunnel(connection: socket.socket, parts: SplitResult, proxy: str, deadline: float) -> None:
    to = f"{_bracketed(parts.hostname or '')}:{parts.port or _PORTS['https']}"
    lines = [f"CONNECT {to} HTTP/1.1", f"Host: {to}", *_proxy_authorization(proxy)]
    timed_http.send(connection, _encoded(lines), deadline)
    answer = timed_http.read_answer(connection, "CONNECT", deadline)
    if answer.status != 200:
        raise OSError(f"the proxy answers {answer.status}")


def _data(request: requests.PreparedRequest, proxy: str | None) -> bytes:
    """Return what is sent: a request's head and its body. A proxy of HTTP gets the whole URL."""
    parts = urlsplit(request.url or "")
    place = _bracketed(parts.hostname or "")
    host, path = place if parts.port is None else f"{place}:{parts.port}", request.path_url
    through = proxy if parts.scheme == "http" else None
    if through is not None:
        path = f"http://{host}{path}"
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {host}"]
    for name, value in request.headers.items():
        lines.append(f"{name}: {value if isinstance(value, str) else value.decode('latin-1')}")
    if through is not None:
        lines += _proxy_authorization(through)
    # The exporter sends bytes alone, and nothing for no spans.
    return _encoded(lines) + (request.body if isinstance(request.body, bytes) else b"")


def _encoded(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _proxy_authorization(proxy: str) -> list[str]:
    user, password = get_auth_from_url(proxy)
    if not user:
        return []
    request = requests.PreparedRequest()
    request.headers = CaseInsensitiveDict()
    requests.auth.HTTPProxyAuth(user, password)(request)
    [(name, value)] = request.headers.items()
    return [f"{name}: {value if isinstance(value, str) else value.decode('latin-1')}"]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@lru_cache(maxsize=4)
def _tls(verify: bool | str, cert: str | tuple[str, str] | None) -> ssl.SSLContext:
    """Return the context for a server's certificate, and for one's own.

    Args:
        verify: A file or folder of authorities; True for those that `requests` trusts.
        cert: The file of one's own certificate, or that and the file of its key.
    """
    place = DEFAULT_CA_BUNDLE_PATH if verify is True else verify or None
    if place is not None and Path(place).is_dir():
        context = ssl.create_default_context(capath=place)
    else:
        context = ssl.create_default_context(cafile=place)
    if verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    return context
