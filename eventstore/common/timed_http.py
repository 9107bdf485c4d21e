"""Speak HTTP with a server that may be slow or hostile: all steps share one limit of time.

A limit of time for each read, which sockets have, is none for a server that answers byte by byte.
Here each step gets a deadline, a point of the monotonic clock, and what is read has a limit of
size. Called by feed/webhooks/post.py and exports/otel/collector_connection.py.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from http.client import HTTPException, HTTPResponse
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple, cast

_PIECE = 65_536
#: How much of an answer is read: its head and its body.
_MOST_HEAD, MOST_BODY = 65_536, 65_536


class Answer(NamedTuple):
    """An answer of HTTP.

    Attributes:
        status, reason: Those of its first line.
        headers: Its headers, by names in lower case; of a repeated one, the last value.
        body: Its body, up to `MOST_BODY` bytes, without what transfers it.
        is_whole: True if all of it was read, and the connection may be used again.
    """

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes
    is_whole: bool


def seconds_left(deadline: float) -> float:
    """Return how many seconds are left.

    Raises:
        TimeoutError: None are.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def look_up(host: str, port: int, deadline: float) -> list[str]:
    """Return the addresses that a host's name leads to.

    Raises:
        OSError, UnicodeError: It leads nowhere, or is no name.
        TimeoutError: It was not found in time.
    """
    found: SimpleQueue[list[str] | Exception] = SimpleQueue()
    # The system's look-up has no limit that can be set. A thread that is left alone with it ends
    # with the system's own, after half a minute or so.
    Thread(target=_look_up, args=(host, port, found), name="look-up", daemon=True).start()
    try:
        addresses = found.get(timeout=seconds_left(deadline))
    except Empty:
        raise TimeoutError from None
    if isinstance(addresses, Exception):
        raise addresses
    return addresses


def _look_up(host: str, port: int, found: SimpleQueue[list[str] | Exception]) -> None:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.put(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))
    except Exception as error:
        found.put(error)


def connect(addresses: list[str], port: int, deadline: float) -> socket.socket:
    """Connect to the first address that answers; each gets its part of the time.

    Raises:
        OSError: None of them answers.
        TimeoutError: None of them answers in time.
    """
    failed: OSError = TimeoutError()
    for number, address in enumerate(addresses):
        seconds = seconds_left(deadline) / (len(addresses) - number)
        try:
            return socket.create_connection((address, port), seconds)
        except OSError as error:
            failed = error
    raise failed


def secure(
    connection: socket.socket, context: ssl.SSLContext, host: str, deadline: float
) -> ssl.SSLSocket:
    """Return a connection with TLS, or close it.

    Args:
        host: The name that the server's certificate must be for.

    Raises:
        OSError: The server speaks no TLS, or its certificate is not trusted.
        TimeoutError: It was not done in time.
    """
    try:
        connection.settimeout(seconds_left(deadline))
        return context.wrap_socket(connection, server_hostname=host)
    except BaseException:
        connection.close()
        raise


def send(connection: socket.socket, data: bytes, deadline: float) -> None:
    """Send all of these bytes.

    Raises:
        OSError: The server takes no more.
        TimeoutError: It did not take them in time.
    """
    left = memoryview(data)
    while left:
        connection.settimeout(seconds_left(deadline))
        left = left[connection.send(left[:_PIECE]) :]


def read_answer(connection: socket.socket, method: str, deadline: float) -> Answer:
    """Read the answer to a request, and no more of its body than `MOST_BODY` bytes.

    The status counts, whatever becomes of the body: a body that ends too early, or that does not
    come in time, is empty.

    Args:
        method: The request's method. An answer to CONNECT has no body.

    Raises:
        HTTPException, ValueError: It is no answer of HTTP, or its head is too long.
        OSError: The connection ended.
        TimeoutError: It did not come in time.
    """
    reader = io.BufferedReader(_TimedReader(connection, deadline))
    response = HTTPResponse(cast(socket.socket, _Readable(reader)), method=method)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        body = b"" if method == "CONNECT" else response.read(MOST_BODY)
    except (OSError, HTTPException, ValueError):
        return Answer(response.status, response.reason, headers, b"", False)
    is_whole = response.isclosed() and not response.will_close
    return Answer(response.status, response.reason, headers, body, is_whole)


class _Readable(NamedTuple):
    """What `http.client` needs of a socket."""

    reader: io.BufferedIOBase

    def makefile(self, _mode: str) -> io.BufferedIOBase:
        return self.reader


class _TimedReader(io.RawIOBase):
    """Reads a connection until a deadline, and as much as one answer may have."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline
        self._left = _MOST_HEAD + MOST_BODY

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        if self._left <= 0:
            raise HTTPException("it is too long")
        piece = memoryview(buffer)[: self._left]  # type: ignore[arg-type]
        self._connection.settimeout(seconds_left(self._deadline))
        got = self._connection.recv_into(piece)
        self._left -= got
        return got
