"""Parse only the events of a session that count, by the rules that the projection also follows.

An event that was delivered twice counts once. An event that only a server sends does not count if a
client sent it. Called by replay/player/cues.py and sound/timeline/.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.repeats import Repeats
from eventstore.realtime.catalogue import is_made_up
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse


def counted_body(repeats: Repeats, event: StoredEvent) -> dict[str, Any] | None:
    """Return the parsed event; None if it cannot be read, or does not count.

    Args:
        repeats: Was called with all events before this one; it remembers this one, too.
        event: The event.
    """
    if not isinstance(event.text, str) or is_made_up(event.direction, event.type):
        return None
    body = parse(event.text)
    if body is None or repeats.is_repeated(
        event.seq, event.direction, event.type, body, event.text
    ):
        return None
    return body
