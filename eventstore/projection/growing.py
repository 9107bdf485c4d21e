"""Fold the deltas of a text that grows, one behind the other, without looking anything up.

Most events of a session are deltas of the same text as the delta before. What the fold has found
for one of them holds for the next, until another event comes. The handlers of deltas
(handlers/text_deltas.py) keep what they found as `SessionState.growing`, and the fold (fold.py)
tries it first. The result is the one of the handler.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.content import GrowingText
from eventstore.projection.repeats import EVENT_ID_MEMBER, comes_again
from eventstore.projection.state import LogEvent, SessionState
from eventstore.projection.state_size import OF_EVENT
from eventstore.realtime.frames import SERVER
from eventstore.realtime.values import identifier


def growing_text(
    state: SessionState, event: LogEvent, body: dict[str, Any], deltas: list[str]
) -> GrowingText | None:
    """Return what holds for the deltas behind one that was folded; None if nothing is sure.

    Args:
        state: The session's state. The item of the delta gets more of them before its row shows
            them.
        event, body: The delta, which is no repetition.
        deltas: The list to which it was added.
    """
    response_id, item_id = body.get("response_id"), body.get("item_id")
    of = identifier(response_id)
    texts = state.repeats.deltas.get((event.type, of or ""))
    if (
        event.direction != SERVER
        or state.protocol is None
        or of is None
        or of in state.repeats.done
        or texts is None
        or not (isinstance(response_id, str) and isinstance(item_id, str))
    ):
        return None
    created = state.repeats.created
    shared = tuple(created[key][0] for key in ("", of) if key in created)
    return GrowingText(
        event.type,
        response_id,
        item_id,
        body.get("content_index"),
        deltas,
        texts,
        shared,
    )


def grow(
    state: SessionState, growing: GrowingText, seq: int, body: dict[str, Any], text: str
) -> bool:
    """Add a server's delta to the text that grows, unless it is a repetition.

    Args:
        state: The session's state.
        growing: Its text that grows, whose deltas have the type of this one.
        seq: The delta's seq.
        body: The parsed delta.
        text: The delta's frame.

    Returns:
        False if the delta may be one of another text, or needs a closer look. Then nothing is done.
    """
    index, delta, event_id = body.get("content_index"), body.get("delta"), body.get("event_id")
    if (
        body.get("item_id") != growing.item_id
        or body.get("response_id") != growing.response_id
        or index != growing.content_index
        or type(index) is not type(growing.content_index)
        or type(delta) is not str
        or event_id in growing.shared
    ):
        return False
    if type(event_id) is not str or EVENT_ID_MEMBER not in text:
        event_id = ""
    if event_id and comes_again(growing.texts, event_id, hash((text, 0))):
        state.repeats.last = seq
    else:
        growing.deltas.append(delta)
        state.folded += len(delta) + OF_EVENT
    return True
