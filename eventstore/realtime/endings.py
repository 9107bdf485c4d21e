"""The events that say that a session is over. Pure; used by the log, the recorder and the feed."""

from __future__ import annotations

from eventstore.realtime.catalogue import CLOSED
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, Frame
from eventstore.realtime.values import dumps, loads

#: What a GPT-Live server sends at the end.
CLOSED_BY_SERVER = "session.closed"
#: The note that an app has closed a session, without any more frames, at a time nobody told.
CLOSING = Frame(STORE, dumps({"type": CLOSED, "by": None, "code": None, "reason": None}))


def is_ending(event: StoredEvent) -> bool:
    """Return True if an event says that its session is closed."""
    noted = event.type == CLOSED and event.direction == STORE
    return noted or event.type == CLOSED_BY_SERVER


def needs_closing_note(frames: list[Frame] | tuple[Frame, ...]) -> bool:
    """Return True if nothing in the frames of a session's last append is of its end.

    That is so for no frames at all, and for notes, such as metadata: whoever follows the log would
    not learn from them that the session was closed.
    """
    return all(frame.direction == STORE and not _notes_end(frame) for frame in frames)


def _notes_end(frame: Frame) -> bool:
    try:
        event = loads(frame.text)
    except (ValueError, RecursionError):
        return False
    return isinstance(event, dict) and event.get("type") == CLOSED
