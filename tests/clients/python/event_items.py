"""The items of a conversation, for clients that hand on the server's events and keep none."""

from __future__ import annotations

from typing import Any

#: Events that tell an item, by the names of the GA and of before it.
TELL_ITEMS = (
    "conversation.item.added",
    "conversation.item.created",
    "conversation.item.done",
    "response.output_item.done",
)


class EventItems:
    """Takes events as dictionaries; items in the order in which they were first told."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[str, str]] = {}

    def take(self, event: dict[str, Any]) -> None:
        if event["type"] in TELL_ITEMS:
            item = event["item"]
            self._items[item["id"]] = _told(item)

    @property
    def items(self) -> list[tuple[str, str]]:
        return list(self._items.values())


def _told(item: dict[str, Any]) -> tuple[str, str]:
    if item["type"] == "function_call":
        return "call", item["name"]
    if item["type"] == "function_call_output":
        return "output", item["output"]
    parts = item.get("content") or []
    said = " ".join(filter(None, (part.get("text") or part.get("transcript") for part in parts)))
    return item["role"], said


def calls(response: dict[str, Any]) -> list[dict[str, Any]]:
    """The calls of functions in a response."""
    return [item for item in response["output"] if item["type"] == "function_call"]
