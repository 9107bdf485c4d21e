"""Post a webhook to its destination, which must be a public address unless that is allowed.

The name is looked up for each post, and the connection is made to the address that was checked. So
a name that leads to a private address later, or to two addresses, does not get there. Redirects are
not followed, and answers are not read.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from eventstore.brief import brief
from eventstore.errors import InvalidInputError

#: How long a connection, and then an answer, may take, in seconds.
TIMEOUT = 10.0
_PORTS = {"http": 80, "https": 443}


class PostError(Exception):
    """A webhook was not taken; the message is a word or two, without content."""


class Destination(NamedTuple):
    """Where webhooks go.

    Attributes:
        scheme: `https`, or `http` if private addresses are allowed.
        host: The host's name or address.
        port: Its port.
        path: The path, with its query.
        allow_private: True if the address may be a private one.
    """

    scheme: str
    host: str
    port: int
    path: str
    allow_private: bool


def parse_destination(url: str, allow_private: bool) -> Destination:
    """Return the destination that a URL names.

    Raises:
        InvalidInputError: It is no URL of HTTPS, or has credentials, or is of HTTP and private
            addresses are not allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise InvalidInputError(f"to: {brief(url)} is no URL") from error
    if parts.scheme not in _PORTS or not parts.hostname or not url.isprintable() or " " in url:
        raise InvalidInputError("to: give the URL of your app, https://…")
    if parts.scheme == "http" and not allow_private:
        raise InvalidInputError(
            "to: webhooks go to https:// alone, unless private addresses are allowed"
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidInputError("to: leave credentials out of the URL; webhooks are signed")
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return Destination(parts.scheme, parts.hostname, port, path, allow_private)


def post(to: Destination, headers: Mapping[str, str], body: bytes) -> None:
    """Post a body, and return once the destination has taken it with a status of 2xx.

    Raises:
        PostError: It was not taken, or the address is private.
    """
    address = _address(to)
    connection = _Connection(to, address)
    try:
        connection.request("POST", to.path, body=body, headers=dict(headers))
        status = connection.getresponse().status
    except TimeoutError as error:
        raise PostError("timeout") from error
    except ssl.SSLError as error:
        raise PostError("bad certificate") from error
    except (OSError, http.client.HTTPException) as error:
        raise PostError("no connection") from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise PostError(f"status {status}")


def _address(to: Destination) -> str:
    """Return an address of the destination, none of which may be private.

    Raises:
        PostError: The name leads nowhere, or to a private address.
    """
    try:
        found = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PostError("unknown host") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not to.allow_private and not all(map(_is_public, addresses)):
        raise PostError("private address")
    return addresses[0]


def _is_public(address: str) -> bool:
    parsed = ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_global and not parsed.is_multicast


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, with the host's name in TLS and in the header.

    Args:
        to: The destination.
        address: Its address.
    """

    def __init__(self, to: Destination, address: str) -> None:
        super().__init__(to.host, to.port, timeout=TIMEOUT)
        self._to, self._address = to, address

    def connect(self) -> None:
        """Connect to the address."""
        self.sock = socket.create_connection((self._address, self._to.port), TIMEOUT)
        if self._to.scheme == "https":
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._to.host)
