"""Addresses of Realtime websockets: how they may be written down, where a call is joined. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qs, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from eventstore.common.urls import split_server_url
from eventstore.errors import InvalidInputError

#: What upstreams stand for.
OPENAI_URL = "wss://api.openai.com/v1"

#: Parameters whose values say what was connected to. Any other may be a key.
PUBLIC_PARAMETERS = frozenset(
    {
        *("model", "call_id", "intent", "version", "api-version", "deployment", "agent_id"),
        *("agent-id", "agent-name", "agent-version", "agent-project-name", "project-name"),
        *("project-id", "project_id"),
    }
)
#: Endings of Azure's hosts.
_AZURE = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
_OPENAI_HOST = "api.openai.com"
_MOST_PARAMETERS = 100
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def split_upstream(url: str, example: str = OPENAI_URL) -> SplitResult:
    """Return the parts of an upstream's address, which has a host, and `ws` or `wss` as its scheme.

    Args:
        url: the address; its scheme may be `http` or `https`, too.
        example: an address to name in the error.

    Raises:
        InvalidInputError: it is no websocket's address.
    """
    parts = split_server_url(url, _SCHEMES)
    if parts is None:
        raise bad_upstream(url, example)
    return parts._replace(scheme=_SCHEMES[parts.scheme])


def bad_upstream(url: str, example: str) -> InvalidInputError:
    """Return the error that says that this is no upstream, without what may be a key in it."""
    told = repr(url) if "@" not in url and "?" not in url else "that was given"
    return InvalidInputError(f"upstream {told}: use an address like {example}")


def public_url(url: str) -> str:
    """An address without its user, its fragment, and all parameters that may hold a secret."""
    parts = urlsplit(url)
    pairs = [pair for pair in parse_qsl(parts.query) if pair[0].lower() in PUBLIC_PARAMETERS]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(pairs), ""))


def call_url(upstream: str, call_id: str) -> str:
    """Return the address where a call is joined.

    Args:
        upstream: what stands for `wss://api.openai.com/v1`. Where it has no path, the provider's
            usual one is taken: `/v1`, and for Azure `/openai/v1`.
        call_id: the call's, `rtc_…`.

    Raises:
        InvalidInputError: the upstream is no websocket's address, or the call has no id.
    """
    if not call_id.strip():
        raise InvalidInputError("name the call by its id, rtc_…")
    parts = split_upstream(upstream)
    query = "&".join(filter(None, (parts.query, f"call_id={quote(call_id, safe='')}")))
    path = f"{_root(parts.path, is_azure(parts.hostname))}/realtime"
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def _root(path: str, azure: bool) -> str:
    """Return the path that stands before `/realtime`, also where the path given ends with that."""
    path = path.rstrip("/").removesuffix("/realtime")
    if not path:
        return "/openai/v1" if azure else "/v1"
    return "/openai/v1" if azure and path == "/openai" else path


def parse_call_url(address: str) -> tuple[str, str] | None:
    """Return the upstream and the call that a whole address names; None where it is none.

    Such an address is `wss://NAME.openai.azure.com/openai/v1/realtime?call_id=rtc_123`.
    """
    try:
        parts = urlsplit(address)
        named = parse_qs(parts.query, max_num_fields=_MOST_PARAMETERS).get("call_id", [])
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES or len(named) != 1:
        return None
    pieces = parts.query.split("&")
    query = "&".join(piece for piece in pieces if not piece.startswith("call_id="))
    return urlunsplit(parts._replace(query=query, fragment="")), named[0]


def is_azure(host: str | None) -> bool:
    """Return True if a host is one of Azure's, which take a key in the header `api-key`."""
    return (host or "").lower().endswith(_AZURE)


def key_header(host: str | None, key: str) -> dict[str, str]:
    """Return the header in which a host takes a key."""
    return {"api-key": key} if is_azure(host) else {"Authorization": f"Bearer {key}"}


def api_key_for(host: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the key that the environment has for a host that was named; None for no key.

    Args:
        host: of the upstream.
        environment: with AZURE_OPENAI_API_KEY for Azure's hosts, and OPENAI_API_KEY.
    """
    own = environment.get("AZURE_OPENAI_API_KEY") if is_azure(host) else None
    return own or environment.get("OPENAI_API_KEY") or None


def api_key_of_provider(host: str, environment: Mapping[str, str]) -> str | None:
    """Return the key that the environment has for the provider whose host this is, or None.

    No other host gets it: whoever may ask a relay chooses when it is sent.
    """
    if is_azure(host):
        return environment.get("AZURE_OPENAI_API_KEY") or None
    host = host.lower()
    if host == _OPENAI_HOST or host.endswith(f".{_OPENAI_HOST}"):
        return environment.get("OPENAI_API_KEY") or None
    return None
