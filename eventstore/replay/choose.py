"""Which recording a live client asks for, by the path and the query of its handshake."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.queries import Queries
from eventstore.store.sessions import check_session_id

_ROOTS = ("realtime", "v1/realtime", "openai/realtime", "openai/v1/realtime")
#: The endpoint of translation sessions, which stands where a session's id may.
_TRANSLATIONS = "translations"


class Wish(NamedTuple):
    """What a handshake asks for.

    Attributes:
        session: a session's id, by `?session=` or behind `/v1/realtime/`.
        model: the newest session of this model, by `?model=` or Azure's `?deployment=`.
        metadata: the newest session with these pairs, by `?metadata[key]=value`.
    """

    session: str | None
    model: str | None
    metadata: dict[str, str]


def wish_of(target: str) -> Wish:
    """Read a request's target, such as `/v1/realtime?session=sess_123`.

    Raises:
        InvalidInputError: it is none.
    """
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise InvalidInputError(f"no path of a URL: {error}") from error
    session = model = None
    metadata: dict[str, str] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key in ("session", "session_id"):
            session = value
        elif key in ("model", "deployment"):
            model = value
        elif key.startswith("metadata[") and key.endswith("]"):
            metadata[key[len("metadata[") : -1]] = value
    path = unquote(parts.path).strip("/")
    for root in _ROOTS:
        behind = path.removeprefix(f"{root}/")
        if behind not in (path, _TRANSLATIONS) and session is None:
            session = behind
    return Wish(session, model, metadata)


def choose_session(store: Queries, wish: Wish) -> str:
    """The session that a client asks for.

    Raises:
        NotFoundError: there is none, or nothing was asked for.
        InvalidInputError: no session can have such an id.
    """
    if wish.session is not None:
        check_session_id(wish.session)
        store.head(wish.session)
        return wish.session
    if wish.model is None and not wish.metadata:
        raise NotFoundError(
            "name a session: /v1/realtime?session=ID, ?model=MODEL or ?metadata[KEY]=VALUE"
        )
    found = store.sessions(metadata=wish.metadata, model=wish.model, limit=1).data
    if not found:
        raise NotFoundError("no session is like that; list them with: eventstore sessions")
    return str(found[0]["id"])
