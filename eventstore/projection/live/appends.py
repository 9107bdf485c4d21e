"""Keys by which the server's answer finds what an app appended to a Live session. Pure.

Called by the fold (context.py) and by the player's cues, for values of `Pending`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from eventstore.realtime.values import text


def append_keys(kind: str, body: dict[str, Any]) -> list[Hashable]:
    """Return the keys of a client's event that appends context.

    Args:
        kind: `instructions`, `thinking` or `commentary`.
        body: The event.
    """
    event_id = text(body.get("event_id"))
    return [("kind", kind)] if event_id is None else [("kind", kind), event_key(event_id)]


def answer_key(kind: str, body: dict[str, Any]) -> Hashable:
    """Return the key of what the server's answer says was appended.

    If it names a client's event, it answers no other one: that may be another connection's.
    """
    named = text(body.get("client_event_id"))
    return ("kind", kind) if named is None else event_key(named)


def event_key(event_id: str) -> Hashable:
    """Return the key of a client's event by its id."""
    return "event", event_id
