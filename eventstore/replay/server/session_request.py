"""Read from a handshake's path and query which session a client asks for, and find it.

Called by stored_recordings.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.realtime.metadata import check_metadata
from eventstore.realtime.request_target import (
    LIVE_FORK,
    LIVE_ID,
    LIVE_SIDEBAND,
    LiveRole,
    SessionName,
    live_target,
    names_of_url,
    query_parameters,
    read_target,
)
from eventstore.realtime.values import column_text
from eventstore.store.filters.filters import SessionFilter, checked_filter
from eventstore.store.log.session_facts import check_session_id
from eventstore.store.queries.requested_sessions import requested_session
from eventstore.store.sessions.log import Log

_ROOTS = tuple(
    f"{before}{root}"
    for before in ("", "v1/", "openai/", "openai/v1/")
    for root in ("realtime", "live/sessions")
)
#: The endpoint of translation sessions. It stands at the place of a session's id, but is none.
_TRANSLATIONS = "translations"
#: What may follow a GPT-Live session's id in a path.
_BEHIND = ("/attach", "/fork")
#: By which names a GPT-Live session is looked for, beside its id in the store (None), in turn.
_NAMES: dict[LiveRole, tuple[str | None, ...]] = {
    "primary": (None, LIVE_ID),
    "sideband": (LIVE_SIDEBAND, "call_id", None, LIVE_ID),
    "fork": (LIVE_FORK, None, LIVE_ID),
}
_PREFIX = "session"
#: The store keeps so many characters of what an address names.
_LONGEST = 512


class SessionRequest(NamedTuple):
    """What a handshake asks for.

    Attributes:
        session: A session's id: from `?session=`, from the path as in `/session/ID/v1/realtime`,
            or after `/v1/realtime/` or `/v1/live/sessions/`.
        model: A session with this model, or requested by this name: from `?model=` or Azure's
            `?deployment=`.
        metadata: A session with these pairs of metadata: see `read_target`.
        address: A session whose own address had these names: see `names_of_url`.
        role: What a client of GPT-Live connects for; None for other clients.
    """

    session: str | None
    model: str | None
    metadata: tuple[tuple[str, str], ...]
    address: tuple[SessionName, ...]
    role: LiveRole | None = None


def read_request(target: str) -> SessionRequest:
    """Return what a request's target, such as `/v1/realtime?session=sess_123`, asks for.

    Raises:
        InvalidInputError: The target is not a path of a URL, or its metadata exceed OpenAI's
            limits.
    """
    try:
        urlsplit(target)
    except ValueError as error:
        raise InvalidInputError(f"no path of a URL: {error}") from error
    read = read_target(target)
    if read.unread:
        raise InvalidInputError(f"metadata: {read.unread[0]}")
    if not all(key for key, _ in read.metadata):
        raise InvalidInputError("metadata: a pair has no key")
    metadata = tuple(sorted(check_metadata(read.metadata).items()))
    parameters = query_parameters(read.query)
    session, path = _session_of(read.path)
    names = names_of_url(path, read.query)
    models = [value for name, value in names if name == "asked"]
    address = [
        (name, column_text(value, _LONGEST) or "") for name, value in names if name != "asked"
    ]
    if len(names) > 1 or metadata:
        # Every session of Voice Live has this endpoint. Beside other names it says nothing.
        address = [name for name in address if name != ("kind", "voice-live")]
    named = parameters.get("session", parameters.get("session_id", session))
    live = live_target(path)
    role = None if live is None else live.role
    return SessionRequest(named, models[-1] if models else None, metadata, tuple(address), role)


def _session_of(path: str) -> tuple[str | None, str]:
    """Return the session's id in a path, and the path without the prefix `/session/ID`."""
    session = None
    _, prefix, id_, *rest = [*path.split("/", 3), "", "", ""]
    if prefix == _PREFIX and id_:
        session, path = unquote(id_), f"/{rest[0]}"
    plain = unquote(path).strip("/")
    for root in _ROOTS:
        behind = plain.removeprefix(f"{root}/")
        if behind not in (plain, _TRANSLATIONS) and session is None:
            session = behind
            for end in _BEHIND if root.endswith("sessions") else ():
                session = session.removesuffix(end)
    return session, path


def named_session(log: Log, session: str, role: LiveRole | None) -> str:
    """Return the id in the store of a session that a request names.

    Clients of GPT-Live know sessions by the server's id, which is another one if the store was told
    its own. A recording of a sideband, or of a fork, is found by the id of the session that it
    joined, or began with.

    Args:
        log: The part of the store that the client may see.
        session: The id in the request.
        role: What a client of GPT-Live connects for; None for other clients.

    Raises:
        NotFoundError: There is no such session.
        InvalidInputError: The id is no possible one.
    """
    check_session_id(session)
    for name in (None,) if role is None else _NAMES[role]:
        if name is None:
            with suppress(NotFoundError):
                log.last_seq(session)
                return session
            continue
        address = ((name, column_text(session, _LONGEST) or ""),)
        filters = checked_filter(SessionFilter, {"address": address, "scope": log.scope})
        found = requested_session(log.engine, [filters], ()).session_id
        if found is not None:
            return found
    log.last_seq(session)  # raises
    return session


def newest_match(log: Log, request: SessionRequest, served: Collection[str] = ()) -> str:
    """Return the id of the newest session that matches a request and was not served for it before.

    Args:
        request: What the client asks for, without a session's id.
        served: The sessions that were served for the same request before.

    Raises:
        NotFoundError: No session matches, all that match were served, or the request is empty.
    """
    if request.model is None and not request.metadata and not request.address:
        raise NotFoundError(
            "name a session: /v1/realtime?session=ID, ?model=MODEL or ?metadata[KEY]=VALUE"
        )
    found = requested_session(log.engine, list(_filters(log, request)), served)
    if found.session_id is not None:
        return found.session_id
    if found.left_out:
        raise NotFoundError(
            f"all sessions like that were served ({found.left_out}), each to one client: name one"
            " to have it again (?session=ID), or start the server anew"
        )
    raise NotFoundError("no session is like that; list them with: eventstore sessions")


def _filters(log: Log, request: SessionRequest) -> Iterator[SessionFilter]:
    """Yield filters. A session matches the request if it passes at least one of them."""
    both = {"metadata": dict(request.metadata), "scope": log.scope}
    yield checked_filter(
        SessionFilter, {**both, "model": request.model, "address": request.address or None}
    )
    if request.model is not None:
        # The name in the request is often not the model that the server states: Azure's deployments
        # have names of their own, and a server may answer a short name with the full one.
        asked = ("asked", column_text(request.model, _LONGEST) or "")
        yield checked_filter(SessionFilter, {**both, "address": (*request.address, asked)})
