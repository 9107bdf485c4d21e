"""Find out which server frame of a recording answered which client frame. Pure.

No event states this, so it is concluded from order, types and ids. The result is a `Script`, by
which connection.py lets a frame wait for its cause. Called by recording.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventstore.projection.fold import apply_fields
from eventstore.projection.session_names import is_sideband
from eventstore.projection.state import SessionState
from eventstore.realtime.catalogue import DELTAS, INPUT_AUDIO, OPENED, canonical
from eventstore.realtime.frames import CLIENT, SERVER, STORE, Frame, decode_columns
from eventstore.realtime.live_catalogue import LIVE_INPUT_AUDIO, LIVE_ONLY
from eventstore.realtime.protocols import LIVE, Protocol, told_protocol
from eventstore.realtime.values import mapping, sequence, text
from eventstore.replay.serving.input_clock import InputClock
from eventstore.replay.serving.live_causality import LIVE_HEARS, LiveCauses

#: Keys whose values are ids wherever they stand. `id` is an id only under the keys of `_WITH_IDS`.
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
#: The same for GPT-Live. A `client_event_id` is not among them: see client_event_ids.py.
LIVE_ID_KEYS = ID_KEYS | {"delegation_id", "session_id", "source_event_id", "trigger_id"}
#: Values of such keys that are no ids, and keys under which users keep their own data.
_NO_IDS = frozenset({"", "root"})
_USERS_OWN = frozenset({"metadata", "parameters"})
_WITH_IDS = frozenset(
    {"session", "conversation", "response", "item", "output", "input", "delegation", "decision"}
)

CANCEL = "response.cancel"

#: The client's event that each event of the server answers, by GA names. Items and responses are
#: not here: the projection matches them, since it knows more.
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
#: Events that the server sends because of the user's audio, by GA names.
_HEARS = frozenset(
    {
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "input_audio_buffer.timeout_triggered",
    }
)

#: An answer is looked for among so many unanswered frames at most.
_WAITING = 1000


#: The place of a client's frame that the recording does not have, but must have been sent.
IMPLIED = 0
START, STARTED = "session.start", "session.started"
#: The recorder's note of how a session was recorded.


class ExpectedFrame(NamedTuple):
    """A client's frame of the recording, which a replay expects. Not a frame of streamed audio.

    Attributes:
        seq: The frame's place in the recording, from 1; `IMPLIED` if the recording lacks it.
        at: Its arrival, in microseconds since 1970 UTC; None if unknown.
        type: Its type on the wire.
        event: The parsed event without its audio; None if the frame cannot be read.
    """

    seq: int
    at: int | None
    type: str
    event: dict[str, Any] | None


class AudioReceived(NamedTuple):
    """How much of the user's audio the server had received at a place of the recording.

    Attributes:
        ms: The audio's length since the start of the recording, in milliseconds.
        at: When the last of it arrived, in microseconds since 1970 UTC; None if unknown.
    """

    ms: float
    at: int | None


@dataclass
class Script:
    """The causes of the frames of a recording.

    Attributes:
        expected: The client's frames, in order.
        waits: The client's frame that a server's frame answered: seq by seq.
        hears: How much of the user's audio the server had when it sent a frame because of it, by
            the seq of the server's frame.
        input_ms: The length of the user's streamed audio in all, in milliseconds.
        asked: The seq of the client's frame that asked for a response, by the response's id.
        idle: The seqs of the client's cancels that had no effect, because the answer was over or
            the user had interrupted it. A client may send such a cancel or not: it is a race.
        cut_off: The ids of the responses that the user interrupted, by the server's VAD.
        session: The session as the server described it first.
        made: The id that the server gave to an item, by the seq of the client's frame that
            created it.
        server_ids: The ids that the server chose.
        client_ids: The ids that the client chose.
        live: True if the session is one of GPT-Live.
        joined: True if the recording is one of a sideband of a GPT-Live session.
        started: The seq of GPT-Live's `session.started`; None without one.
        compared: False if nothing can be said of what a live client sends, since the recording
            does not have what such a client sent.
        reflects: True to send the recorded client's audio to the live client, as the server
            reflects it to sidebands.
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
    live: bool = False
    joined: bool = False
    started: int | None = None
    compared: bool = True
    reflects: bool = False

    @property
    def id_keys(self) -> frozenset[str]:
        """Return the keys whose values are ids in the session's protocol."""
        return LIVE_ID_KEYS if self.live else ID_KEYS


class ScriptWriter:
    """Writes the script of a recording, from one frame after the other.

    Attributes:
        script: The script of the frames so far.
    """

    def __init__(self) -> None:
        self.script = Script()
        self._state = SessionState("")
        self._input, self._heard = InputClock(), AudioReceived(0.0, None)
        self._configured = self._state.wire
        self._waiting: dict[int, ExpectedFrame] = {}
        # The client's frames for which the projection may find an answer, and the frames for which
        # it found one in the last event.
        self._requests: set[int] = set()
        self._taken: list[int] = []
        self._state.requests.popped = self._state.creates.popped = self._taken
        self._protocol: Protocol | None = None
        self._live = LiveCauses()

    def add(self, seq: int, frame: Frame) -> str:
        """Add the recording's next frame, and return its type."""
        type_, _, _, audio, event = decode_columns(frame.text)
        self._see_protocol(frame.direction, type_, event)
        if type_ in INPUT_AUDIO and frame.direction == CLIENT:
            self._input.add(audio, event)
            self._heard = AudioReceived(self._input.ms, frame.at)
            self.script.input_ms = self._input.ms
            return type_
        if type_ in INPUT_AUDIO or frame.direction not in (CLIENT, SERVER):
            return type_
        if self.script.live:
            self._add_live(seq, frame, type_, event)
            return type_
        self._note_ids(frame.direction, event)
        if type_ in DELTAS:
            return type_
        self._taken.clear()
        apply_fields(self._state, seq, frame.at, frame.direction, type_, event, 0)
        if frame.direction == CLIENT:
            expected = ExpectedFrame(seq, frame.at, type_, event)
            self.script.expected.append(expected)
            self._waiting[seq] = expected
            if self._protocol is None:
                self._live.ask(seq, type_, event or {})
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

    def _see_protocol(self, direction: str, type_: str, event: dict[str, Any] | None) -> None:
        """Note which protocol the session speaks, and whether the recording is a sideband's.

        Until the server proves it, types that only GPT-Live has are enough: nothing but this
        recording's own replay depends on it.
        """
        script = self.script
        if self._protocol is None:
            self._protocol = told_protocol(direction, type_, event)
            is_hint = direction in (CLIENT, SERVER) and type_ in LIVE_ONLY
            script.live = self._protocol == LIVE or (
                self._protocol is None and (script.live or is_hint)
            )
        if type_ == LIVE_INPUT_AUDIO and direction == SERVER:
            script.joined = True  # the server reflects the user's audio to sidebands alone
        elif type_ == OPENED and direction == STORE:
            script.joined = is_sideband(event or {})

    def _add_live(self, seq: int, frame: Frame, type_: str, event: dict[str, Any] | None) -> None:
        """Add a frame of a GPT-Live session that is no input audio."""
        script, body = self.script, event or {}
        self._note_ids(frame.direction, event)
        if frame.direction == CLIENT:
            script.expected.append(ExpectedFrame(seq, frame.at, type_, event))
            self._live.ask(seq, type_, body)
            return
        if session := mapping(body.get("session")):
            self._configure(session)
        if type_ == STARTED and script.started is None:
            script.started = seq
        cause = self._live.answered(type_, body)
        if cause is not None:
            script.waits[seq] = cause
            if (made := text(mapping(body.get("item")).get("id"))) is not None:
                script.made[cause] = made
        elif type_ in LIVE_HEARS and self._heard.ms:
            script.hears[seq] = self._heard

    def _note_ids(self, direction: str, event: dict[str, Any] | None) -> None:
        script = self.script
        ids = script.client_ids if direction == CLIENT else script.server_ids
        others = script.server_ids if direction == CLIENT else script.client_ids
        ids.update(id_ for id_ in ids_of(event, keys=script.id_keys) if id_ not in others)

    def _configure(self, session: dict[str, Any]) -> None:
        self._configured = session
        self._input.configure(session)
        self.script.session = self.script.session or session

    def _answer(self, seq: int, type_: str, event: dict[str, Any], taken: set[int]) -> None:
        """Note which client's frame a server's frame answers.

        Args:
            taken: The requests that the projection found to be answered by it.
        """
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
        """Return the client's frame that a server's frame answers by its type, or None."""
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
        """Return the client's frame that an error names, or the last one if it names none."""
        cause = mapping(event.get("error")).get("event_id")
        for seq, waiting in reversed(self._waiting.items()):
            if cause is None or mapping(waiting.event).get("event_id") == cause:
                return seq
        return None


def _ended_as(response: dict[str, Any]) -> str | None:
    """Return who cut an answer off: `turn_detected` for the user, `cancelled` for the client.

    Returns None if the answer was not cut off.
    """
    if response.get("status") != "cancelled":
        return None
    reason = mapping(response.get("status_details")).get("reason")
    return "turn_detected" if reason == "turn_detected" else "cancelled"


def ids_of(value: Any, holder: str = "", keys: frozenset[str] = ID_KEYS) -> Iterator[str]:
    """Yield all ids in an event or in a part of it.

    Args:
        holder: The key under which the value stands.
        keys: The keys whose values are ids wherever they stand.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                if is_id(key, holder, keys) and inner not in _NO_IDS:
                    yield inner
            elif key not in _USERS_OWN:
                yield from ids_of(inner, key, keys)
    else:
        for inner in sequence(value):
            yield from ids_of(inner, holder, keys)


def is_id(key: str, holder: str, keys: frozenset[str] = ID_KEYS) -> bool:
    """Return True if the value of a key is an id of this session.

    Args:
        key: The key.
        holder: The key under which the object with this key stands.
        keys: The keys whose values are ids wherever they stand.
    """
    return key in keys or (key == "id" and holder in _WITH_IDS)
