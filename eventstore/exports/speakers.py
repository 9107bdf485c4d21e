"""Find out who said what in a call in which the server distinguishes several speakers. Pure.

Called by transcript.py and chat.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from eventstore.realtime.values import mapping, sequence, text

Json = dict[str, Any]


def has_several_speakers(shown: Mapping[str, Any]) -> bool:
    """Return True if the server distinguished several speakers in a session.

    Args:
        shown: The whole session, as `EventStore.state` returns it.
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
    """Yield the passages of an item, each with its speaker; nothing if no speaker is known.

    Example: `("A", "Hello?")`, then `("B", "Hi.")`. A speaker of None is not known.
    """
    told = [
        (text(one.get("speaker")), (text(one.get("text")) or "").strip())
        for one in map(mapping, sequence(mapping(item.get("eventstore")).get("timed_words")))
    ]
    if any(speaker is not None for speaker, _ in told):
        for speaker, words in groupby(told, key=itemgetter(0)):
            yield speaker, " ".join(said for _, said in words)


def with_names(item: Mapping[str, Any], said: str) -> str:
    """Return the words of an item with the names of its speakers: `[A] Hello? [B] Hi.`"""
    told = list(speaker_passages(item))
    if len(told) == 1:
        return f"[{told[0][0]}] {said}"
    return " ".join(f"[{speaker or '?'}] {words}" for speaker, words in told) or said
