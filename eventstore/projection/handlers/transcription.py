"""Handle events of transcriptions of the user's speech: texts, times of words, usage, failures.

A recording that begins in the middle of a turn has no event that adds the turn's item. Then the
first event of its transcription adds it.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.content import ContentPart
from eventstore.projection.handlers.conversation import (
    accepts_heard,
    append_delta,
    ensure_item,
    ensure_part,
    finish_part,
    is_repeated_event,
    note_part_type,
    part_index,
    place_item,
)
from eventstore.projection.handlers.session import name_conversation
from eventstore.projection.state import BilledUsage, Item, LogEvent, Response, SessionState
from eventstore.projection.timed_words import (
    WordTiming,
    add_timed,
    transcript_languages,
    words_of_phrases,
)
from eventstore.realtime.values import identifier, mapping, number, text


def _transcription_delta(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item_id, delta = identifier(body.get("item_id")), text(body.get("delta"))
    if item_id is None or delta is None:
        return
    index = part_index(body)
    item = state.items.get(item_id)
    part = item.parts.get(index) if item is not None else None
    if item is None or part is None or part.type is None:
        # The delta often comes before the event that adds its item.
        if not is_repeated_event(state, event, body):
            state.early_transcripts.setdefault((item_id, index), []).append(delta)
    elif accepts_heard(part) and not is_repeated_event(state, event, body):
        append_delta(state, item, part.heard_deltas, delta)


def _transcript_so_far(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep the whole transcript until now, which some servers, such as xAI's, send each time."""
    item, transcript = _heard_item(state, event, body), text(body.get("transcript"))
    if item is None or transcript is None:
        return
    part = ensure_part(item, event, body)
    if part.transcript is None:
        part.partial = transcript


def _segment(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    """Keep the times and the speaker of some of the user's words."""
    item, said = _heard_item(state, event, body), text(body.get("text"))
    start, end = number(body.get("start")), number(body.get("end"))
    if item is None or said is None or start is None:
        return
    end = start if end is None else end
    timed = WordTiming(said, start * 1000, end * 1000, text(body.get("speaker")) or None)
    add_timed(ensure_part(item, event, body).timed, timed, text(body.get("id")) or "")


def _heard_item(state: SessionState, event: LogEvent, body: dict[str, Any]) -> Item | None:
    """Return the user's item that an event of its transcription names, or None if it names none.

    An item that no other event has told gets a guessed place in its conversation, until another
    event tells the true one.
    """
    item_id = identifier(body.get("item_id"))
    if item_id is None:
        return None
    item = ensure_item(state, event, item_id)
    ensure_part(item, event, body)
    note_part_type(state, item, part_index(body), event, "input_audio")
    if not item.linked and item.deleted_seq is None and item.response_id is None:
        _place_before_answer(state, item)
    return item


def _place_before_answer(state: SessionState, item: Item) -> None:
    """Place a user's item that no event has placed: before a response that began unseen, if any."""
    answer = _late_answer(state)
    first = next(iter(answer.output), None) if answer is not None else None
    conversation = name_conversation(state, None)
    order = state.conversations[conversation].order
    if first is not None and first in order:
        before = order.before[first]
        place_item(state, item, before, at_start=before is None)
    else:
        place_item(state, item, None)
    item.guessed = True
    if answer is None:
        state.unanswered[item.id] = None
    else:
        item.answered_by = answer.id


def _late_answer(state: SessionState) -> Response | None:
    """Return the response in progress if the event that began it was not recorded; else None."""
    response = next(reversed(state.responses.values()), None)
    if response is None or response.created_seq or response.done_seq is not None:
        return None
    return response if response.conversation is not None else None


def _transcribed(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = _heard_item(state, event, body)
    if item is None:
        return
    item_id, part = item.id, ensure_part(item, event, body)
    transcript = text(body.get("transcript"))
    if transcript is not None:
        finish_part(part, transcript=transcript)
        part.error = None
    part.languages = transcript_languages(body) or part.languages
    _take_phrases(part, body)
    usage = body.get("usage")
    part.usage = usage if isinstance(usage, dict) else part.usage
    # Servers may transcribe a part again: the last usage counts.
    key = (item_id, part_index(body))
    if key in state.billed:
        state.dirty.unbilled.add(state.billed[key].at)
    state.billed[key] = BilledUsage(
        event.seq, event.at, item_id, key[1], transcription_model(state.wire), part.usage
    )
    state.dirty.billed.add(key)


def _take_phrases(part: ContentPart, body: dict[str, Any]) -> None:
    """Keep the times of a transcript's words, unless the part has times with speakers."""
    words = words_of_phrases(body.get("phrases"))
    if not words or any(timed.speaker for timed in part.timed.values()):
        return
    part.timed = {}
    for timed in words:
        add_timed(part.timed, timed)


def _transcription_failed(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    item = _heard_item(state, event, body)
    if item is None:
        return
    error = mapping(body.get("error"))
    ensure_part(item, event, body).error = error
    state.diagnose(
        event, "transcription_failed", text(error.get("message")) or "the transcription failed"
    )


def transcription_model(session: dict[str, Any]) -> str | None:
    """Return the model that transcribes the user's audio, from the session's configuration."""
    audio = mapping(mapping(session.get("audio")).get("input"))
    settings = audio.get("transcription") or session.get("input_audio_transcription")
    return text(mapping(settings).get("model"))


HANDLERS = {
    "conversation.item.input_audio_transcription.delta": _transcription_delta,
    "conversation.item.input_audio_transcription.updated": _transcript_so_far,
    "conversation.item.input_audio_transcription.segment": _segment,
    "conversation.item.input_audio_transcription.completed": _transcribed,
    "conversation.item.input_audio_transcription.failed": _transcription_failed,
}
