"""Post a webhook to its destination, which must be a public address unless that is allowed.

The name is looked up for each post, and the connection is made to an address that was checked. So
a name that leads to a private address later, or to two addresses, does not get there. Redirects are
not followed, proxies are not used, and of the answer only the status is read. The whole post has
one time limit, so that a slow name server, or an app that answers byte by byte, holds nothing up.
Called by webhooks.py.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from eventstore.common import timed_http
from eventstore.errors import EventStoreError
from eventstore.feed.webhooks.destination import Destination

#: How long a post may take in all, in seconds.
TIMEOUT = 10.0
_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\n]*)?\r?\n")
_BLANK = re.compile(rb"\r?\n\r?\n")
_MOST_HEAD = 65_536
_GLOBAL = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class PostError(EventStoreError):
    """A webhook was not taken; the message is a word or two, without content."""


def post(to: Destination, headers: Mapping[str, str], body: bytes) -> None:
    """Post a body, and return once the destination has taken it with a status of 2xx.

    Raises:
        PostError: It was not taken, or the address is private.
    """
    deadline = time.monotonic() + TIMEOUT
    try:
        with _connect(to, _addresses(to, deadline), deadline) as connection:
            _send(connection, _head(to, headers, body) + body, deadline)
            status = _read_status(connection, deadline)
    except TimeoutError as error:
        raise PostError("timeout") from error
    except ssl.SSLCertVerificationError as error:
        raise PostError("bad certificate") from error
    except ssl.SSLError as error:
        raise PostError("no TLS") from error
    except (OSError, UnicodeError) as error:
        raise PostError("no connection") from error
    if not 200 <= status < 300:
        raise PostError(f"status {status}")


def _addresses(to: Destination, deadline: float) -> list[str]:
    """Return the addresses of the destination, none of which may be private.

    Raises:
        PostError: The name leads nowhere, or to a private address.
        TimeoutError: It was not found in time.
    """
    try:
        addresses = timed_http.look_up(to.host, to.port, deadline)
    except TimeoutError:
        raise
    except Exception as error:
        raise PostError("unknown host") from error
    if not to.allow_private and not all(map(is_public, addresses)):
        raise PostError("private address")
    return addresses


def is_public(address: str) -> bool:
    """Return True if an address is of the public Internet, also where it stands for an IPv4 one."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        if parsed in _NAT64:
            return is_public(str(IPv4Address(int(parsed) & 0xFFFFFFFF)))
        within = parsed.ipv4_mapped or parsed.sixtofour
        if within is not None:
            return is_public(str(within))
        return parsed in _GLOBAL and parsed.is_global
    return parsed.is_global and not parsed.is_multicast


def _connect(to: Destination, addresses: list[str], deadline: float) -> socket.socket:
    connection = timed_http.connect(addresses, to.port, deadline)
    if to.scheme == "http":
        return connection
    return timed_http.secure(connection, _tls(), to.host, deadline)


@cache
def _tls() -> ssl.SSLContext:
    # To read the certificates takes longer than a post.
    return ssl.create_default_context()


def _head(to: Destination, headers: Mapping[str, str], body: bytes) -> bytes:
    host = f"[{to.host}]" if ":" in to.host else to.host.encode("idna").decode()
    if to.port != (80 if to.scheme == "http" else 443):
        host = f"{host}:{to.port}"
    fixed = {"host": host, "connection": "close", "content-length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in {**fixed, **headers}.items()]
    return "\r\n".join([f"POST {to.path} HTTP/1.1", *lines, "", ""]).encode("ascii")


def _send(connection: socket.socket, request: bytes, deadline: float) -> None:
    """Send a request, as much of it as the app takes.

    An app may answer before it has read a long body, such as with 413, and close the connection.
    What is read then tells the status, or fails in the same way.

    Raises:
        TimeoutError: The app did not take it in time.
    """
    try:
        timed_http.send(connection, request, deadline)
    except TimeoutError:
        raise
    except OSError:
        return


def _read_status(connection: socket.socket, deadline: float) -> int:
    """Return the status of the answer. What comes before it (1xx) is skipped, the rest unread.

    Raises:
        PostError: It is no answer of HTTP/1.
    """
    got = b""
    while True:
        line = _LINE.match(got)
        if line is not None and int(line[1]) >= 200:
            return int(line[1])
        blank = _BLANK.search(got) if line is not None else None
        if blank is not None:
            got = got[blank.end() :]
            continue
        if (line is None and b"\n" in got) or len(got) > _MOST_HEAD:
            raise PostError("no HTTP")
        connection.settimeout(timed_http.seconds_left(deadline))
        piece = connection.recv(4096)
        if not piece:
            raise PostError("no answer")
        got += piece
