"""Split URLs of servers that users name, and make the URLs of pages."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import SplitResult, quote, urlsplit


def split_server_url(url: str, schemes: Container[str]) -> SplitResult | None:
    """Return the parts of a server's URL, or None if it is no such URL.

    Args:
        url: The URL. It must have a host, and must not have port 0.
        schemes: The schemes that it may have.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if is_usable else None


def page_of_session(pages: str, session_id: str) -> str:
    """Return the URL of a session's page.

    Args:
        pages: Where the store's pages are, such as `https://calls.example.com`.
    """
    return f"{pages.rstrip('/')}/sessions/{quote(session_id, safe='', errors='replace')}"
