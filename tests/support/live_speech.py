"""Write what is said in a GPT-Live session as a test wants it."""

from __future__ import annotations

from typing import Any

from eventstore.projection.live_state import LiveItem, Speaker
from eventstore.projection.state import Item
from eventstore.projection.views.resources import item_text
from support.events import Call

SESSION = {"id": "live_1", "model": "gpt-live-1", "status": "active"}
_TYPES: dict[Speaker, str] = {
    "user": "session.input_transcript.delta",
    "assistant": "session.output_transcript.delta",
}


def started(**fields: Any) -> Call:
    """A Live session that has begun."""
    return Call().server("session.started", event_id="event_0", session={**SESSION, **fields})


def say(call: Call, speaker: Speaker, start_ms: int, *words: str, each_ms: int = 200) -> Call:
    """A speaker says words without a pause, a fragment each."""
    for place, word in enumerate(words):
        begins = start_ms + place * each_ms
        fragment = word if place == 0 else f" {word}"
        call.server(
            _TYPES[speaker],
            event_id=f"event_{speaker}_{begins}_{len(call.frames)}",
            start_ms=begins,
            end_ms=begins + each_ms,
            delta=fragment,
        )
    return call


def speech(call: Call) -> list[Item]:
    """The items of what was said, in the order of the log."""
    return [item for item in call.state.items.values() if live_of(item).kind == "speech"]


def live_of(item: Item) -> LiveItem:
    """What only an item of a Live session has."""
    assert item.live is not None
    return item.live


def spoken(call: Call) -> list[tuple[str, str]]:
    """Who said what, an entry for each item."""
    return [(item.wire["role"], item_text(item)) for item in speech(call)]
