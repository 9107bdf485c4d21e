"""What was heard of what was generated."""

from __future__ import annotations

from eventstore.projection.state import Item, Part, Response
from eventstore.realtime.audio import bytes_per_ms, output_format


def heard_text(item: Item, response: Response | None, deltas: bool = True) -> str:
    """The text of an item that the user heard.

    Typed parts count as heard. Of a truncated part, the words that fit the share of its audio
    which was played: an estimate, since no server says where a word lies in the audio.

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
    duration = _duration_ms(part, response)
    if duration is None or cut.audio_end_ms >= duration:
        return said
    return _leading_words(said, cut.audio_end_ms / duration)


def _text(part: Part, deltas: bool) -> str:
    for said in (part.text, part.transcript):
        if said is not None:
            return said
    return (part.text_so_far() or part.transcript_so_far() or "") if deltas else ""


def _duration_ms(part: Part, response: Response | None) -> float | None:
    if response is None or part.audio is None or not part.audio.bytes:
        return None
    format_ = output_format(response.wire) or output_format(response.session)
    return part.audio.bytes / bytes_per_ms(format_)


def _leading_words(said: str, share: float) -> str:
    """Whole words that end within the share of the text's length."""
    for position in range(min(int(share * len(said)), len(said) - 1), -1, -1):
        if said[position].isspace():
            return said[:position].rstrip()
    return ""
