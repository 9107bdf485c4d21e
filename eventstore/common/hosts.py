"""Decide by the headers `Host` and `Origin` which browser pages a listener serves. Pure.

Called by every listener: the relay, the replay server, the server of cassettes, and the HTTP API.
The check stops two attacks that use the browser of a user who can reach the listener:

- A page of another origin opens a websocket. The browser's same-origin rule does not forbid that,
  but the header `Origin` names the page.
- A page lets its own host name resolve to this machine (DNS rebinding). Its requests then have the
  same origin, but the header `Host` names the other host.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple

from eventstore.common.urls import split_server_url
from eventstore.errors import InvalidInputError

# The forms that browsers write. Other parts of a URL, or two values in one header, do not match.
_NETLOC = r"(\[[0-9a-fA-F:.]+\]|[^\s:/?#@,%\\\[\]]+)(?::[0-9]{0,5})?"
_HOST = re.compile(_NETLOC)
_ORIGIN = re.compile(rf"[a-zA-Z][a-zA-Z0-9+.-]*://({_NETLOC})/?")
#: The value that allows the pages of every origin.
ANY_ORIGIN = "*"


class Visitors(NamedTuple):
    """The pages and hosts that a listener serves.

    Attributes:
        host: The address that it listens on, as it was given.
        tls: True if it listens with TLS. A page that uses DNS rebinding cannot reach such a
            listener, because the certificate is for another name.
        allowed: Further origins, such as `https://app.example`, or `*` for all.
        option: The command's option that allows further origins, for the error; may be empty.
    """

    host: str
    tls: bool = False
    allowed: frozenset[str] = frozenset()
    option: str = ""

    def refusal(self, host: str | None, origin: str | None, site: str | None = None) -> str | None:
        """Return why a request must not be served, or None if it may be served.

        Args:
            host: The header `Host`, or None.
            origin: The header `Origin`, or None. Programs send none. A page always sends it with
                a websocket's handshake, and with each request whose answer it could read.
            site: The header `Sec-Fetch-Site`, or None. A request that a page makes for an image
                or the like has no `Origin`, but has this header.
        """
        if ANY_ORIGIN in self.allowed:
            return None
        is_page = origin is not None or site == "cross-site"
        if is_page and not (origin is not None and self._is_allowed(origin, host)):
            return f"pages of other origins may not connect{self._how}"
        # Only a listener on loopback knows all names that it can have.
        if host is not None and is_loopback_address(self.host) and not self._is_known(host):
            return f"this machine is asked for by another host's name{self._how}"
        return None

    @property
    def _how(self) -> str:
        return f"; allow them by {self.option}" if self.option else ""

    def _is_allowed(self, origin: str, host: str | None) -> bool:
        netloc = netloc_of(origin)
        if is_loopback(netloc) or _normal(origin) in self.allowed:
            return True
        # The origin `null` has no host name, and must not equal an empty address to listen on.
        if netloc and _name(netloc) == self.host:
            return True
        # A page of the listener itself. An address, or a name with TLS, cannot be rebound.
        return bool(netloc) and netloc == host and (self.tls or _is_address(_name(netloc)))

    def _is_known(self, host: str) -> bool:
        names = {_name(netloc_of(origin)) for origin in self.allowed}
        return is_loopback(host) or _name(host) in names


def parse_origin(value: str) -> str:
    """Return an origin that a user gave in the form that browsers write, or `*`.

    Raises:
        InvalidInputError: The value is neither an origin nor `*`.
    """
    parts = split_server_url(value, ("http", "https"))
    is_bare = parts and not (parts.path.strip("/") or parts.query or parts.fragment)
    if value != ANY_ORIGIN and (parts is None or not is_bare or "@" in parts.netloc):
        raise InvalidInputError(f"origin {value!r}: use one like https://app.example, or *")
    return _normal(value)


def netloc_of(origin: str) -> str:
    """Return the host and the port of an `Origin`, or an empty text if it names no host."""
    found = _ORIGIN.fullmatch(origin)
    return found[1] if found else ""


def is_loopback(netloc: str) -> bool:
    """Return True if a host, with or without a port, is `localhost` or a loopback address."""
    host = _name(netloc)
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_address(host: str) -> bool:
    """Return True if an address to listen on, without a port, is a loopback address."""
    return is_loopback(f"[{host}]" if ":" in host else host)


def _name(netloc: str) -> str:
    """Return a host without its port, in lower case, or an empty text if it is malformed."""
    found = _HOST.fullmatch(netloc)
    return found[1].strip("[]").lower().removesuffix(".") if found else ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _normal(origin: str) -> str:
    """Return an origin in lower case, without a final slash and without its scheme's usual port."""
    origin = origin.lower().rstrip("/")
    scheme = origin.partition(":")[0]
    return origin.removesuffix({"http": ":80", "https": ":443"}.get(scheme, "\0"))
