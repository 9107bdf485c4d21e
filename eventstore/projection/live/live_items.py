"""Make items of a Live session, whose protocol has none of its own.

Called by the other handlers of Live sessions.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.handlers.conversation import ensure_item, place_item
from eventstore.projection.live_state import ItemKind, LiveItem, LiveState
from eventstore.projection.state import Item, LogEvent, SessionState
from eventstore.realtime.values import integer

# Eleven days. A greater number is no place on a session's timeline.
_MOST_MS = 10**9


def live_of(state: SessionState) -> LiveState:
    """Return what only a Live session's state has."""
    if state.live is None:
        state.live = LiveState()
    return state.live


def place_on_timeline(value: Any) -> int | None:
    """Return milliseconds from the beginning of a session, or None if they are none."""
    ms = integer(value)
    return ms if ms is not None and 0 <= ms < _MOST_MS else None


def span_of(body: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return where an event lies on the session's timeline; both ends are None if one is unknown.

    Returns:
        The start and the end in milliseconds. The end is not before the start.
    """
    start, end = place_on_timeline(body.get("start_ms")), place_on_timeline(body.get("end_ms"))
    if start is None or end is None:
        return None, None
    return start, max(start, end)


def add_item(state: SessionState, event: LogEvent, id_: str, kind: ItemKind) -> Item:
    """Return the item with this id, at the end of the conversation. It is added if it is new."""
    item = ensure_item(state, event, id_)
    if item.live is None:
        item.live = LiveItem(kind)
    if not item.linked and item.deleted_seq is None:
        place_item(state, item, None)
    return item
