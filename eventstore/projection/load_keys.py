"""What a load of a session's state finds its events by: docs/adr/0003."""

from __future__ import annotations

from typing import Any

from eventstore.projection.handlers.conversation import part_index
from eventstore.realtime.catalogue import AUDIO_DELTAS, PART_DELTAS, SKIPPED_BY_REBUILD
from eventstore.realtime.frames import CLIENT
from eventstore.realtime.values import dumps, identifier, loads

#: What an event is found by that is folded in its turn.
FOLDED_IN_ORDER = ""

#: Deltas of which a load reads the first of each part, and sums up all. One that was delivered
#: twice has no load key.
SUMMED_DELTAS = AUDIO_DELTAS & PART_DELTAS

#: What the keys of parts begin with: those of generated audio, and of transcripts of the user's.
AUDIO_KEY, TRANSCRIPT_KEY = "a", "t"


def load_key(type_: str, event: dict[str, Any] | None, direction: str) -> str | None:
    """What to find an event by.

    Args:
        direction: who sent it: sums pass over audio that a client says to be the server's.

    Returns:
        `IN_ORDER`; the key of the part that a delta grows; None for an event that is not read.
    """
    if type_ in SKIPPED_BY_REBUILD or (type_ in SUMMED_DELTAS and direction == CLIENT):
        return None
    return part_key(type_, event or {}) if type_ in PART_DELTAS else FOLDED_IN_ORDER


def part_key(type_: str, event: dict[str, Any]) -> str | None:
    """The key of the part that a delta grows, None where it names no item and has no effect."""
    item_id = identifier(event.get("item_id"))
    if item_id is None:
        return None
    if type_ in AUDIO_DELTAS:
        response_id = identifier(event.get("response_id"))
        return AUDIO_KEY + dumps([item_id, part_index(event), response_id])
    return transcript_key(item_id, part_index(event))


def transcript_key(item_id: str, index: int) -> str:
    """The key of an item's part, for the deltas of its transcription."""
    return TRANSCRIPT_KEY + dumps([item_id, index])


def transcript_part(key: str) -> tuple[str, int]:
    """The item and the part that a `transcript_key` was made of."""
    item_id, index = loads(key.removeprefix(TRANSCRIPT_KEY))
    return item_id, index
