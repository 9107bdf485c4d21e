"""Make the spans of input transcriptions: from the end of the user's speech to its transcript.

Called by session_spans.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from eventstore.exports.otel import span_content
from eventstore.exports.otel.parts import Parts
from eventstore.exports.otel.spans import (
    Attributes,
    Span,
    child_span,
    common_attributes,
    first_moment,
    first_time,
    known_attributes,
    note_failure,
    usage_attributes,
)
from eventstore.projection.latency import EventTime
from eventstore.projection.state import BilledUsage, Item, SessionState
from eventstore.projection.timed_words import by_start_time
from eventstore.projection.views import resources
from eventstore.projection.views.usage import billed_tokens
from eventstore.realtime.values import storable


def transcription_spans(state: SessionState, parts: Parts, content: bool) -> Iterator[Span]:
    """Yield the spans of a session's input transcriptions, also of those that failed.

    Args:
        parts: What of the session has spans.
        content: Include the transcripts.
    """
    for item_id, index in parts.billed:
        billed = state.billed[item_id, index]
        if billed.kind != "transcription":
            continue  # Decisions have spans of their own.
        item = state.items.get(item_id)
        span = _transcription(state, item, item_id, index, billed)
        if span is not None:
            if content and item is not None:
                span.attributes |= span_content.transcription_content(item, index)
            yield span
    for item in parts.items:
        for index, part in item.parts.items():
            if part.error and (item.id, index) not in state.billed:
                span = _transcription(state, item, item.id, index, None)
                if span is not None:
                    note_failure(span, span.attributes, part.error)
                    yield span


def _transcription(
    state: SessionState, item: Item | None, item_id: str, index: int, billed: BilledUsage | None
) -> Span | None:
    """Return the span of a transcription, or None if it has no time.

    A transcription that failed has no time of its own end, so its span has no length.
    """
    speech = item.speech if item is not None else None
    moments = []
    if speech is not None:
        moments.append(EventTime(speech.committed_at, speech.committed_seq or 0))
    if item is not None:
        moments.append(EventTime(item.seen_at, item.seen_seq))
    ended = EventTime(billed.at, billed.seq) if billed is not None else EventTime(None, 0)
    start = first_moment(state, *moments, ended)
    if start is None:
        return None
    end = first_time(first_moment(state, ended), start) or start
    model = billed.model if billed is not None else None
    usage = billed.usage if billed is not None else None
    attributes = common_attributes(state, "transcription") | known_attributes(
        {
            "gen_ai.conversation.id": resources.conversation_id(
                state, item.conversation if item is not None else None
            ),
            "gen_ai.request.model": model,
            "gen_ai.output.type": "text",
            **_told_of(item, index),
            **(usage_attributes(billed_tokens(usage, writes_text=True)) if usage else {}),
        }
    )
    name = f"transcription {model or ''}".strip()
    times = min(start, end), end
    return child_span(state, "transcription", f"{item_id}\0{index}", name, times, attributes)


def _told_of(item: Item | None, index: int) -> Attributes:
    """Return the languages and the speakers that the server stated for a transcript."""
    part = item.parts.get(index) if item is not None else None
    if part is None:
        return {}
    speakers = dict.fromkeys(one.speaker for one in by_start_time(part.timed) if one.speaker)
    told = {"eventstore.languages": part.languages, "eventstore.speakers": list(speakers)}
    return {name: list(map(storable, values)) for name, values in told.items() if values}
