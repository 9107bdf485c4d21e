"""Decide which protocol a stream of events speaks: Realtime or GPT-Live.

Both have types of the same names with another meaning, so that this is decided before the types
are read. The first event that belongs to only one of them decides for the whole stream. Called by
the fold, by imports, and by what reads events without a state: replays, sound and reseeds.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal
from urllib.parse import urlsplit

from eventstore.realtime.catalogue import FOLDED, OPENED, UNTIMED, canonical
from eventstore.realtime.frames import CLIENT, STORE
from eventstore.realtime.live_catalogue import LIVE_ONLY, SHARED_WITH_REALTIME
from eventstore.realtime.request_target import live_target
from eventstore.realtime.values import mapping, text

Protocol = Literal["realtime", "live"]
REALTIME: Protocol = "realtime"
LIVE: Protocol = "live"

#: The beginning of the ids of Live sessions.
_LIVE_ID = "live_"
#: The note with the address at which a session was recorded.
#: Types of both protocols whose `session` has the session's id.
_WITH_SESSION = ("session.updated", "session.closed")


def told_protocol(direction: str, type_: str, body: dict[str, Any] | None) -> Protocol | None:
    """Return the protocol that an event proves, or None if it proves none.

    Only the server's events, and the address that the recorder noted, are proof: a client could
    make a session unreadable, and hide what it costs. Events that a load of a state does not read
    are no proof either.

    Args:
        direction: The event's sender.
        type_: The event's type on the wire.
        body: The parsed event, or None if it is unreadable.
    """
    if direction == STORE:
        return _protocol_of_note(type_, body or {})
    if direction == CLIENT or type_ in UNTIMED:
        return None
    if type_ in SHARED_WITH_REALTIME:
        return _protocol_of_shared(type_, body or {})
    if type_ in LIVE_ONLY:
        return LIVE
    return REALTIME if canonical(type_) in FOLDED else None


def _protocol_of_note(type_: str, body: dict[str, Any]) -> Protocol | None:
    if type_ != OPENED:
        return None
    return LIVE if is_live_url(text(body.get("url")) or "") else None


def is_live_url(url: str) -> bool:
    """Return True if a URL, or a path, is one of Live sessions: their own, a sideband's, a fork's.

    Metadata may stand before the path.
    """
    with suppress(ValueError):
        return live_target(urlsplit(url).path) is not None
    return False


def is_live_id(session_id: str) -> bool:
    """Return True if a session's id is one that servers give to Live sessions."""
    return session_id.startswith(_LIVE_ID)


def _protocol_of_shared(type_: str, body: dict[str, Any]) -> Protocol | None:
    """Return the protocol of an event whose type both have, by what only one of them tells."""
    if "start_ms" in body and "end_ms" in body:
        return LIVE  # a place on the timeline of a Live session
    if type_ in _WITH_SESSION:
        session = mapping(body.get("session"))
        if is_live_id(text(session.get("id")) or ""):
            return LIVE
        if session.get("object") is not None or session.get("type") is not None:
            return REALTIME
    return None
