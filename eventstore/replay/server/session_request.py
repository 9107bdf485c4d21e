"""Which recording a live client asks for, by the path and the query of its handshake."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.realtime.metadata import check_metadata
from eventstore.realtime.request_target import (
    SessionName,
    names_of_url,
    query_parameters,
    read_target,
)
from eventstore.realtime.values import column_text
from eventstore.store.filters.filters import SessionFilter, checked_filter
from eventstore.store.queries.requested_sessions import requested_session
from eventstore.store.sessions.log import Log

_ROOTS = tuple(
    f"{before}{root}"
    for before in ("", "v1/", "openai/", "openai/v1/")
    for root in ("realtime", "live/sessions")
)
#: The endpoint of translation sessions, which stands where a session's id may.
_TRANSLATIONS = "translations"
#: What may stand behind a GPT-Live session's id.
_BEHIND = ("/attach", "/fork")
_PREFIX = "session"
#: As long as what an address names is kept.
_LONGEST = 512


class SessionRequest(NamedTuple):
    """What a handshake asks for.

    Attributes:
        session: a session's id, by `?session=`, before the path as `/session/ID/v1/realtime`, or
            behind `/v1/realtime/` or `/v1/live/sessions/`.
        model: a session of this model, or that was asked for by this name, by `?model=` or Azure's
            `?deployment=`.
        metadata: a session with these pairs: see `read_target`.
        address: a session whose own address has these names: see `names_of_url`.
    """

    session: str | None
    model: str | None
    metadata: tuple[tuple[str, str], ...]
    address: tuple[SessionName, ...]


def read_request(target: str) -> SessionRequest:
    """Read a request's target, such as `/v1/realtime?session=sess_123`.

    Raises:
        InvalidInputError: it is none, or its metadata are beyond OpenAI's limits.
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
    given = query_parameters(read.query)
    session, path = _session_of(read.path)
    names = names_of_url(path, read.query)
    models = [value for name, value in names if name == "asked"]
    address = [
        (name, column_text(value, _LONGEST) or "") for name, value in names if name != "asked"
    ]
    if len(names) > 1 or metadata:
        # The endpoint of Voice Live says nothing of a session beside what says more.
        address = [name for name in address if name != ("kind", "voice-live")]
    named = given.get("session", given.get("session_id", session))
    return SessionRequest(named, models[-1] if models else None, metadata, tuple(address))


def _session_of(path: str) -> tuple[str | None, str]:
    """Return the session's id that a path has, and the path without what stands before it."""
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


def newest_match(log: Log, wish: SessionRequest, served: Collection[str] = ()) -> str:
    """The session that a client asks for: the newest of those that match.

    Args:
        served: sessions that the same wish was served already.

    Raises:
        NotFoundError: there is none, or nothing was asked for, or all were served.
        InvalidInputError: no session can have such an id.
    """
    if wish.model is None and not wish.metadata and not wish.address:
        raise NotFoundError(
            "name a session: /v1/realtime?session=ID, ?model=MODEL or ?metadata[KEY]=VALUE"
        )
    found = requested_session(log.engine, list(_filters(log, wish)), served)
    if found.session_id is not None:
        return found.session_id
    if found.left_out:
        raise NotFoundError(
            f"all sessions like that were served ({found.left_out}), each to one client: name one"
            " to have it again (?session=ID), or start the server anew"
        )
    raise NotFoundError("no session is like that; list them with: eventstore sessions")


def _filters(log: Log, wish: SessionRequest) -> Iterator[SessionFilter]:
    """Yield filters of which a session that matches passes at least one."""
    both = {"metadata": dict(wish.metadata), "scope": log.scope}
    yield checked_filter(
        SessionFilter, {**both, "model": wish.model, "address": wish.address or None}
    )
    if wish.model is not None:
        # Azure's deployments have names of their own, and a server may answer to a model's short
        # name with its full one.
        asked = ("asked", column_text(wish.model, _LONGEST) or "")
        yield checked_filter(SessionFilter, {**both, "address": (*wish.address, asked)})
