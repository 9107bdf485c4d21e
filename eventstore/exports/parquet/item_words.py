"""Give each word of an item its time, for rows of `items.parquet`. Pure.

Called by write_parquet.py.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from eventstore.exports.word_times import estimated_word_times
from eventstore.projection.timed_words import MAX_TIMED
from eventstore.realtime.values import mapping, number, sequence, storable, text

Json = dict[str, Any]
# An estimate divides a turn's audio into so many parts a second.
_PER_SECOND = 100.0
_SILENT = np.zeros(0, np.float32)


def timed_words_of(item: Json) -> tuple[list[Json] | None, str | None]:
    """Return the words of an item with their times, and where the times are from.

    Args:
        item: The item's resource, as in the read model.

    Returns:
        Words as objects with `text`, `start_ms` and `end_ms` on the item's own audio (in a
        GPT-Live session, on the session's timeline), and
        `speaker`. Then `server` if the server stated the times, or `estimate` if the words were
        spread over the audio by their letters. Both are None if the item has no words, or no audio
        of known length.
    """
    notes = mapping(item.get("eventstore"))
    # The server tells the words of a GPT-Live session on the session's timeline.
    begins = number(notes.get("start_ms")) or 0 if notes.get("kind") == "speech" else 0
    told = [_word(mapping(one), begins) for one in sequence(notes.get("timed_words"))]
    if told:
        return told, "server"
    estimated = _estimated(_spoken(item, notes).split(), _duration_ms(notes))
    return (estimated, "estimate") if estimated else (None, None)


def languages_of(item: Json) -> list[str] | None:
    """Return the codes of the languages that the server heard in an item, or None."""
    told = sequence(mapping(item.get("eventstore")).get("languages"))
    return [code for code in map(_text, told) if code] or None


def _word(told: Json, begins: float) -> Json:
    start, end = number(told.get("start_ms")), number(told.get("end_ms"))
    return {
        "text": _text(told.get("text")),
        "start_ms": None if start is None else start - begins,
        "end_ms": None if end is None else end - begins,
        "speaker": _text(told.get("speaker")),
    }


def _text(value: Any) -> str | None:
    """Return a text that a file can hold: lone surrogates are replaced."""
    return storable(value) if isinstance(value, str) else None


def _spoken(item: Json, notes: Json) -> str:
    """Return the words of the item's audio; none if the item has several content parts."""
    generated = text(notes.get("generated"))
    if generated:
        return generated
    parts = [mapping(part) for part in sequence(item.get("content"))]
    return (text(parts[0].get("transcript")) or "") if len(parts) == 1 else ""


def _duration_ms(notes: Json) -> float:
    audio = sequence(notes.get("audio"))
    return (number(mapping(audio[0]).get("duration_ms")) or 0.0) if len(audio) == 1 else 0.0


def _estimated(words: list[str], duration_ms: float) -> list[Json]:
    if not words or duration_ms <= 0:
        return []
    begins = estimated_word_times(words, [(0.0, duration_ms / 1000)], _SILENT, _PER_SECOND)
    ends = [*begins[1:], duration_ms / 1000]
    timed = islice(zip(words, begins, ends, strict=False), MAX_TIMED)
    return [
        {
            "text": storable(word),
            "start_ms": round(start * 1000, 1),
            "end_ms": round(end * 1000, 1),
            "speaker": None,
        }
        for word, start, end in timed
    ]
