"""Which browser pages and host names a listener serves, by the headers `Host` and `Origin`. Pure.

Two attacks come by the browser of somebody who may reach a listener. A page of another origin can
open a websocket, since the same-origin rule does not hold for those: its `Origin` tells. And a page
can have its own host name resolve to this machine (DNS rebinding): then its requests are of the
same origin, and only the `Host` tells. Every listener asks here: the relay, the replay server, the
server of cassettes, and the HTTP API.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple

from eventstore.common.urls import split_server_url
from eventstore.errors import InvalidInputError

# As browsers write them. What else a URL may hold, or two of them in one header, is refused.
_NETLOC = r"(\[[0-9a-fA-F:.]+\]|[^\s:/?#@,%\\\[\]]+)(?::[0-9]{0,5})?"
_HOST = re.compile(_NETLOC)
_ORIGIN = re.compile(rf"[a-zA-Z][a-zA-Z0-9+.-]*://({_NETLOC})/?")
#: Allows the pages of every origin.
ANY_ORIGIN = "*"


class Visitors(NamedTuple):
    """Whom a listener serves.

    Attributes:
        host: the address that it listens on, as it was given.
        tls: it listens with TLS. A page whose name was rebound has no certificate there.
        allowed: more origins, such as `https://app.example`, or `*` for all.
        option: what allows more; empty where nothing does.
    """

    host: str
    tls: bool = False
    allowed: frozenset[str] = frozenset()
    option: str = ""

    def refusal(self, host: str | None, origin: str | None, site: str | None = None) -> str | None:
        """Say why a request is not served; None where it is.

        Args:
            host, origin: the request's headers; None where it has none. Programs send no
                `Origin`, and pages cannot leave it out of a websocket's handshake, nor of what
                they could read the answer to.
            site: its `Sec-Fetch-Site`. Of what a page only loads, as an image, it alone tells.
        """
        if ANY_ORIGIN in self.allowed:
            return None
        is_page = origin is not None or site == "cross-site"
        if is_page and not (origin is not None and self._is_allowed(origin, host)):
            return f"pages of other origins may not connect{self._how}"
        # Elsewhere than on loopback, a listener does not know what names it has.
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
        # An origin without a name, such as `null`, is not the one of a listener without one.
        if netloc and _name(netloc) == self.host:
            return True
        # Its own pages: where the name cannot be rebound.
        return bool(netloc) and netloc == host and (self.tls or _is_address(_name(netloc)))

    def _is_known(self, host: str) -> bool:
        names = {_name(netloc_of(origin)) for origin in self.allowed}
        return is_loopback(host) or _name(host) in names


def parse_origin(value: str) -> str:
    """Return an origin as browsers write it, or `*`.

    Raises:
        InvalidInputError: it is neither.
    """
    parts = split_server_url(value, ("http", "https"))
    is_bare = parts and not (parts.path.strip("/") or parts.query or parts.fragment)
    if value != ANY_ORIGIN and (parts is None or not is_bare or "@" in parts.netloc):
        raise InvalidInputError(f"origin {value!r}: use one like https://app.example, or *")
    return _normal(value)


def netloc_of(origin: str) -> str:
    """The host, with its port, that an `Origin` names; empty where it is none of a host."""
    found = _ORIGIN.fullmatch(origin)
    return found[1] if found else ""


def is_loopback(netloc: str) -> bool:
    """Whether a host, with a port or without, is this machine itself."""
    host = _name(netloc)
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_address(host: str) -> bool:
    """Whether an address to listen on, without a port, can be reached from this machine alone."""
    return is_loopback(f"[{host}]" if ":" in host else host)


def _name(netloc: str) -> str:
    """A host without its port, in lower case; empty where it is none."""
    found = _HOST.fullmatch(netloc)
    return found[1].strip("[]").lower().removesuffix(".") if found else ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _normal(origin: str) -> str:
    """An origin in lower case, without a slash at its end and without its scheme's usual port."""
    origin = origin.lower().rstrip("/")
    scheme = origin.partition(":")[0]
    return origin.removesuffix({"http": ":80", "https": ":443"}.get(scheme, "\0"))
