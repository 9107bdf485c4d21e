"""URLs of servers that people name: upstreams, endpoints, origins."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import SplitResult, urlsplit


def split_server_url(url: str, schemes: Container[str]) -> SplitResult | None:
    """Return the parts of a URL that names a server: a scheme of these, a host, and no port 0.

    Returns None for any other text.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if is_usable else None
