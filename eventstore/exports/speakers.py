"""Who said what in a call in which a server tells several speakers apart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from eventstore.realtime.values import mapping, sequence, text

Json = dict[str, Any]


def has_several_speakers(shown: Mapping[str, Any]) -> bool:
    """Return True if the server told several speakers apart in a session.

    Args:
        shown: the session whole, as `EventStore.state` gives it.
    """
    told = {
        speaker
        for conversation in shown["conversations"]
        for item in conversation["items"]
        for speaker, _ in speaker_passages(item)
        if speaker is not None
    }
    return len(told) > 1


def speaker_passages(item: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """What was said in an item, one speaker after the other; nothing where no speaker is told."""
    told = [
        (text(one.get("speaker")), (text(one.get("text")) or "").strip())
        for one in map(mapping, sequence(mapping(item.get("eventstore")).get("timed_words")))
    ]
    if any(speaker is not None for speaker, _ in told):
        for speaker, words in groupby(told, key=itemgetter(0)):
            yield speaker, " ".join(said for _, said in words)


def with_names(item: Mapping[str, Any], said: str) -> str:
    """Return what was said in an item with the names of its speakers: `[A] Hello? [B] Hi.`"""
    told = list(speaker_passages(item))
    if len(told) == 1:
        return f"[{told[0][0]}] {said}"
    return " ".join(f"[{speaker or '?'}] {words}" for speaker, words in told) or said
