"""Make items of a Live session, whose protocol has none of its own.

Called by the other handlers of Live sessions.
"""

from __future__ import annotations

import re
from typing import Any

from eventstore.projection.handlers.conversation import ensure_item, place_item
from eventstore.projection.live.turns import SAID_PREFIX
from eventstore.projection.live_state import ItemKind, LiveItem, LiveState
from eventstore.projection.state import Item, LogEvent, SessionState
from eventstore.realtime.values import integer

# Eleven days. A greater number is no place on a session's timeline.
_MOST_MS = 10**9

#: How the ids begin that the store makes for items of a Live session.
_MADE_ID = re.compile(
    f"{SAID_PREFIX}|item_(history|instructions|thinking|commentary|decision|input)_"
)


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


def given_id(id_: str | None) -> str | None:
    """Return the id for an item whose id an app or a server chose: never one that the store makes.

    An app may give the items that it has from this store to its next session.
    """
    return f"given_{id_}" if id_ is not None and _MADE_ID.match(id_) else id_


def is_free_for(state: SessionState, id_: str, kind: ItemKind) -> bool:
    """Return True if an event may name an item of this kind by an id.

    It may not name what was said, or what the store will call by such an id.
    """
    item = state.items.get(id_)
    if item is None or item.live is None:
        return _MADE_ID.match(id_) is None
    return item.live.kind == kind


def add_item(state: SessionState, event: LogEvent, id_: str, kind: ItemKind) -> Item:
    """Return the item with this id, at the end of the conversation. It is added if it is new."""
    item = ensure_item(state, event, id_)
    if item.live is None:
        item.live = LiveItem(kind)
    if not item.linked and item.deleted_seq is None:
        place_item(state, item, None)
    return item
