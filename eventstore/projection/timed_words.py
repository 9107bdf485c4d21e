"""When the words of a part were said, as a server tells it. `fold` adds them, `view` shows them.

Servers tell it in three ways, all of them optional:

- OpenAI's `conversation.item.input_audio_transcription.segment`: start and end in seconds, and
  whom the server tells from others. A server may send a segment again when it knows more.
- Azure Voice Live's `response.audio_timestamp.delta`: a word each, in milliseconds.
- Azure Voice Live's `phrases` of a finished transcription: words and languages, in milliseconds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from eventstore.realtime.values import mapping, number, sequence, text

#: How many stretches of a part's words have a time of their own.
MAX_TIMED = 5000
MAX_LANGUAGES = 20
# A time beyond eleven days lies on no part's audio: it is a date, or no time at all.
_MOST_MS = 1e9
# By how much a server's times may run over the end that its voice detection found.
_OVERRUN_MS = 1000


class WordTiming(NamedTuple):
    """Some words of a part, and when the server says they are said, in milliseconds.

    Attributes:
        start_ms, end_ms: on the part's own audio; as the server told them, until `on_own_audio`.
        speaker: whom the server tells from others; None where it does not.
    """

    text: str
    start_ms: float
    end_ms: float
    speaker: str | None = None


#: By what words are known that are told again: their segment, or else their time and their text.
WordTimingKey = tuple[str, float, str]


def add_timed(found: dict[WordTimingKey, WordTiming], timed: WordTiming, segment: str = "") -> None:
    """Add words that have a time of their own, up to a bound; what is told again counts once.

    Args:
        found: the part's, changed in place.
        segment: the id of the segment that the words are. It replaces an earlier one of the same
            id, unless the two lie apart: there are servers that give all segments one id.
    """
    if not timed.text.strip() or not 0 <= timed.start_ms <= timed.end_ms < _MOST_MS:
        return
    key: WordTimingKey = (segment, -1.0, "") if segment else ("", timed.start_ms, timed.text)
    before = found.get(key)
    if segment and before is not None and _lie_apart(before, timed):
        key = (segment, timed.start_ms, "")
    if key in found or len(found) < MAX_TIMED:
        found[key] = timed


def _lie_apart(one: WordTiming, other: WordTiming) -> bool:
    if one.start_ms == other.start_ms:
        return False
    return one.end_ms <= other.start_ms or other.end_ms <= one.start_ms


def by_start_time(found: dict[WordTimingKey, WordTiming]) -> list[WordTiming]:
    """The words by the time at which they begin, however they arrived."""
    return sorted(found.values(), key=lambda timed: timed.start_ms)


def on_own_audio(
    words: list[WordTiming], start_ms: int | None, end_ms: int | None
) -> list[WordTiming]:
    """Return a turn's words by the time on its own audio.

    No server documents whether it counts from the beginning of the turn or of the session. Times
    that fit in the turn's length count from the turn. Times that do not, and that lie between the
    turn's start and end on the session's clock, count from the session.

    Args:
        words: in order.
        start_ms, end_ms: the turn, on the session's input clock; None where nobody told.
    """
    if not words or start_ms is None or end_ms is None or start_ms <= 0:
        return words
    last = max(timed.end_ms for timed in words)
    first = words[0].start_ms
    if last <= end_ms - start_ms or first < start_ms or last > end_ms + _OVERRUN_MS:
        return words
    return [
        timed._replace(start_ms=timed.start_ms - start_ms, end_ms=timed.end_ms - start_ms)
        for timed in words
    ]


def words_of_phrases(told: Any) -> list[WordTiming]:
    """The words of a transcription's phrases; a phrase whose words have no times is one of them."""
    found = []
    for phrase in map(mapping, sequence(told)[:MAX_TIMED]):
        words = [_word(mapping(word)) for word in sequence(phrase.get("words"))[:MAX_TIMED]]
        timed = [word for word in words if word is not None]
        whole = _word(phrase)
        if not timed and whole is not None:
            timed = [whole]
        found += timed
        if len(found) >= MAX_TIMED:
            break
    return found


def _word(told: dict[str, Any]) -> WordTiming | None:
    said, start = text(told.get("text")), number(told.get("offset_milliseconds"))
    lasts = number(told.get("duration_milliseconds"))
    if said is None or start is None or lasts is None:
        return None
    return WordTiming(said, start, start + lasts)


def transcript_languages(body: dict[str, Any]) -> list[str]:
    """The codes of the languages that a transcript is in, as its event tells them.

    OpenAI has `languages`, Azure Voice Live and Qwen a single `language`, and Azure's phrases
    have a `locale` each.
    """
    told = sequence(body.get("languages")) or [body.get("language")]
    codes = [text(mapping(one).get("code")) or text(one) for one in told]
    if not any(codes):
        phrases = map(mapping, sequence(body.get("phrases"))[:MAX_TIMED])
        codes = [text(phrase.get("locale")) for phrase in phrases]
    return list(dict.fromkeys(code for code in codes if code))[:MAX_LANGUAGES]
