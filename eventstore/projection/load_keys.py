"""Compute the load key of an event: the column by which a load of a state selects events.

A load reads no deltas of finished parts (docs/adr/0003). The key is written with each event
(store/log/insert_events.py), read by store/readmodels/states, and checked by verify.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.handlers.conversation import part_index
from eventstore.realtime.catalogue import AUDIO_DELTAS, PART_DELTAS, SKIPPED_BY_REBUILD
from eventstore.realtime.frames import CLIENT
from eventstore.realtime.values import dumps, identifier, loads

#: The key of an event that a load reads and folds in its order.
FOLDED_IN_ORDER = ""

#: Deltas of audio. A load reads the first one of each part, and lets the database sum the others.
SUMMED_DELTAS = AUDIO_DELTAS & PART_DELTAS

#: The first character of keys of generated audio, and of the user's transcripts.
AUDIO_KEY, TRANSCRIPT_KEY = "a", "t"


def load_key(type_: str, event: dict[str, Any] | None, direction: str) -> str | None:
    """Return the load key of an event.

    Args:
        type_: The event's type on the wire.
        event: The parsed event, or None if its frame is unreadable.
        direction: The sender. An audio delta of a client gets no key: only servers send audio.

    Returns:
        `FOLDED_IN_ORDER`, or the key of the part to which a delta belongs, such as
        `t["item_1",0]`, or None for an event that a load does not read.
    """
    if type_ in SKIPPED_BY_REBUILD or (type_ in SUMMED_DELTAS and direction == CLIENT):
        return None
    return part_key(type_, event or {}) if type_ in PART_DELTAS else FOLDED_IN_ORDER


def part_key(type_: str, event: dict[str, Any]) -> str | None:
    """Return the key of the part to which a delta belongs, or None if it names no item."""
    item_id = identifier(event.get("item_id"))
    if item_id is None:
        return None
    if type_ in AUDIO_DELTAS:
        response_id = identifier(event.get("response_id"))
        return AUDIO_KEY + dumps([item_id, part_index(event), response_id])
    return transcript_key(item_id, part_index(event))


def transcript_key(item_id: str, index: int) -> str:
    """Return the key for the transcription's deltas of one part of an item."""
    return TRANSCRIPT_KEY + dumps([item_id, index])


def transcript_part(key: str) -> tuple[str, int]:
    """Return the item's id and the part's index from a `transcript_key`."""
    item_id, index = loads(key.removeprefix(TRANSCRIPT_KEY))
    return item_id, index
