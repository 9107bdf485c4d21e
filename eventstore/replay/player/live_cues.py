"""Turn the events of a GPT-Live session into cues: speech, context, delegations, what else happens.

Called by cues.py. The time of a cue is the place of its event on the session's own timeline.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventstore.projection.live.appends import answer_key, append_keys, event_key
from eventstore.projection.live.live_items import span_of
from eventstore.projection.live.timeline import LiveClock
from eventstore.projection.live_state import Speaker
from eventstore.projection.pending import Pending
from eventstore.realtime.catalogue import CLOSED
from eventstore.realtime.resources.live_outcomes import MOMENT_WORDS, decision_words
from eventstore.realtime.resources.outcomes import failure_of
from eventstore.realtime.values import identifier, mapping, sequence, text
from eventstore.replay.player.live_speech import LiveSpeech, Piece, Source

#: The most appends whose answer is waited for.
_MOST_WAITING = 1000
_FAILED = frozenset({"response.failed", "response.incomplete", "response.cancelled"})
_SPEAKERS: dict[str, Speaker] = {
    "session.input_transcript.delta": "user",
    "session.output_transcript.delta": "assistant",
}
_MOMENTS = {
    "session.paused": "paused",
    "session.resumed": "resumed",
    "session.input_audio.muted": "muted",
    "session.input_audio.unmuted": "unmuted",
    "session.output_audio.fixture.playing": "fixture_playing",
    "session.output_audio.fixture.played": "fixture_played",
    "transport.ringing": "ringing",
    "transport.answered": "answered",
}
_INTERRUPTED = "the user spoke while it was answering"
_KEYS = {"transport.dtmf.received": "received", "transport.dtmf.sent": "sent"}


class Found(NamedTuple):
    """A cue without its time: what `Cue` has under the same names.

    Attributes:
        start_ms: Where it is on the timeline, if that is known and not where its event is.
        source: The event that says so, if it is an earlier one.
    """

    kind: Any
    speaker: str | None
    text: str
    id: str | None = None
    overlaps: bool = False
    start_ms: int | None = None
    source: Source | None = None


@dataclass
class LiveMemory:
    """What is remembered of a Live session from one event to the next.

    Attributes:
        clock: Where the events lie on the session's timeline.
        speech: What both speakers say.
        opened: True if the session has a cue for its beginning.
        appends: How often the app appended context.
        waiting: The kinds of context that the app appended, until the server answers.
        calls: The backend's calls that have a cue.
    """

    clock: LiveClock = field(default_factory=LiveClock)
    speech: LiveSpeech = field(default_factory=LiveSpeech)
    opened: bool = False
    appends: int = 0
    waiting: Pending[str] = field(default_factory=Pending)
    calls: set[str] = field(default_factory=set)


def live_cues_of(
    memory: LiveMemory, event: Source, type_: str, body: dict[str, Any]
) -> Iterator[Found]:
    """Yield the cues of one event of a Live session."""
    speaker = _SPEAKERS.get(type_)
    if speaker is not None:
        yield from _spoken(memory, event, speaker, body)
        return
    yield from map(_piece, memory.speech.passes(memory.clock.now))
    if type_ in _MOMENTS:
        yield Found("moment", None, MOMENT_WORDS[_MOMENTS[type_]])
    elif type_ in _KEYS:
        yield Found("moment", None, f"key {_KEYS[type_]}: {text(body.get('event')) or '?'}")
    elif (handler := _HANDLERS.get(type_)) is not None:
        yield from handler(memory, body)


def _spoken(
    memory: LiveMemory, event: Source, speaker: Speaker, body: dict[str, Any]
) -> Iterator[Found]:
    words = text(body.get("delta"))
    if not words:
        return
    start, end = span_of(body)
    yield from map(_piece, memory.speech.fragment(speaker, words, event, start, end))


def quiet_cues(memory: LiveMemory, quiet_ms: float) -> Iterator[Found]:
    """Yield what can be told of a running session because no event came for some time."""
    yield from map(_piece, memory.speech.passes(memory.clock.later(quiet_ms)))


def last_cues(memory: LiveMemory) -> Iterator[Found]:
    """Yield what was held back until the end of the events."""
    yield from map(_piece, memory.speech.ends())


def _piece(piece: Piece) -> Found:
    text = _INTERRUPTED if piece.kind == "interrupted" else piece.text
    place = piece.start_ms, piece.source
    return Found(piece.kind, piece.speaker, text, piece.id, piece.overlaps, *place)


def _started(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
    session = mapping(body.get("session"))
    if not memory.opened:
        memory.opened = True
        id_ = text(session.get("id"))
        yield Found("opened", None, " ".join(filter(None, (id_, text(session.get("model"))))), id_)


def _closed(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
    yield from map(_piece, memory.speech.ends())
    yield Found("closed", None, text(body.get("reason")) or "")


def _error(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
    error = mapping(body.get("error"))
    refused = text(error.get("client_event_id")) or text(body.get("client_event_id"))
    if refused is not None:
        _is_answered(memory, event_key(refused))
    yield Found("error", None, text(error.get("message")) or text(error.get("code")) or "error")


def _append(kind: str) -> Callable[[LiveMemory, dict[str, Any]], Iterator[Found]]:
    def handler(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
        memory.appends += 1
        memory.waiting.add(memory.appends, kind, *append_keys(kind, body))
        if len(memory.waiting) > _MOST_WAITING:
            memory.waiting.pop(next(iter(memory.waiting.values)))
        yield Found("context", kind, text(body.get("content")) or "")

    return handler


def _appended(kind: str) -> Callable[[LiveMemory, dict[str, Any]], Iterator[Found]]:
    """Return the handler of an answer, which has a cue only if another connection appended it."""

    def handler(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
        if not _is_answered(memory, answer_key(kind, body)):
            yield Found("context", kind, "(its text is not in the log)")

    return handler


def _is_answered(memory: LiveMemory, key: Hashable) -> bool:
    """Return True if an append with this key waits for its answer, which has come now."""
    append = memory.waiting.first(key)
    if append is not None:
        memory.waiting.pop(append)
    return append is not None


def _delegated(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
    delegation = mapping(body.get("delegation"))
    target = text(delegation.get("target")) or "?"
    yield Found("delegation", "assistant", f"to {target}", identifier(delegation.get("id")))


def _backend(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
    """Yield the cues of a backend's event: calls of tools, what it wrote, and how it failed."""
    nested = mapping(body.get("event"))
    kind, item = text(nested.get("type")), mapping(nested.get("item"))
    id_ = text(item.get("id"))
    if kind == "response.output_item.done":
        yield from _backend_item(memory, item, id_)
    elif kind in _FAILED:
        response = mapping(nested.get("response"))
        error = text(mapping(response.get("error")).get("message"))
        reason = error or text(mapping(response.get("incomplete_details")).get("reason"))
        ended = " ".join(filter(None, (text(response.get("status")), reason)))
        yield Found("response_ended", None, f"backend: {ended}", text(response.get("id")))
    elif kind == "error":
        yield from _error(memory, {"error": mapping(nested.get("error")) or nested})


def _backend_item(memory: LiveMemory, item: dict[str, Any], id_: str | None) -> Iterator[Found]:
    if item.get("type") in ("function_call", "mcp_call") and id_ not in memory.calls:
        memory.calls.add(id_ or "")
        arguments = " ".join((text(item.get("arguments")) or "").split())
        yield Found("tool_call", "backend", f"{text(item.get('name')) or '?'}({arguments})", id_)
        failure = failure_of(item)
        if failure is not None:
            yield Found("error", "tool", f"{text(item.get('name')) or '?'} {failure}", id_)
    elif item.get("type") == "message" and (words := _words(item)):
        yield Found("backend", "backend", words, id_)


def _input_item(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
    item = mapping(body.get("item"))
    if item.get("type") == "function_call_output":
        yield Found("tool_result", "tool", text(item.get("output")) or "", text(item.get("id")))
    elif words := _words(item):
        yield Found("backend", f"to backend: {text(item.get('role')) or '?'}", words)


def _decided(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
    decision = mapping(mapping(body.get("event")).get("decision"))
    yield Found("decision", None, decision_words(decision), identifier(body.get("delegation_id")))


def _transport_failed(memory: LiveMemory, body: dict[str, Any]) -> Iterator[Found]:
    error = mapping(body.get("error"))
    why = text(error.get("message")) or text(error.get("code")) or ""
    yield Found("error", None, f"the call could not be set up: {why}")


def _words(item: dict[str, Any]) -> str:
    said = (text(mapping(part).get("text")) for part in sequence(item.get("content")))
    return " ".join(word for word in said if word)


_HANDLERS: dict[str, Callable[[LiveMemory, dict[str, Any]], Iterator[Found]]] = {
    "session.started": _started,
    "session.closed": _closed,
    CLOSED: _closed,
    "error": _error,
    **{
        f"session.{kind}.{suffix}": make(kind)
        for kind in ("instructions", "thinking", "commentary")
        for suffix, make in (("append", _append), ("appended", _appended))
    },
    "session.delegation.created": _delegated,
    "response.event": _backend,
    "response.item.create": _input_item,
    "decision.event": _decided,
    "transport.failed": _transport_failed,
}
#: The types of events that give cues in a Live session.
LIVE_CUE_TYPES = frozenset({*_HANDLERS, *_SPEAKERS, *_MOMENTS, *_KEYS})
