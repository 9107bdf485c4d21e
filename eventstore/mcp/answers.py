"""What a tool answers: text, a JSON object, or sound. Made by the tools, sent by server.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from eventstore.mcp.bounds import fitting, that_fit

Json = dict[str, Any]


class Answer(NamedTuple):
    """The answer of a tool.

    Attributes:
        text: Text to read; empty if `data` says it all.
        data: A JSON object, for clients that read structured content; None if there is none.
        sound: A WAV file; None if there is none.
    """

    text: str = ""
    data: Json | None = None
    sound: bytes | None = None


def numbered_page(entries: Sequence[Any], after: int, limit: int) -> Json:
    """Return a page of a list that was made whole, as an object.

    The page ends early if its entries are too large for one answer.

    Args:
        entries: All entries.
        after: How many to skip.
        limit: How many the page has at most.
    """
    kept = that_fit([fitting(entry) for entry in entries[after : after + limit]])
    behind = after + len(kept)
    more = behind < len(entries)
    return {"data": kept, "total": len(entries), "has_more": more, "next": behind if more else None}
