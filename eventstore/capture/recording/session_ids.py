"""Find the session's id in a recording, and where a session opens and closes there.

The recorder, `import` and `export` call it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from eventstore.realtime.catalogue import CLOSED
from eventstore.realtime.endings import CLOSED_BY_SERVER
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import CLIENT, STORE, Frame, parse
from eventstore.realtime.recording_lines import envelope_line
from eventstore.realtime.values import identifier, mapping

# Sessions of GPT-Live are started; sidebands of them may only hear of an update, or of the end.
_CREATED = ("session.created", "transcription_session.created", "session.started")
_UPDATED = ("session.updated", "transcription_session.updated")
_START = "session.start"

#: Types of events that name a session's id.
NAMING_TYPES = (*_CREATED, *_UPDATED, CLOSED_BY_SERVER)

_MADE_ID = re.compile("sess_[0-9a-f]{24}")


def made_id(digest: str) -> str:
    """Return the id for a session that names none, made from the SHA-256 of its frames."""
    return f"sess_{digest[:24]}"


def session_event(frame: Frame) -> tuple[str | None, str | None]:
    """Return what a frame does to its session, and the session's id that it names.

    Returns:
        `starting` (a client asks for a session of GPT-Live), `created`, `updated`, `closed` or
        None; and the id, or None if it names none.
    """
    text = frame.text
    if isinstance(text, bytes) or "session." not in text:
        return None, None
    if frame.direction == CLIENT:
        is_start = f'"{_START}"' in text and (parse(text) or {}).get("type") == _START
        return ("starting" if is_start else None), None
    event = parse(text) or {}
    type_ = event.get("type")
    named = identifier(mapping(event.get("session")).get("id"))
    if type_ in _CREATED:
        return "created", named
    if type_ in _UPDATED:
        return "updated", named
    if type_ == CLOSED_BY_SERVER:
        return "closed", named
    if type_ == CLOSED and frame.direction == STORE:
        return "closed", None
    return None, None


def export_lines(
    session_id: str, events: Iterable[StoredEvent], naming: Iterable[StoredEvent]
) -> Iterator[bytes]:
    """Yield a session's events as lines that `import` stores under the same id.

    Args:
        naming: The events that may name the session's id. If they name another one, or none, the
            first line says under which id the session was stored.
    """
    named = (session_event(Frame(event.direction, event.text, event.at))[1] for event in naming)
    server_id = next(filter(None, named), None)
    chosen = session_id != server_id and not (server_id is None and _MADE_ID.fullmatch(session_id))
    for event in events:
        yield envelope_line(event, session_id if chosen and event.seq == 1 else None)
