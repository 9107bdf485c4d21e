"""Where webhooks go: the URL of an app, read, checked, and shown without its secrets. Pure."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, urlsplit

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.masking.secret_addresses import without_keys

_PORTS = {"http": 80, "https": 443}
_MOST_SHOWN = 200


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

    def shown(self) -> str:
        """Return the URL as it may be kept and shown: without its query, and without keys."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        url = without_keys(f"{self.scheme}://{host}{port}{self.path.partition('?')[0]}")
        return url if len(url) <= _MOST_SHOWN else f"{url[:_MOST_SHOWN]}…"


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
    # What is no ASCII is quoted, as browsers do.
    quoted = quote(path, safe="".join(map(chr, range(33, 127))))
    return Destination(parts.scheme, parts.hostname, port, quoted, allow_private)
