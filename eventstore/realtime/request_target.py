"""Read metadata and names of a session from the path and query of a websocket's request.

Called by the relay and by the replay server, so that a client that tags a recording can ask for the
replay with the same URL. projection/session_names.py reads recorded URLs with the same functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Literal, NamedTuple
from urllib.parse import unquote, unquote_plus

#: A pair by which a session is found: `("asked", model or deployment)`, `("call_id", id)`,
#: `("agent", "parameter=value")` for Voice Live's agents, or `("kind", kind)`. A recording of a
#: sideband of a GPT-Live session has `(LIVE_SIDEBAND, id)` with the session's id, one of a fork
#: `(LIVE_FORK, id)` with the id of the session that it began with, and the session's own
#: `(LIVE_ID, id)`.
SessionName = tuple[str, str]
TRANSCRIPTION, LIVE, VOICE_LIVE = "transcription", "live", "voice-live"
LIVE_ID, LIVE_SIDEBAND, LIVE_FORK = "live_id", "live_sideband", "live_fork"

#: What a client of GPT-Live connects for: to start a session, to attach a sideband to one, or to
#: fork one.
LiveRole = Literal["primary", "sideband", "fork"]

_PARAMETER = re.compile(r"metadata\[(.*)\]", re.DOTALL)
_PREFIX = "metadata"
#: The text that some clients append to a URL, even if the URL has a query already.
_APPENDED = "?model="
_MODELS = ("model", "deployment")
#: Parameters that choose an agent of Azure Voice Live, and their names in facets.
_AGENTS = {
    name: name.replace("_", "-")
    for name in (
        *("agent-id", "agent_id", "agent-name", "agent-version", "agent-project-name"),
        *("project-name", "project-id", "project_id"),
    )
}
_LIVE_PATH, _VOICE_LIVE_PATH = "/live/sessions", "/voice-live/realtime"
#: What follows a GPT-Live session's id in the path, and what such a client connects for.
_LIVE_ROLES: dict[str, LiveRole] = {"/attach": "sideband", "/fork": "fork"}
#: The most parameters of a URL that are read, because anybody may have written the URL.
_PARAMETERS = 100


class Target(NamedTuple):
    """A request's path and query without metadata, and the metadata.

    Attributes:
        path: The path without `/metadata/key=value`.
        query: The query without metadata.
        metadata: The pairs of the path, then those of the query.
        unread: For each pair that could not be read, why, in words.
    """

    path: str
    query: str
    metadata: list[tuple[str, str]]
    unread: list[str]


class LiveTarget(NamedTuple):
    """What the path of a GPT-Live websocket names.

    Attributes:
        session: The session's id; None if the path has none.
        role: What the client connects for.
    """

    session: str | None
    role: LiveRole


def live_target(path: str) -> LiveTarget | None:
    """Return what a path such as `/v1/live/sessions/live_1/attach` names, or None if not GPT-Live.

    Args:
        path: The path of a URL. Metadata or a session's id may stand before it.
    """
    _, found, behind = path.partition(_LIVE_PATH)
    if not found or behind[:1] not in ("", "/"):
        return None
    id_, slash, last = behind.rstrip("/").rpartition("/")
    role = _LIVE_ROLES.get(f"{slash}{last}") if id_ else None
    named = behind if role is None else id_
    return LiveTarget(unquote(named.strip("/")) or None, role or "primary")


def read_target(target: str) -> Target:
    """Read the path and the query of a request.

    A pair of metadata is in the query as `metadata[customer]=42`, or before the path as
    `/metadata/customer=42/v1/realtime`. Several pairs may follow each other before the path:
    `/metadata/a=1/b=2/…`. Keys and values are percent-encoded.

    Pipecat appends the text `?model=NAME` to a URL that may have a query already. It is read as one
    more parameter if nothing else in the query names a model.
    """
    path, _, query = target.partition("?")
    metadata: list[tuple[str, str]] = []
    unread: list[str] = []
    path, stated = _split_prefix(path)
    for pair in stated:
        try:
            metadata.append(_pair_of_path(pair))
        except UnicodeDecodeError:
            unread.append("the path is no UTF-8")
    pieces = []
    for piece in _pieces(query):
        key, _, value = piece.partition("=")
        if not _PARAMETER.fullmatch(unquote_plus(key)):
            pieces.append(piece)
            continue
        try:
            named = _PARAMETER.fullmatch(unquote_plus(key, errors="strict"))
            metadata.append((named[1] if named else "", unquote_plus(value, errors="strict")))
        except UnicodeDecodeError:
            unread.append("the query is no UTF-8")
    return Target(path, "&".join(pieces), metadata, unread)


def without_prefix(path: str) -> str:
    """Return a path without the metadata before it."""
    return _split_prefix(path)[0]


def _split_prefix(path: str) -> tuple[str, list[str]]:
    segments = path.split("/")
    if len(segments) < 3 or segments[0] or segments[1] != _PREFIX:
        return path, []
    end = 2
    while end < len(segments) and _has_equals(segments[end]):
        end += 1
    if end == 2:
        return path, []
    return "/" + "/".join(segments[end:]), segments[2:end]


def _has_equals(segment: str) -> bool:
    return "=" in segment or "%3d" in segment.lower()


def _pair_of_path(segment: str) -> tuple[str, str]:
    """Return the key and the value of a part of the path. Some clients percent-encode the `=`."""
    key, equals, value = segment.partition("=")
    if equals:
        return unquote(key, errors="strict"), unquote(value, errors="strict")
    key, _, value = unquote(segment, errors="strict").partition("=")
    return key, value


def _pieces(query: str) -> Iterator[str]:
    """Yield the parameters of a query, including a model that a client appended as text."""
    *pieces, last = query.split("&")
    before, appended, model = last.rpartition(_APPENDED)
    if not appended or any(map(_names_model, pieces)):
        yield from (*pieces, last)
        return
    yield from pieces
    if before and not _names_model(before):
        yield before
    yield f"model={model}"


def _names_model(piece: str) -> bool:
    return piece.partition("=")[0] in _MODELS


def query_parameters(query: str) -> dict[str, str]:
    """Return a query's parameters by name. Of several with the same name, the last one counts."""
    pieces = islice((piece.partition("=") for piece in query.split("&")), _PARAMETERS)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pieces}


def names_of_url(path: str, query: str) -> list[SessionName]:
    """Return the names that a URL has for its session, without the session's id.

    If the URL names a call, the call's id is the only name, because it identifies the session.
    """
    given = query_parameters(query)
    if call_id := given.get("call_id"):
        return [("call_id", call_id)]
    names = [("asked", given[name]) for name in _MODELS if given.get(name)]
    agents = ((_AGENTS.get(name), value) for name, value in given.items())
    names += [("agent", f"{name}={value}") for name, value in agents if name and value]
    if given.get("intent") == TRANSCRIPTION:
        names.append(("kind", TRANSCRIPTION))
    if live_target(path) is not None:
        names.append(("kind", LIVE))
    if f"{_VOICE_LIVE_PATH}/" in f"{path}/":
        names.append(("kind", VOICE_LIVE))
    return list(dict.fromkeys(names))
