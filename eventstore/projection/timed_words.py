"""Read and keep the times at which the words of a content part were said.

The handlers of the fold add the times to a part; views, exports and the page of a session show
them. Servers tell times in three ways, all of them optional:

- OpenAI's event `conversation.item.input_audio_transcription.segment` has the start and the end
  in seconds, and a speaker. A server may send a segment again with better values.
- Azure Voice Live's event `response.audio_timestamp.delta` has one word, in milliseconds.
- Azure Voice Live's `phrases` of a finished transcription have words and a language, in
  milliseconds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from eventstore.realtime.values import mapping, number, sequence, text

#: How many times and how many languages a part keeps at most.
MAX_TIMED = 5000
MAX_LANGUAGES = 20
# Eleven days. A greater number cannot be a time within a part's audio.
_MOST_MS = 1e9
# How far the last word may end after the end of speech that the server's VAD found.
_OVERRUN_MS = 1000


class WordTiming(NamedTuple):
    """Some words of a part, and the times at which they begin and end.

    Attributes:
        text: The words.
        start_ms, end_ms: The times as the server told them, in milliseconds. `on_own_audio` turns
            them into times from the beginning of the part's audio.
        speaker: The server's name of the speaker, or None.
    """

    text: str
    start_ms: float
    end_ms: float
    speaker: str | None = None


#: Identifies words that are told again: `(segment, -1.0, "")`, or `("", start_ms, text)`.
WordTimingKey = tuple[str, float, str]


def add_timed(found: dict[WordTimingKey, WordTiming], timed: WordTiming, segment: str = "") -> None:
    """Add words with their times to a part, up to `MAX_TIMED`. Repeated words count once.

    Args:
        found: The words of the part, which are changed.
        timed: The words to add.
        segment: The id of their segment, or an empty text. The words replace those of an earlier
            segment with this id if the times of both overlap. If not, both are kept, because some
            servers give all segments one id.
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
    """Return the words of a part in the order of their start times."""
    return sorted(found.values(), key=lambda timed: timed.start_ms)


def on_own_audio(
    words: list[WordTiming], start_ms: int | None, end_ms: int | None
) -> list[WordTiming]:
    """Return a turn's words with times that count from the beginning of the turn's audio.

    No server documents whether its times count from the beginning of the turn or of the session.
    Times that fit into the turn's length are taken to count from the turn. Other times that lie
    between the turn's start and end on the session's clock are taken to count from the session.

    Args:
        words: The words in the order of their start times.
        start_ms, end_ms: The turn on the session's input clock, or None if unknown.
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
    """Return the words of a transcription's `phrases` (Azure Voice Live) with their times.

    A phrase whose words have no times is returned as a whole.
    """
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
    """Return the codes of a transcript's languages, such as `["en", "de-DE"]`.

    Args:
        body: The event of the finished transcription. OpenAI's has `languages`, Qwen's and
            Azure Voice Live's a single `language`, and each of Azure's phrases has a `locale`.
    """
    told = sequence(body.get("languages")) or [body.get("language")]
    codes = [text(mapping(one).get("code")) or text(one) for one in told]
    if not any(codes):
        phrases = map(mapping, sequence(body.get("phrases"))[:MAX_TIMED])
        codes = [text(phrase.get("locale")) for phrase in phrases]
    return list(dict.fromkeys(code for code in codes if code))[:MAX_LANGUAGES]
