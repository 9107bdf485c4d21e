"""Which server frame answered which client frame: no event says so but by order, type and ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventstore.projection.fold import apply_fields
from eventstore.projection.state import SessionState
from eventstore.realtime.catalogue import DELTAS, INPUT_AUDIO, canonical
from eventstore.realtime.frames import CLIENT, SERVER, Frame, decode_columns
from eventstore.realtime.values import mapping, sequence, text
from eventstore.replay.serving.input_clock import InputClock

#: Keys whose values are ids, wherever they stand; `id` itself is one only in what is named here.
ID_KEYS = frozenset(
    {
        "event_id",
        "item_id",
        "previous_item_id",
        "response_id",
        "call_id",
        "conversation_id",
        "approval_request_id",
    }
)
#: Texts that stand for no id, and keys under which users keep what they like.
_NO_IDS = frozenset({"", "root"})
_USERS_OWN = frozenset({"metadata", "parameters"})
_WITH_IDS = frozenset({"session", "conversation", "response", "item", "output", "input"})

CANCEL = "response.cancel"

#: What the server answers a client's frame with, by GA names. Items and responses are matched by
#: the projection, which knows more.
_ANSWERS = {
    "session.updated": "session.update",
    "input_audio_buffer.committed": "input_audio_buffer.commit",
    "input_audio_buffer.cleared": "input_audio_buffer.clear",
    "output_audio_buffer.cleared": "output_audio_buffer.clear",
    "conversation.item.retrieved": "conversation.item.retrieve",
    "conversation.item.truncated": "conversation.item.truncate",
    "conversation.item.deleted": "conversation.item.delete",
    "response.done": CANCEL,
    "session.closed": "session.close",
}


_REQUESTS = frozenset({"response.create", "conversation.item.create"})
#: What the server says of the user's audio by itself, by GA names.
_HEARS = frozenset(
    {
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "input_audio_buffer.timeout_triggered",
    }
)

#: Unanswered frames that an answer is looked for among.
_WAITING = 1000


class ExpectedFrame(NamedTuple):
    """A client's frame of the recording, streamed audio apart.

    Attributes:
        seq: its place in the recording.
        at: arrival in microseconds since 1970 UTC, None where unknown.
        type: its type on the wire.
        event: the parsed event without its audio, None where the frame cannot be read.
    """

    seq: int
    at: int | None
    type: str
    event: dict[str, Any] | None


class AudioReceived(NamedTuple):
    """How much of the user's audio had come at a moment of the recording.

    Attributes:
        ms: its length in milliseconds, from the start of the recording.
        at: when the last of it came, in microseconds since 1970 UTC; None where unknown.
    """

    ms: float
    at: int | None


@dataclass
class Script:
    """What a recording tells of the order of things.

    Attributes:
        expected: the client's frames, in order.
        waits: by the seq of a server's frame, that of the client's frame which it answered.
        hears: by the seq of a server's frame that the user's audio led to, how much of it had come.
        input_ms: milliseconds of the user's audio that were streamed in all.
        asked: by a response's id, the seq of the client's frame that asked for it.
        idle: the seqs of the client's cancels that ended no answer: it was over, or the user cut it
            off. Whether a client sends such a one is a race.
        cut_off: the ids of responses that the user cut off, as the server's turn detection heard.
        session: the session as the server described it first.
        made: by the seq of a client's frame, the id that the server gave to the item it created.
        server_ids: ids that the server chose.
        client_ids: ids that the client chose.
    """

    expected: list[ExpectedFrame] = field(default_factory=list)
    waits: dict[int, int] = field(default_factory=dict)
    hears: dict[int, AudioReceived] = field(default_factory=dict)
    input_ms: float = 0.0
    asked: dict[str, int] = field(default_factory=dict)
    idle: set[int] = field(default_factory=set)
    cut_off: set[str] = field(default_factory=set)
    session: dict[str, Any] = field(default_factory=dict)
    made: dict[int, str] = field(default_factory=dict)
    server_ids: set[str] = field(default_factory=set)
    client_ids: set[str] = field(default_factory=set)


class ScriptWriter:
    """Makes a script of a recording, one frame after the other."""

    def __init__(self) -> None:
        self.script = Script()
        self._state = SessionState("")
        self._input, self._heard = InputClock(), AudioReceived(0.0, None)
        self._configured = self._state.wire
        self._waiting: dict[int, ExpectedFrame] = {}
        # Client's frames that the projection may find an answer to, and those that it just did.
        self._requests: set[int] = set()
        self._taken: list[int] = []
        self._state.requests.popped = self._state.creates.popped = self._taken

    def add(self, seq: int, frame: Frame) -> str:
        """Take in the recording's next frame; its type."""
        type_, _, _, audio, event = decode_columns(frame.text)
        if type_ in INPUT_AUDIO and frame.direction == CLIENT:
            self._input.add(audio, event)
            self._heard = AudioReceived(self._input.ms, frame.at)
            self.script.input_ms = self._input.ms
            return type_
        if type_ in INPUT_AUDIO or frame.direction not in (CLIENT, SERVER):
            return type_
        ids = self.script.client_ids if frame.direction == CLIENT else self.script.server_ids
        others = self.script.server_ids if frame.direction == CLIENT else self.script.client_ids
        ids.update(id_ for id_ in ids_of(event) if id_ not in others)
        if type_ in DELTAS:
            return type_
        self._taken.clear()
        apply_fields(self._state, seq, frame.at, frame.direction, type_, event, 0)
        if frame.direction == CLIENT:
            expected = ExpectedFrame(seq, frame.at, type_, event)
            self.script.expected.append(expected)
            self._waiting[seq] = expected
            if canonical(type_) in _REQUESTS:
                self._requests.add(seq)
            if type_ == CANCEL:
                self.script.idle.add(seq)
            if len(self._waiting) > _WAITING:
                del self._waiting[next(iter(self._waiting))]
        else:
            self._answer(seq, type_, event or {}, self._requests.intersection(self._taken))
            if canonical(type_) in _HEARS and seq not in self.script.waits and self._heard.ms:
                self.script.hears[seq] = self._heard
            if self._state.wire is not self._configured:
                self._configure(self._state.wire)
        return type_

    def _configure(self, session: dict[str, Any]) -> None:
        self._configured = session
        self._input.configure(session)
        self.script.session = self.script.session or session

    def _answer(self, seq: int, type_: str, event: dict[str, Any], taken: set[int]) -> None:
        """Note what a server's frame answers; `taken` are the requests that it fulfilled."""
        response = mapping(event.get("response"))
        response_id = text(response.get("id"))
        if response_id and _ended_as(response) == "turn_detected":
            self.script.cut_off.add(response_id)
        answered = max(taken) if taken else self._asked(canonical(type_), event)
        if answered is None:
            return
        self.script.waits[seq] = answered
        if type_ != "error":
            self.script.idle.discard(answered)
        for other in taken | {answered}:
            waiting = self._waiting.pop(other, None)
            if response_id and waiting and canonical(waiting.type) == "response.create":
                self.script.asked.setdefault(response_id, other)
        made = text(mapping(event.get("item")).get("id"))
        if made is not None:
            self.script.made[answered] = made

    def _asked(self, type_: str, event: dict[str, Any]) -> int | None:
        """The unanswered client's frame that a server's frame answers by its type."""
        if type_ == "error":
            return self._refused(event)
        asking = _ANSWERS.get(type_)
        if asking is None:
            return None
        if asking == CANCEL and _ended_as(mapping(event.get("response"))) != "cancelled":
            return None
        item = event.get("item_id") or mapping(event.get("item")).get("id")
        for seq, waiting in self._waiting.items():
            wanted = mapping(waiting.event)
            if canonical(waiting.type) == asking and wanted.get("item_id") in (None, item):
                return seq
        return None

    def _refused(self, event: dict[str, Any]) -> int | None:
        """The frame that an error names; where it names none, the last that waits for an answer."""
        cause = mapping(event.get("error")).get("event_id")
        for seq, waiting in reversed(self._waiting.items()):
            if cause is None or mapping(waiting.event).get("event_id") == cause:
                return seq
        return None


def _ended_as(response: dict[str, Any]) -> str | None:
    """Return how an answer was cut short: turn_detected by the user, cancelled by the client."""
    if response.get("status") != "cancelled":
        return None
    reason = mapping(response.get("status_details")).get("reason")
    return "turn_detected" if reason == "turn_detected" else "cancelled"


def write_script(frames: Iterable[Frame]) -> Script:
    """The script of a whole recording, its seqs counted from 1."""
    writer = ScriptWriter()
    for seq, frame in enumerate(frames, 1):
        writer.add(seq, frame)
    return writer.script


def ids_of(value: Any, holder: str = "") -> Iterator[str]:
    """Ids in an event, of whatever they name.

    Args:
        holder: the key that the value stands under.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                if is_id(key, holder) and inner not in _NO_IDS:
                    yield inner
            elif key not in _USERS_OWN:
                yield from ids_of(inner, key)
    else:
        for inner in sequence(value):
            yield from ids_of(inner, holder)


def is_id(key: str, holder: str) -> bool:
    """Whether a key's value is an id that this session made, under the key of its object."""
    return key in ID_KEYS or (key == "id" and holder in _WITH_IDS)
