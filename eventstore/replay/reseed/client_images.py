"""Find the images that a client put into a conversation: servers leave them out of their items.

Called by `EventStore.reseed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from eventstore.projection.state import Item, SessionState
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import parse
from eventstore.realtime.values import mapping, sequence, text

#: The id of an item, and the index of one of its content parts.
ContentKey = tuple[str, int]


def client_images(
    state: SessionState, read: Callable[[int], Iterable[StoredEvent]]
) -> dict[ContentKey, str]:
    """Return the URLs of images as the client gave them, by item id and index of the content part.

    Args:
        state: The session's state.
        read: Returns the event with a seq, or nothing.
    """
    found: dict[ContentKey, str] = {}
    for item in state.items.values():
        if item.create_seq is None or not _lacks_images(item):
            continue
        for event in read(item.create_seq):
            frame = parse(event.text) if isinstance(event.text, str) else None
            created = mapping(mapping(frame).get("item"))
            for index, part in enumerate(map(mapping, sequence(created.get("content")))):
                url = text(part.get("image_url"))
                if part.get("type") == "input_image" and url:
                    found[item.id, index] = url
    return found


def _lacks_images(item: Item) -> bool:
    parts: list[dict[str, Any]] = [mapping(part) for part in sequence(item.wire.get("content"))]
    return any(part.get("type") == "input_image" and not part.get("image_url") for part in parts)
