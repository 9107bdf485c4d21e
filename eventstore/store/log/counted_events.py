"""Events as they count: not what was delivered twice, nor what a client says in a server's place.

The fold passes over the same events, by the same rules.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.repeats import Repeats
from eventstore.realtime.catalogue import is_made_up
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse


def counted_body(repeats: Repeats, event: StoredEvent) -> dict[str, Any] | None:
    """Return the parsed event; None for one that cannot be read, or counts for nothing.

    Args:
        repeats: has seen the events before this one, and remembers it.
    """
    if not isinstance(event.text, str) or is_made_up(event.direction, event.type):
        return None
    body = parse(event.text)
    if body is None or repeats.is_repeated(
        event.seq, event.direction, event.type, body, event.text
    ):
        return None
    return body
