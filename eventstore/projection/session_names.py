"""Read the names by which a client can ask the replay server for a session.

The names come from the URL with which the session was recorded, and from its configuration: a
call's id, an agent, a kind of session. Called for the facets of each session
(projection/figures.py). Encrypted stores have no facets: for them,
store/queries/requested_sessions.py calls it while it goes through the sessions.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from eventstore.realtime import protocols
from eventstore.realtime.protocols import Protocol
from eventstore.realtime.request_target import (
    LIVE,
    LIVE_ID,
    LIVE_SIDEBAND,
    TRANSCRIPTION,
    SessionName,
    live_target,
    names_of_url,
)
from eventstore.realtime.values import mapping, text

#: Who made a recording of a call that was going on, by the recorder's note.
_SIDEBAND = "sideband"


def names_of_session(
    opened: Mapping[str, Any], wire: Mapping[str, Any], protocol: Protocol | None
) -> list[SessionName]:
    """Return the names of a session, without the model, which has a column of its own.

    Args:
        opened: The fields of the recorder's note `eventstore.session.opened`.
        wire: The session's configuration.
        protocol: The session's protocol, if it is known.
    """
    names: list[SessionName] = []
    with suppress(ValueError):
        parts = urlsplit(text(opened.get("url")) or "")
        names += names_of_url(parts.path, parts.query)
    if call_id := text(opened.get("call_id")):
        names.append(("call_id", call_id))
    if _transcribes(wire):
        names.append(("kind", TRANSCRIPTION))
        model = mapping(_input(wire).get("transcription")).get("model")
        model = model or mapping(wire.get("input_audio_transcription")).get("model")
        if model := text(model):
            names.append(("asked", model))
    if protocol == protocols.LIVE:
        names += _live_names(opened, wire, names)
    known = ("asked", wire.get("model"))
    return [name for name in dict.fromkeys(names) if name != known]


def is_sideband(opened: Mapping[str, Any]) -> bool:
    """Return True if a recorder joined a call that was going on, or a client that it recorded did.

    Args:
        opened: The fields of the recorder's note `eventstore.session.opened`.
    """
    with suppress(ValueError):
        target = live_target(urlsplit(text(opened.get("url")) or "").path)
        if target is not None and target.role == "sideband":
            return True
    return opened.get("by") == _SIDEBAND


def _live_names(
    opened: Mapping[str, Any], wire: Mapping[str, Any], names: list[SessionName]
) -> list[SessionName]:
    """Return the names that a GPT-Live session has by its configuration.

    Args:
        opened, wire: As for `names_of_session`.
        names: The names of its URL.
    """
    id_ = text(wire.get("id"))
    if any(name == LIVE_SIDEBAND for name, _ in names):
        return []
    if is_sideband(opened):
        id_ = id_ or text(opened.get("call_id"))
        return [(LIVE_SIDEBAND, id_)] if id_ else []
    return [("kind", LIVE), *([(LIVE_ID, id_)] if id_ else [])]


def _transcribes(wire: Mapping[str, Any]) -> bool:
    kind = wire.get("type")
    return kind == TRANSCRIPTION or wire.get("object") == "realtime.transcription_session"


def _input(wire: Mapping[str, Any]) -> dict[str, Any]:
    return mapping(mapping(wire.get("audio")).get("input"))
