"""Addresses of Realtime websockets: how they may be written down, where a call is joined. Pure."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from eventstore.errors import InvalidInputError

#: What upstreams stand for.
OPENAI = "wss://api.openai.com/v1"

#: Parameters whose values say what was connected to. Any other may be a key.
HARMLESS = frozenset(
    {
        *("model", "call_id", "intent", "version", "api-version", "deployment", "agent_id"),
        *("agent-id", "agent-name", "agent-version", "agent-project-name", "project-name"),
        *("project-id", "project_id"),
    }
)
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def public_url(url: str) -> str:
    """An address without its user, its fragment, and all parameters that may hold a secret."""
    parts = urlsplit(url)
    pairs = [pair for pair in parse_qsl(parts.query) if pair[0].lower() in HARMLESS]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(pairs), ""))


def call_url(upstream: str, call_id: str) -> str:
    """Where a call is joined.

    Args:
        upstream: what stands for `wss://api.openai.com/v1`.
        call_id: the call's, `rtc_…`.

    Raises:
        InvalidInputError: the upstream is no websocket's address, or the call has no id.
    """
    if not call_id.strip():
        raise InvalidInputError("name the call by its id, rtc_…")
    try:
        parts = urlsplit(upstream)
        usable = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        # A key may stand in its user or its query.
        told = repr(upstream) if "@" not in upstream and "?" not in upstream else "that was given"
        raise InvalidInputError(f"upstream {told}: use an address like wss://api.openai.com/v1")
    query = "&".join(filter(None, (parts.query, f"call_id={quote(call_id, safe='')}")))
    path = f"{parts.path.rstrip('/')}/realtime"
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, query, ""))
