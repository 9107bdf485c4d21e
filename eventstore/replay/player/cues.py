"""Turn a session's events into cues: lines of a replay, each with a time, who, and what.

Called by session_cues.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from eventstore.projection.repeats import Repeats
from eventstore.realtime.catalogue import (
    CLOSED,
    METADATA_SET,
    RENAMED,
    SCORED,
    SET_LATER,
    canonical,
)
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, UNREADABLE, parse
from eventstore.realtime.protocols import LIVE, Protocol, told_protocol
from eventstore.realtime.resources.outcomes import failure_of
from eventstore.realtime.resources.scores import read_score, score_resource, score_words
from eventstore.realtime.session_clock import SessionClock
from eventstore.realtime.values import mapping, non_negative_integer, sequence, text
from eventstore.replay.player.cue import Cue, CueKind, CueOrder
from eventstore.replay.player.live_cues import (
    LIVE_CUE_TYPES,
    Found,
    LiveMemory,
    last_cues,
    live_cues_of,
    quiet_cues,
)
from eventstore.replay.player.live_speech import Source
from eventstore.store.log.counted_events import counted_body
from eventstore.store.log.follow import Quiet


@dataclass
class _Memory:
    """What is remembered from one event to the next.

    Attributes:
        clock: Counts time that never goes back.
        repeats: Finds events that were delivered twice.
        streamed: The items whose text came in parts, as keys.
        seen: The items that have a cue.
        outside: The responses outside the conversation.
        protocol: The protocol of the session, as soon as an event proves it.
        live: What is remembered of a GPT-Live session.
        live_ms: Where the last event lies on its timeline. It never falls.
        last: The last event of the GPT-Live session.
    """

    clock: SessionClock = field(default_factory=SessionClock)
    repeats: Repeats = field(default_factory=Repeats)
    streamed: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    outside: set[str] = field(default_factory=set)
    protocol: Protocol | None = None
    live: LiveMemory = field(default_factory=LiveMemory)
    live_ms: float = 0.0
    last: StoredEvent | None = None


#: A fragment comes later than it is spoken, and not always equally late. So a silence counts only
#: when it is so many milliseconds longer.
_LATE_MS = 1000
#: What a GPT-Live session tells without a place on its timeline.
_WITHOUT_TIME = frozenset({METADATA_SET, SCORED, UNREADABLE})

_Told = Iterator[tuple[CueKind, str | None, str, str | None]]


class CueMaker:
    """Makes the cues of a session's events, which it takes one after the other.

    Only the items' ids are held in memory. The cues of a GPT-Live session come in the order of its
    timeline, as long as no event is awaited. After that, what was said while the other one spoke
    comes when it is clear what it is, which is up to two seconds later, with the time at which it
    began.
    """

    def __init__(self) -> None:
        self._memory, self._order = _Memory(), CueOrder()
        self._awaited = False

    def cues_of(self, event: StoredEvent | Quiet) -> Iterator[Cue]:
        """Yield the cues that the next event makes, or how long none came if it is awaited."""
        memory = self._memory
        if isinstance(event, Quiet):
            self._awaited = True
            yield from self._order.rest()
            yield from _quiet_cues(memory, event)
            return
        # Only these types are read from a store: others must not change what is told.
        is_read = event.type in _READ_TYPES
        if memory.protocol is None and is_read:
            body = parse(event.text) if isinstance(event.text, str) else None
            memory.protocol = told_protocol(event.direction, event.type, body)
        if memory.protocol == LIVE:
            if is_read:
                memory.last = event
                yield from self._in_order(_live_cues(memory, event))
            return
        at = None if event.type in SET_LATER else event.at
        moment = memory.clock.moment(at)
        offset = None if at is None else moment / 1000
        for kind, speaker, words, id_ in _cues_of(memory, event):
            yield Cue(event.seq, event.at, offset, kind, speaker, words, id_)

    def rest(self) -> Iterator[Cue]:
        """Yield the cues that were held back, when no more events come."""
        memory = self._memory
        if memory.last is not None:
            found = _as_cues(memory, memory.last, last_cues(memory.live))
            yield from self._in_order(found)
        yield from self._order.rest()

    def _in_order(self, found: Iterator[Cue]) -> Iterator[Cue]:
        return found if self._awaited else self._order.after(found, self._memory.live_ms)


def cues(events: Iterable[StoredEvent | Quiet]) -> Iterator[Cue]:
    """Yield the cues of a session's events, in order: see `CueMaker`.

    Args:
        events: The events. If they are awaited, also how long none came.
    """
    maker = CueMaker()
    for event in events:
        yield from maker.cues_of(event)
    yield from maker.rest()


def _quiet_cues(memory: _Memory, quiet: Quiet) -> Iterator[Cue]:
    """Yield the cues of a GPT-Live session that a silence makes clear."""
    passed = quiet.seconds * 1000 - _LATE_MS
    if memory.last is not None and passed > 0:
        yield from _as_cues(memory, memory.last, quiet_cues(memory.live, passed))


def _live_cues(memory: _Memory, event: StoredEvent) -> Iterator[Cue]:
    """Yield the cues of an event of a GPT-Live session, with their time on its own timeline."""
    if event.type in _WITHOUT_TIME:
        for kind, speaker, words, id_ in _cues_of(memory, event):
            yield Cue(event.seq, event.at, None, kind, speaker, words, id_)
        return
    body = counted_body(memory.repeats, event)
    if body is None or event.type.startswith("eventstore.") != (event.direction == STORE):
        return
    clock = memory.live.clock
    memory.live_ms = max(memory.live_ms, clock.moment(event.at, event.type, body))
    found = live_cues_of(memory.live, Source(event.seq, event.at), event.type, body)
    yield from _as_cues(memory, event, found)


def _as_cues(memory: _Memory, event: StoredEvent, found: Iterable[Found]) -> Iterator[Cue]:
    """Yield what was found at an event of a GPT-Live session as cues."""
    is_placed = memory.live.clock.placed or event.at is not None
    for *cue, start_ms, source in found:
        offset = float(start_ms) if start_ms is not None else memory.live_ms if is_placed else None
        seq, at = source or (event.seq, event.at)
        yield Cue(seq, at, offset, *cue)


def _cues_of(memory: _Memory, event: StoredEvent) -> _Told:
    if event.type == UNREADABLE:
        size = len(event.text)
        yield "unreadable", None, f"a frame of {size} characters that is no event", None
        return
    handler = _HANDLERS.get(canonical(event.type))
    body = counted_body(memory.repeats, event) if handler is not None else None
    if handler is not None and body is not None:
        yield from handler(memory, body)


def _opened(memory: _Memory, body: dict[str, Any]) -> _Told:
    session = mapping(body.get("session"))
    if "opened" not in memory.seen:
        memory.seen.add("opened")
        id_ = text(session.get("id"))
        yield "opened", None, " ".join(filter(None, (id_, text(session.get("model"))))), id_


def _metadata(memory: _Memory, body: dict[str, Any]) -> _Told:
    pairs = mapping(body.get("metadata"))
    if pairs:
        yield "metadata", None, ", ".join(f"{key}={value}" for key, value in pairs.items()), None


def _scored(memory: _Memory, body: dict[str, Any]) -> _Told:
    score = read_score(body.get("score"), 0, None)
    if score is not None:
        id_ = score.target_id or None
        about = [id_] if id_ is not None else []
        words = [f"{score.name} taken back"]
        if score.value is not None:
            words = score_words([score_resource("", score)])
        yield "scored", None, " ".join(about + words), id_


def _closed(memory: _Memory, body: dict[str, Any]) -> _Told:
    yield "closed", None, text(body.get("reason")) or "", None


def _error(memory: _Memory, body: dict[str, Any]) -> _Told:
    error = mapping(body.get("error"))
    yield "error", None, text(error.get("message")) or text(error.get("code")) or "error", None


def _speech_started(memory: _Memory, body: dict[str, Any]) -> _Told:
    yield "speaking", "user", "", text(body.get("item_id"))


def _transcribed(memory: _Memory, body: dict[str, Any]) -> _Told:
    words = text(body.get("transcript"))
    if words is not None:
        yield "said", "user", words.strip(), text(body.get("item_id"))


def _item(memory: _Memory, body: dict[str, Any]) -> _Told:
    """Yield the cue of an item that comes as a whole: typed text or a tool's result.

    Other items have cues from events of their own.
    """
    item = mapping(body.get("item"))
    id_ = text(item.get("id"))
    if id_ is None or id_ in memory.seen:
        return
    if item.get("type") == "function_call_output":
        memory.seen.add(id_)
        yield "tool_result", "tool", text(item.get("output")) or "", id_
    elif item.get("type") == "message" and item.get("status") != "in_progress":
        said = [text(mapping(part).get("text")) for part in sequence(item.get("content"))]
        words = " ".join(word for word in said if word)
        if words and id_ not in memory.streamed:
            memory.seen.add(id_)
            yield "said", text(item.get("role")) or "user", words, id_


def _saying(memory: _Memory, body: dict[str, Any]) -> _Told:
    id_, delta = text(body.get("item_id")) or "", text(body.get("delta"))
    if delta:
        memory.streamed[id_] = ""
        outside = text(body.get("response_id")) in memory.outside
        yield "saying", "aside" if outside else "assistant", delta, id_


def _heard(memory: _Memory, body: dict[str, Any]) -> _Told:
    delta = text(body.get("delta"))
    if delta:
        yield "saying", "user", delta, None


def _said(memory: _Memory, body: dict[str, Any]) -> _Told:
    id_ = text(body.get("item_id")) or ""
    words = text(body.get("text")) or text(body.get("transcript"))
    if words:
        memory.streamed[id_] = ""
        outside = text(body.get("response_id")) in memory.outside
        yield "said", "aside" if outside else "assistant", words, id_


def _called(memory: _Memory, body: dict[str, Any]) -> _Told:
    item = mapping(body.get("item"))
    id_ = text(item.get("id"))
    if item.get("type") in ("function_call", "mcp_call") and id_ not in memory.seen:
        memory.seen.add(id_ or "")
        arguments = " ".join((text(item.get("arguments")) or "").split())
        yield "tool_call", "assistant", f"{text(item.get('name')) or '?'}({arguments})", id_
        failure = failure_of(item)
        if failure is not None:
            yield "error", "tool", f"{text(item.get('name')) or '?'} {failure}", id_


def _listing_failed(memory: _Memory, body: dict[str, Any]) -> _Told:
    id_ = text(body.get("item_id"))
    yield "error", "tool", f"the listing of tools failed ({id_ or '?'})", id_


def _response_created(memory: _Memory, body: dict[str, Any]) -> _Told:
    response = mapping(body.get("response"))
    if "conversation_id" in response and response["conversation_id"] is None:
        memory.outside.add(text(response.get("id")) or "")
    yield from ()


def _response_done(memory: _Memory, body: dict[str, Any]) -> _Told:
    response = mapping(body.get("response"))
    id_, status = text(response.get("id")), text(response.get("status"))
    details = mapping(response.get("status_details"))
    reason = text(details.get("reason")) or text(mapping(details.get("error")).get("message"))
    if status == "cancelled" and details.get("reason") == "turn_detected":
        yield "interrupted", "user", "the user spoke while it was answering", id_
    elif status not in ("completed", None):
        yield "response_ended", None, " ".join(filter(None, (status, reason))), id_


def _truncated(memory: _Memory, body: dict[str, Any]) -> _Told:
    seconds = non_negative_integer(body.get("audio_end_ms")) / 1000
    yield "truncated", None, f"heard only the first {seconds:.1f} s", text(body.get("item_id"))


def _deleted(memory: _Memory, body: dict[str, Any]) -> _Told:
    yield "deleted", None, text(body.get("item_id")) or "", text(body.get("item_id"))


_HANDLERS: dict[str, Callable[[_Memory, dict[str, Any]], _Told]] = {
    "session.created": _opened,
    "session.updated": _opened,
    METADATA_SET: _metadata,
    SCORED: _scored,
    CLOSED: _closed,
    "session.closed": _closed,
    "error": _error,
    "input_audio_buffer.speech_started": _speech_started,
    "conversation.item.input_audio_transcription.completed": _transcribed,
    "conversation.item.added": _item,
    "conversation.item.truncated": _truncated,
    "conversation.item.deleted": _deleted,
    "response.created": _response_created,
    "response.output_text.delta": _saying,
    "response.output_audio_transcript.delta": _saying,
    "response.output_text.done": _said,
    "response.output_audio_transcript.done": _said,
    "response.output_item.done": _called,
    "mcp_list_tools.failed": _listing_failed,
    "response.done": _response_done,
    "session.input_transcript.delta": _heard,
    "session.output_transcript.delta": _saying,
}

#: The types of events that give cues, in every dialect and protocol. A replay reads no others.
CUE_TYPES = sorted(
    {
        *_HANDLERS,
        *LIVE_CUE_TYPES,
        UNREADABLE,
        *(beta for beta, ga in RENAMED.items() if ga in _HANDLERS),
    }
)
_READ_TYPES = frozenset(CUE_TYPES)
