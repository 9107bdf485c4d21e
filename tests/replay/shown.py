"""What the store shows of a recorded session, for clients' own views to be compared with."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from eventstore import EventStore, Frame
from eventstore.demo import call_lines


def sample_frames() -> list[Frame]:
    """The sample call that the package carries."""
    entries = map(json.loads, call_lines())
    return [Frame(entry["direction"], entry["frame"]) for entry in entries]


def shown(
    store: EventStore, recorded: Sequence[Frame], without: Collection[str] = ()
) -> list[tuple[str, str]]:
    """The items of the session's conversations in order, and what was generated or said.

    Args:
        without: types of items to leave out.
    """
    store.append("sess_shown", recorded, close=True)
    told = []
    for conversation in store.state("sess_shown")["conversations"]:
        for item in conversation["items"]:
            if item["type"] not in without:
                parts = item.get("content") or []
                words = (part.get("text") or part.get("transcript") for part in parts)
                said = " ".join(filter(None, words))
                told.append((item["id"], item["eventstore"].get("generated") or said))
    return told
