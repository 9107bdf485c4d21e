"""Read and make URLs of Realtime and GPT-Live websockets, and choose the API key for a host. Pure.

Called by the relay, sidebands and cassettes, for three jobs: to check an upstream that a user
names, to write down a URL without secrets, and to make the URL at which a call is joined.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import (
    SplitResult,
    parse_qs,
    parse_qsl,
    quote,
    urlencode,
    urlsplit,
    urlunsplit,
)

from eventstore.common.urls import split_server_url
from eventstore.errors import InvalidInputError
from eventstore.realtime.protocols import is_live_id
from eventstore.realtime.request_target import live_target

#: OpenAI's upstream.
OPENAI_URL = "wss://api.openai.com/v1"

#: Parameters of a query that are no secrets. The value of any other parameter may be a key.
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
_REALTIME_PATH, _LIVE_PATH = "/realtime", "/live/sessions"
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def split_upstream(url: str, example: str = OPENAI_URL) -> SplitResult:
    """Return the parts of an upstream's URL, with `ws` or `wss` as its scheme.

    Args:
        url: The URL. Its scheme may also be `http` or `https`.
        example: A URL that the error shows as an example.

    Raises:
        InvalidInputError: It is no URL of a websocket.
    """
    parts = split_server_url(url, _SCHEMES)
    if parts is None:
        raise bad_upstream(url, example)
    return parts._replace(scheme=_SCHEMES[parts.scheme])


def bad_upstream(url: str, example: str) -> InvalidInputError:
    """Return the error for a wrong upstream. It does not show a URL that may contain a key."""
    told = repr(url) if "@" not in url and "?" not in url else "that was given"
    return InvalidInputError(f"upstream {told}: use an address like {example}")


def public_url(url: str) -> str:
    """Return a URL without its user, its fragment, and all parameters that may be secret."""
    parts = urlsplit(url)
    pairs = [pair for pair in parse_qsl(parts.query) if pair[0].lower() in PUBLIC_PARAMETERS]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(pairs), ""))


def call_url(upstream: str, call_id: str) -> str:
    """Return the URL at which a call, or a GPT-Live session, is joined.

    Args:
        upstream: The upstream, such as `wss://api.openai.com/v1`. If it has no path, the
            provider's usual path is taken: `/v1`, or `/openai/v1` for Azure. If its path ends with
            `/live/sessions`, the id is a GPT-Live session's, whatever it begins with.
        call_id: The call's id, `rtc_…`, or the id of a GPT-Live session, `live_…`.

    Raises:
        InvalidInputError: The upstream is no URL of a websocket, or the id is empty.

    Example:
        >>> call_url("wss://api.openai.com/v1", "rtc_123")
        'wss://api.openai.com/v1/realtime?call_id=rtc_123'
        >>> call_url("wss://api.openai.com/v1", "live_123")
        'wss://api.openai.com/v1/live/sessions/live_123/attach'
    """
    if not call_id.strip():
        raise InvalidInputError("name the call by its id, rtc_… or live_…")
    parts = split_upstream(upstream)
    root, named = _root(parts.path, is_azure(parts.hostname)), quote(call_id, safe="")
    if is_live_id(call_id) or parts.path.rstrip("/").endswith(_LIVE_PATH):
        path, query = f"{root}{_LIVE_PATH}/{named}/attach", parts.query
    else:
        path = f"{root}{_REALTIME_PATH}"
        query = "&".join(filter(None, (parts.query, f"call_id={named}")))
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def live_upstream(upstream: str) -> str:
    """Return an upstream at which every id is a GPT-Live session's: see `call_url`.

    Raises:
        InvalidInputError: The upstream is no URL of a websocket.
    """
    parts = split_upstream(upstream)
    path = f"{_root(parts.path, is_azure(parts.hostname))}{_LIVE_PATH}"
    return urlunsplit(parts._replace(path=path))


def joined_session(url: str) -> str | None:
    """Return the id of the GPT-Live session that a URL joins, or None if it joins none."""
    with suppress(ValueError):
        target = live_target(urlsplit(url).path)
        if target is not None and target.role == "sideband":
            return target.session
    return None


def _root(path: str, azure: bool) -> str:
    """Return the path before `/realtime` or `/live/sessions`, with which the given may end."""
    path = path.rstrip("/").removesuffix(_REALTIME_PATH).removesuffix(_LIVE_PATH)
    if not path:
        return "/openai/v1" if azure else "/v1"
    return "/openai/v1" if azure and path == "/openai" else path


def parse_call_url(address: str) -> tuple[str, str] | None:
    """Return the upstream and the call's id from a URL at which a call is joined, or None.

    Such a URL is `wss://NAME.openai.azure.com/openai/v1/realtime?call_id=rtc_123`, or
    `wss://api.openai.com/v1/live/sessions/live_123/attach`.
    """
    try:
        parts = urlsplit(address)
        named = parse_qs(parts.query, max_num_fields=_MOST_PARAMETERS).get("call_id", [])
    except ValueError:
        return None
    if parts.scheme not in _SCHEMES:
        return None
    if session_id := joined_session(address):
        root = parts.path.rpartition(_LIVE_PATH)[0]
        return urlunsplit(parts._replace(path=f"{root}{_LIVE_PATH}", fragment="")), session_id
    if len(named) != 1:
        return None
    pieces = parts.query.split("&")
    query = "&".join(piece for piece in pieces if not piece.startswith("call_id="))
    return urlunsplit(parts._replace(query=query, fragment="")), named[0]


def is_azure(host: str | None) -> bool:
    """Return True if a host is one of Azure's, which expect the key in the header `api-key`."""
    return (host or "").lower().endswith(_AZURE)


def key_header(host: str | None, key: str) -> dict[str, str]:
    """Return the header with an API key, in the form that a host expects."""
    return {"api-key": key} if is_azure(host) else {"Authorization": f"Bearer {key}"}


def api_key_for(host: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the API key in the environment for a host that the user named, or None.

    Args:
        host: The upstream's host.
        environment: The environment. AZURE_OPENAI_API_KEY is taken for Azure's hosts if it is
            set; otherwise OPENAI_API_KEY is taken, for any host.
    """
    own = environment.get("AZURE_OPENAI_API_KEY") if is_azure(host) else None
    return own or environment.get("OPENAI_API_KEY") or None


def api_key_of_provider(host: str, environment: Mapping[str, str]) -> str | None:
    """Return the API key in the environment for a host of OpenAI or Azure, or None.

    No other host gets a key, because every client of a relay can cause the key to be sent.
    """
    if is_azure(host):
        return environment.get("AZURE_OPENAI_API_KEY") or None
    host = host.lower()
    if host == _OPENAI_HOST or host.endswith(f".{_OPENAI_HOST}"):
        return environment.get("OPENAI_API_KEY") or None
    return None
