"""What was heard of what was generated."""

from __future__ import annotations

from eventstore.projection.state import ContentPart, Item, Response
from eventstore.projection.timed_words import WordTiming, by_start_time
from eventstore.realtime.audio import at_rate, bytes_per_ms, output_format
from eventstore.realtime.text.scripts import is_unspaced

# A hundred and fifty words a minute, each with its space; and what a character is beside that
# where a word has one or two of them.
_LETTERS_PER_MS, _LETTERS_OF_ONE = 15 / 1000, 3


def heard_text(item: Item, response: Response | None, deltas: bool = True) -> str:
    """The text of an item that the user heard.

    Typed parts count as heard. Of a truncated part, the words that fit the share of its audio
    which was played: an estimate, since few servers say where a word lies in the audio. Where the
    audio is not in the log, the words that are said in that time.

    Args:
        response: what generated it, None where that is not known.
        deltas: with what parts that are not finished say so far.
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
    """Return True if what was heard of a cut item is told by how fast people speak alone.

    So it is where its audio is not in the log, as in a call by WebRTC.
    """
    cut = item.truncation
    part = item.parts.get(cut.content_index) if cut is not None else None
    return part is not None and not part.timed and _duration_ms(part, response) is None


def _words_until(said: str, timed: list[WordTiming], end_ms: int) -> str:
    """The beginning of a text, with the words that the server says begin before a moment."""
    end = 0
    for words in timed:
        if words.start_ms >= end_ms:
            break
        found = said.find(words.text.strip(), end)
        if found >= 0:
            end = found + len(words.text.strip())
    # Servers tell words without the signs behind them.
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
    """Return how many bytes a millisecond of a response's audio takes."""
    format_ = output_format(response.wire) or output_format(response.session)
    return bytes_per_ms(at_rate(format_, response.rates.output))


def _leading_words(said: str, letters: float) -> str:
    """Whole words of a text's beginning that have no more letters, and never all of them."""
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
