"""Estimate which words of an answer the user heard before interrupting it.

Called by the resources of items and responses (resources.py).
"""

from __future__ import annotations

from eventstore.projection.content import ContentPart
from eventstore.projection.state import Item, Response
from eventstore.projection.timed_words import WordTiming, by_start_time
from eventstore.realtime.audio import at_rate, bytes_per_ms, output_format
from eventstore.realtime.text.scripts import is_unspaced

# The speed of speech: 150 words a minute, of six letters with the space. A character of a script
# without spaces, in which a word has one or two characters, counts as three letters.
_LETTERS_PER_MS, _LETTERS_OF_ONE = 15 / 1000, 3


def heard_text(item: Item, response: Response | None, deltas: bool = True) -> str:
    """Return the text of an item that the user heard.

    A part that was not truncated counts as heard, typed text as well. Of a truncated part, the text
    is cut by the best of these that is known:

    1. the times of its words, if the server told them;
    2. the share of its audio that was played;
    3. the words that a person speaks in the time that was played, if the audio is not in the log.

    Args:
        item: The item.
        response: The response that generated the item, or None if it is unknown.
        deltas: True to include the deltas of parts that are not finished.
    """
    texts = [_heard_part(item, index, response, deltas) for index in sorted(item.parts)]
    return " ".join(said for said in texts if said)


def _heard_part(item: Item, index: int, response: Response | None, deltas: bool) -> str:
    part = item.parts[index]
    said = _text(part, deltas)
    cut = item.truncation
    if cut is None or cut.content_index != index or not said:
        return said
    if cut.audio_end_ms <= 0:
        return ""
    if part.timed:
        return _words_until(said, by_start_time(part.timed), cut.audio_end_ms)
    duration = _duration_ms(part, response)
    if duration is None:
        return _leading_words(said, cut.audio_end_ms * _LETTERS_PER_MS)
    if cut.audio_end_ms >= duration:
        return said
    return _leading_words(said, cut.audio_end_ms / duration * sum(map(_letters, said)))


def is_by_time_alone(item: Item, response: Response | None) -> bool:
    """Return True if the heard text of a truncated item is estimated by the speed of speech alone.

    This is so if its audio is not in the log, as in a call by WebRTC.
    """
    cut = item.truncation
    part = item.parts.get(cut.content_index) if cut is not None else None
    return part is not None and not part.timed and _duration_ms(part, response) is None


def _words_until(said: str, timed: list[WordTiming], end_ms: int) -> str:
    """Return the beginning of a text up to the last word that begins before `end_ms`."""
    end = 0
    for words in timed:
        if words.start_ms >= end_ms:
            break
        found = said.find(words.text.strip(), end)
        if found >= 0:
            end = found + len(words.text.strip())
    # Servers tell words without their punctuation.
    while 0 < end < len(said) and not said[end].isalnum() and not said[end].isspace():
        end += 1
    return said[:end].rstrip()


def _text(part: ContentPart, deltas: bool) -> str:
    for said in (part.text, part.transcript):
        if said is not None:
            return said
    return (part.text_so_far() or part.transcript_so_far() or "") if deltas else ""


def _duration_ms(part: ContentPart, response: Response | None) -> float | None:
    if response is None or part.audio is None or not part.audio.bytes:
        return None
    return part.audio.bytes / output_bytes_per_ms(response)


def output_bytes_per_ms(response: Response) -> float:
    """Return the bytes of one millisecond of a response's audio."""
    format_ = output_format(response.wire) or output_format(response.session)
    return bytes_per_ms(at_rate(format_, response.rates.output))


def _leading_words(said: str, letters: float) -> str:
    """Return the whole words at a text's beginning that have at most so many letters in all.

    The last word is never returned, since the text was cut.
    """
    end = 0
    for place, char in enumerate(said):
        if letters < 0:
            break
        if char.isspace() or (place and (is_unspaced(char) or is_unspaced(said[place - 1]))):
            end = place
        letters -= _letters(char)
    return said[:end].rstrip()


def _letters(char: str) -> int:
    return _LETTERS_OF_ONE if is_unspaced(char) else 1
