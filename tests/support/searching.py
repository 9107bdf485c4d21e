"""Sessions that say something, and which of them a search finds."""

from __future__ import annotations

from typing import Any

from eventstore import EventStore
from support.events import Call, audio_part, message


def say(store: EventStore, text: str, session_id: str = "sess") -> None:
    """A session in which one response says this."""
    item = message("item_1", "assistant", audio_part(text))
    call = Call().created("resp_1")
    call.server("response.output_item.done", response_id="resp_1", item=item)
    store.append(session_id, call.done("resp_1", output=[item]).frames)


def matches(store: EventStore, query: str, **options: Any) -> list[str]:
    """The matches that the responses of a search show."""
    page = store.responses(text=query, limit=100, **options)
    return [match["text"] for entry in page.data for match in entry["eventstore"]["match"]]


def sessions(store: EventStore, query: str) -> set[str]:
    """The sessions whose response a search finds."""
    page = store.responses(text=query, limit=100)
    return {entry["eventstore"]["session_id"] for entry in page.data}
