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
    LIVE_FORK,
    LIVE_ID,
    LIVE_SIDEBAND,
    TRANSCRIPTION,
    LiveTarget,
    SessionName,
    live_target,
    names_of_url,
)
from eventstore.realtime.values import mapping, text

_IS_LIVE = ("kind", LIVE)
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
        names = [name for name in names if name != _IS_LIVE] + _live_names(opened, wire)
    known = ("asked", wire.get("model"))
    return [name for name in dict.fromkeys(names) if name != known]


def is_sideband(opened: Mapping[str, Any]) -> bool:
    """Return True if a recorder joined a call that was going on, or a client that it recorded did.

    Args:
        opened: The fields of the recorder's note `eventstore.session.opened`.
    """
    target = _target_of(opened)
    joined = target is not None and target.role == "sideband"
    return joined or opened.get("by") == _SIDEBAND


def sideband_of(opened: Mapping[str, Any], wire: Mapping[str, Any]) -> str | None:
    """Return the id of the session or call that a sideband joined; None for other recordings.

    Args:
        opened: The fields of the recorder's note `eventstore.session.opened`.
        wire: The session's configuration.
    """
    target = _target_of(opened)
    if target is None:
        names = dict(names_of_session(opened, {}, None))
        return names.get("call_id") or (text(wire.get("id")) if is_sideband(opened) else None)
    if not is_sideband(opened):
        return None
    return target.session or text(opened.get("call_id")) or text(wire.get("id"))


def _target_of(opened: Mapping[str, Any]) -> LiveTarget | None:
    """Return what the address of a recording names of GPT-Live, or None."""
    with suppress(ValueError):
        return live_target(urlsplit(text(opened.get("url")) or "").path)
    return None


def _live_names(opened: Mapping[str, Any], wire: Mapping[str, Any]) -> list[SessionName]:
    """Return the names that only a GPT-Live session has; the arguments are as above.

    A sideband starts no session, so that it has no kind: it is no answer to a client that does.
    """
    target, id_ = _target_of(opened), text(wire.get("id"))
    if is_sideband(opened):
        joined = sideband_of(opened, wire)
        return [(LIVE_SIDEBAND, joined)] if joined else []
    names = [_IS_LIVE]
    if target is not None and target.role == "fork" and target.session:
        names.append((LIVE_FORK, target.session))
    return [*names, (LIVE_ID, id_)] if id_ else names


def _transcribes(wire: Mapping[str, Any]) -> bool:
    kind = wire.get("type")
    return kind == TRANSCRIPTION or wire.get("object") == "realtime.transcription_session"


def _input(wire: Mapping[str, Any]) -> dict[str, Any]:
    return mapping(mapping(wire.get("audio")).get("input"))
