"""Handle what the user and the assistant of a Live session say.

Each fragment continues an item, or begins one (see turns.py). What the assistant says is a response
as well, so that it is found with its text and the time that the user waited for it.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.content import ContentPart
from eventstore.projection.handlers.conversation import mark_changed
from eventstore.projection.handlers.responses import ensure_response, note_answered
from eventstore.projection.handlers.session import extend_audio
from eventstore.projection.live.live_items import add_item, live_of, span_of
from eventstore.projection.live.turns import (
    SAID_PREFIX,
    add_fragment,
    continues,
    is_backchannel,
    is_cut_off,
    waited_ms,
)
from eventstore.projection.live_state import LiveItem, LiveResponse, Speaker
from eventstore.projection.state import Item, LogEvent, Response, SessionState
from eventstore.projection.timed_words import WordTiming, add_timed
from eventstore.realtime.values import text

_OTHER: dict[Speaker, Speaker] = {"user": "assistant", "assistant": "user"}
_PART_TYPES: dict[Speaker, str] = {"user": "input_audio", "assistant": "output_audio"}


def _said(speaker: Speaker) -> Any:
    """Return the handler of a speaker's fragments."""

    def handler(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
        fragment = text(body.get("delta"))
        if not fragment:
            return
        start_ms, end_ms = span_of(body)
        item = _continued(state, speaker, start_ms)
        if item is None:
            item = _begin(state, event, speaker, start_ms, str(event.seq))
        _extend(state, event, item, speaker, fragment, (start_ms, end_ms))
        _compare_speakers(state)

    return handler


def _continued(state: SessionState, speaker: Speaker, start_ms: int | None) -> Item | None:
    """Return the item that a fragment of a speaker continues, or None if it begins a new one."""
    live = live_of(state)
    item = state.items.get(live.saying.get(speaker, ""))
    if item is None or item.live is None:
        return None
    other = state.items.get(live.saying.get(_OTHER[speaker], ""))
    goes_on = continues(
        item.live,
        _last_words(item.parts[0]),
        other.live if other is not None else None,
        start_ms,
    )
    return item if goes_on else None


def may_go_on(state: SessionState, item: Item) -> bool:
    """Return True if what a speaker of a Live session says next may continue an item of speech.

    That is so until the speaker has begun another item, or what the other one says has gone so far
    that an answer to it would begin one.
    """
    if item.live is None:
        return False
    live = live_of(state)
    speaker: Speaker = "user" if item.wire.get("role") == "user" else "assistant"
    if live.saying.get(speaker) != item.id:
        return False
    other = state.items.get(live.saying.get(_OTHER[speaker], ""))
    if other is None or other.live is None or other.live.last_seq < item.live.last_seq:
        return True
    return continues(item.live, _last_words(item.parts[0]), other.live, other.live.end_ms)


def _last_words(part: ContentPart) -> str:
    fragments = part.heard_deltas or part.transcript_deltas
    return fragments[-1] if fragments else ""


def _begin(
    state: SessionState, event: LogEvent, speaker: Speaker, start_ms: int | None, name: str
) -> Item:
    """Add an item for what a speaker begins to say, and for the assistant a response.

    Args:
        name: The end of the ids of the item and of the response.
    """
    live = live_of(state)
    item = add_item(state, event, f"{SAID_PREFIX}{name}", "speech")
    item.wire = {"type": "message", "role": speaker, "status": "completed"}
    item.done = True
    item.parts[0] = ContentPart(event.seq, type=_PART_TYPES[speaker], typed_seq=event.seq)
    live.saying[speaker] = item.id
    if speaker == "user":
        state.unanswered[item.id] = None
    else:
        _begin_response(state, event, item, start_ms, f"resp_said_{name}")
    return item


def _begin_response(
    state: SessionState, event: LogEvent, item: Item, start_ms: int | None, response_id: str
) -> None:
    response = ensure_response(state, event, response_id)
    item.response_id, item.tied_seq = response.id, event.seq
    response.live = LiveResponse(spoken=item.id)
    response.wire = {"status": "completed"}
    response.output[item.id] = None
    response.first_audio_at = event.at
    response.first_audio_seq = response.speech_ended_seq = event.seq
    live = live_of(state)
    heard = state.items.get(live.heard or "")
    live.heard = None
    if heard is not None:
        _note_wait(response, heard, start_ms)
    note_answered(state, response)


def _note_wait(response: Response, heard: Item, start_ms: int | None) -> None:
    """Note how long the user waited for a response.

    Args:
        heard: What the user said before it.
        start_ms: Where the response begins on the session's timeline.
    """
    waited = waited_ms(heard.live, start_ms) if heard.live is not None else None
    if waited is not None and response.first_audio_at is not None:
        # Both times are on the session's timeline, which is more exact than arrivals.
        response.speech_ended_at = response.first_audio_at - waited * 1000


def _extend(
    state: SessionState,
    event: LogEvent,
    item: Item,
    speaker: Speaker,
    fragment: str,
    span: tuple[int | None, int | None],
) -> None:
    """Add a fragment to an item."""
    part, said = item.parts[0], item.live or LiveItem("speech")
    start_ms, end_ms = span
    words = add_fragment(said, _last_words(part), fragment, event.seq, span)
    (part.heard_deltas if speaker == "user" else part.transcript_deltas).append(words)
    if start_ms is not None and end_ms is not None:
        add_timed(part.timed, WordTiming(fragment, start_ms, end_ms))
    said.last_at = event.at
    item.done_seq, item.done_at = event.seq, event.at
    if speaker == "user":
        _note_heard(state, item, end_ms)
    else:
        response = state.responses[item.response_id or ""]
        response.done_seq, response.done_at = event.seq, event.at
        _note_spoken_on(state, start_ms)
    mark_changed(state, item)


def _note_heard(state: SessionState, item: Item, end_ms: int | None) -> None:
    """Note what the user said last, or that it came before an answer that has begun already."""
    live = live_of(state)
    answer = state.items.get(live.saying.get("assistant", ""))
    if answer is None or answer.live is None or not _is_before(end_ms, answer.live.start_ms):
        live.heard = item.id
        return
    response = state.responses[answer.response_id or ""]
    _note_wait(response, item, answer.live.start_ms)
    state.dirty.responses.add(response.id)


def _note_spoken_on(state: SessionState, start_ms: int | None) -> None:
    """Note that the assistant goes on after the user's last word, who thus waits for nothing."""
    live = live_of(state)
    heard = state.items.get(live.heard or "")
    if heard is not None and heard.live is not None and _is_before(heard.live.end_ms, start_ms):
        live.heard = None


def _is_before(end_ms: int | None, start_ms: int | None) -> bool:
    return end_ms is not None and start_ms is not None and end_ms <= start_ms


def _compare_speakers(state: SessionState) -> None:
    """Note backchannels and interruptions between what both speakers said last."""
    live = live_of(state)
    user = state.items.get(live.saying.get("user", ""))
    assistant = state.items.get(live.saying.get("assistant", ""))
    if user is None or assistant is None or user.live is None or assistant.live is None:
        return
    for one, other in ((user, assistant), (assistant, user)):
        if one.live is None or other.live is None:
            continue
        short = is_backchannel(one.live, other.live)
        if short != one.live.backchannel:
            one.live.backchannel = short
            mark_changed(state, one)
            if one is user:
                _await_answer(state, one, not short)
    response_id = assistant.response_id or ""
    before = response_id in state.interrupted
    interrupted = is_cut_off(before, assistant.live, user.live)
    if interrupted != before:
        (state.interrupted.add if interrupted else state.interrupted.discard)(response_id)
        mark_changed(state, assistant)


def _await_answer(state: SessionState, item: Item, waits: bool) -> None:
    """Note whether an item of the user waits for an answer: a backchannel does not."""
    item.answered_by = None
    if waits:
        state.unanswered[item.id] = None
    else:
        state.unanswered.pop(item.id, None)


def _output_audio(state: SessionState, event: LogEvent, body: dict[str, Any]) -> None:
    live = live_of(state)
    live.output = extend_audio(live.output, event)


def take_over(state: SessionState, event: LogEvent) -> None:
    """Take over what was folded before an event proved that the session is a Live session.

    Until then, fragments count as those of a translation.
    """
    live = live_of(state)
    live.output, state.translation_audio = state.translation_audio, None
    sides: tuple[tuple[str, Speaker], ...] = (("input", "user"), ("output", "assistant"))
    for side, speaker in sides:
        if fragments := state.translation.pop(side, None):
            item = _begin(state, event, speaker, None, f"before_{speaker}")
            for fragment in fragments:
                _extend(state, event, item, speaker, fragment, (None, None))
    for seq in list(state.requests.values):
        state.requests.pop(seq)


HANDLERS = {
    "session.input_transcript.delta": _said("user"),
    "session.output_transcript.delta": _said("assistant"),
    "session.output_audio.delta": _output_audio,
}
