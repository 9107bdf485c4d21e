"""What the path and the query of a websocket's request name: metadata, and which session.

The relay and the replay server read requests by the same functions, so that what a recording was
tagged with finds it again. What a recorded address asked for is read by them, too: see
projection/session_names.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

#: A name that a session is found by, and its value. `asked` is the model or the deployment that it
#: was asked for, `call_id` the call that it joined, `agent` a parameter of Voice Live's agents, and
#: `kind` one of the kinds below.
SessionName = tuple[str, str]
TRANSCRIPTION, LIVE, VOICE_LIVE = "transcription", "live", "voice-live"

_PARAMETER = re.compile(r"metadata\[(.*)\]", re.DOTALL)
_PREFIX = "metadata"
#: What begins the text that some clients append to an address, whatever query that has.
_APPENDED = "?model="
_MODELS = ("model", "deployment")
#: Parameters that choose an agent of Azure Voice Live, by the names that are written in facets.
_AGENTS = {
    name: name.replace("_", "-")
    for name in (
        *("agent-id", "agent_id", "agent-name", "agent-version", "agent-project-name"),
        *("project-name", "project-id", "project_id"),
    )
}
_LIVE_PATH, _VOICE_LIVE_PATH = "live/sessions", "voice-live/realtime"
#: Parameters that are looked at, of addresses that anybody may have written.
_PARAMETERS = 100


class Target(NamedTuple):
    """A request's target, without what is for us.

    Attributes:
        path: as it came, behind `/metadata/key=value`.
        query: as it came, without metadata.
        metadata: the pairs that the path and the query state, in this order.
        unread: why others could not be read, in words.
    """

    path: str
    query: str
    metadata: list[tuple[str, str]]
    unread: list[str]


def read_target(target: str) -> Target:
    """Read a request's path and query.

    A pair stands in the query as `metadata[customer]=42`, or before the path as
    `/metadata/customer=42/v1/realtime`, where several may follow each other
    (`/metadata/a=1/b=2/…`). Their keys and values are percent-encoded.

    Pipecat appends `?model=NAME` to an address as text. Where nothing else in the query names a
    model, that is read as one more parameter.
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
    """Return the key and the value of a segment; some clients encode the `=` between them."""
    key, equals, value = segment.partition("=")
    if equals:
        return unquote(key, errors="strict"), unquote(value, errors="strict")
    key, _, value = unquote(segment, errors="strict").partition("=")
    return key, value


def _pieces(query: str) -> Iterator[str]:
    """Yield the parameters of a query, an appended model as one of them."""
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
    """Return a query's parameters by name; of several with one name, the last."""
    pieces = islice((piece.partition("=") for piece in query.split("&")), _PARAMETERS)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pieces}


def names_of_url(path: str, query: str) -> list[SessionName]:
    """Return the names that an address has for its session, but for the session's id.

    An address that names a call says by that which one it is; what else it names does not count.
    """
    given = query_parameters(query)
    if call_id := given.get("call_id"):
        return [("call_id", call_id)]
    names = [("asked", given[name]) for name in _MODELS if given.get(name)]
    agents = ((_AGENTS.get(name), value) for name, value in given.items())
    names += [("agent", f"{name}={value}") for name, value in agents if name and value]
    if given.get("intent") == TRANSCRIPTION:
        names.append(("kind", TRANSCRIPTION))
    plain = f"{path}/"
    if f"/{_LIVE_PATH}/" in plain:
        names.append(("kind", LIVE))
    if f"/{_VOICE_LIVE_PATH}/" in plain:
        names.append(("kind", VOICE_LIVE))
    return list(dict.fromkeys(names))
