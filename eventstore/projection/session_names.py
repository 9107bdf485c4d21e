"""What a session is found by that a client asks for again: read off the address it was opened at.

`names_of_session` is called for each session's facets (projection/figures.py), and where a store
is encrypted and has none, for the sessions that are looked through
(store/queries/requested_sessions.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from eventstore.realtime.request_target import LIVE, TRANSCRIPTION, SessionName, names_of_url
from eventstore.realtime.values import mapping, text

#: Events that GPT-Live sessions begin with, and no others.
_LIVE_BEGINS = frozenset({"session.start", "session.started"})


def names_of_session(
    opened: Mapping[str, Any], wire: Mapping[str, Any], unknown_types: Collection[str]
) -> list[SessionName]:
    """Return the names of a session, without the model that its own row has.

    Args:
        opened: what its recorder noted.
        wire: its configuration.
        unknown_types: types of its events that the fold knows nothing of.
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
    if not _LIVE_BEGINS.isdisjoint(unknown_types):
        names.append(("kind", LIVE))
    known = ("asked", wire.get("model"))
    return [name for name in dict.fromkeys(names) if name != known]


def _transcribes(wire: Mapping[str, Any]) -> bool:
    kind = wire.get("type")
    return kind == TRANSCRIPTION or wire.get("object") == "realtime.transcription_session"


def _input(wire: Mapping[str, Any]) -> dict[str, Any]:
    return mapping(mapping(wire.get("audio")).get("input"))
