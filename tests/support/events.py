"""Write a session as a test wants it, and read what the projection makes of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, Self

from eventstore.projection.fold import fold
from eventstore.projection.state import LogEvent, SessionState
from eventstore.projection.views import resources
from eventstore.projection.views.session_resource import session_resource
from eventstore.realtime.frames import CLIENT, SERVER, STORE, Frame, decode

SESSION = "sess_test"
#: The time of a call's first millisecond.
START = 1_700_000_000_000_000
#: Bytes in a millisecond of PCM16 at 24 kHz.
PCM_MS = 48

Json = dict[str, Any]


def log_events(frames: Iterable[Frame]) -> list[LogEvent]:
    """Frames as the log gives them to the fold, decoded as an append decodes them."""
    events = []
    for seq, frame in enumerate(frames, 1):
        decoded = decode(frame.text)
        cut = decoded.audio is not None and (decoded.audio_offset or 0) >= 0
        length = len(decoded.audio or b"") if cut else 0
        type_, text, _, _, event = decoded
        events.append(LogEvent(seq, frame.at, frame.direction, type_, event, length, text))
    return events


def audio(ms: float) -> str:
    """Base64 of so many milliseconds of PCM16 silence."""
    return base64.b64encode(bytes(round(ms * PCM_MS))).decode()


def message(id_: str, role: str = "assistant", *content: Json, **fields: Any) -> Json:
    """A message item in the beta shape, which has an `object`."""
    item = {"id": id_, "object": "realtime.item", "type": "message", "role": role}
    return {**item, "status": "completed", "content": list(content), **fields}


def text_part(text: str, type_: str = "output_text") -> Json:
    """A content part of text."""
    return {"type": type_, "text": text}


def audio_part(transcript: str | None, type_: str = "output_audio") -> Json:
    """A content part of audio, with its transcript."""
    return {"type": type_, "transcript": transcript}


class Call:
    """A session as it is written: each event comes a millisecond after the last one, or `after`.

    Example:
        >>> call = Call().typed("item_1", "Hello").answers("resp_1", "item_2", "Hi")
        >>> call.order()
        ['item_1', 'item_2']

    Args:
        timed: whether the recorder knew when events arrived.
    """

    def __init__(self, timed: bool = True) -> None:
        self.frames: list[Frame] = []
        self.ms = 0
        self._timed = timed

    # Writing

    def frame(self, direction: str, text: str | bytes, after: int = 1) -> Self:
        """Add a frame by its exact text."""
        self.ms += after
        at = START + self.ms * 1000 if self._timed else None
        self.frames.append(Frame(direction, text, at))
        return self

    def send(self, direction: str, type_: str, after: int = 1, **fields: Any) -> Self:
        """Add an event by its type and fields."""
        return self.frame(direction, json.dumps({"type": type_, **fields}), after)

    def server(self, type_: str, after: int = 1, **fields: Any) -> Self:
        """The server sends an event."""
        return self.send(SERVER, type_, after, **fields)

    def client(self, type_: str, after: int = 1, **fields: Any) -> Self:
        """The client sends an event."""
        return self.send(CLIENT, type_, after, **fields)

    def store(self, type_: str, after: int = 1, **fields: Any) -> Self:
        """The recorder notes something."""
        return self.send(STORE, f"eventstore.session.{type_}", after, **fields)

    def added(self, item: Json, previous: str | None = None) -> Self:
        """The server adds an item to the conversation."""
        return self.server("conversation.item.added", previous_item_id=previous, item=item)

    def typed(self, id_: str, text: str, previous: str | None = None) -> Self:
        """The user's typed message is added to the conversation."""
        return self.added(message(id_, "user", text_part(text, "input_text")), previous)

    def spoken(self, id_: str, start_ms: int, end_ms: int) -> Self:
        """The user speaks: VAD finds it, and it becomes an item without a transcript."""
        self.server("input_audio_buffer.speech_started", item_id=id_, audio_start_ms=start_ms)
        self.server("input_audio_buffer.speech_stopped", item_id=id_, audio_end_ms=end_ms)
        self.server("input_audio_buffer.committed", item_id=id_, previous_item_id=None)
        return self.added(message(id_, "user", audio_part(None, "input_audio")))

    def created(self, id_: str, conversation: str | None = "conv_1", **fields: Any) -> Self:
        """A response begins."""
        return self.server("response.created", response=_response(id_, conversation, fields))

    def done(self, id_: str, conversation: str | None = "conv_1", **fields: Any) -> Self:
        """A response ends; completed, unless another status is given."""
        response = _response(id_, conversation, {"status": "completed", **fields})
        return self.server("response.done", response=response)

    def begins_speech(self, response: str, item: str) -> Self:
        """An output item of audio begins."""
        empty = message(item, content=[], status="in_progress")
        self.server("response.output_item.added", response_id=response, output_index=0, item=empty)
        self.added(empty)
        return self.part("added", response, item, audio_part(""))

    def part(self, phase: str, response: str, item: str, part: Json, index: int = 0) -> Self:
        """A content part is `added` or `done`."""
        ids = {"response_id": response, "item_id": item, "content_index": index}
        return self.server(f"response.content_part.{phase}", part=part, **ids)

    def says(self, response: str, item: str, *deltas: str, index: int = 0) -> Self:
        """Deltas of an audio part's transcript."""
        ids = {"response_id": response, "item_id": item, "content_index": index}
        for delta in deltas:
            self.server("response.output_audio_transcript.delta", delta=delta, **ids)
        return self

    def sounds(self, response: str, item: str, *lengths: float, index: int = 0) -> Self:
        """Audio deltas of so many milliseconds each."""
        ids = {"response_id": response, "item_id": item, "content_index": index}
        for length in lengths:
            self.server("response.output_audio.delta", delta=audio(length), **ids)
        return self

    def speaks(self, response: str, item: str, transcript: str, ms: float = 1000) -> Self:
        """A whole output item of speech: its deltas and what ends them."""
        ids = {"response_id": response, "item_id": item, "content_index": 0}
        self.begins_speech(response, item)
        self.says(response, item, *(f"{word} " for word in transcript.split()))
        self.sounds(response, item, ms / 2, ms / 2)
        self.server("response.output_audio.done", **ids)
        self.server("response.output_audio_transcript.done", transcript=transcript, **ids)
        self.part("done", response, item, audio_part(transcript))
        whole = message(item, "assistant", audio_part(transcript))
        self.server("conversation.item.done", previous_item_id=None, item=whole)
        return self.server(
            "response.output_item.done", response_id=response, output_index=0, item=whole
        )

    def answers(self, response: str, item: str, transcript: str, ms: float = 1000) -> Self:
        """A whole spoken response, from `response.created` to `response.done`."""
        self.created(response).speaks(response, item, transcript, ms)
        return self.done(response, output=[message(item, "assistant", audio_part(transcript))])

    def truncated(self, item: str, audio_end_ms: int, index: int = 0) -> Self:
        """The server truncates an item."""
        fields = {"item_id": item, "content_index": index, "audio_end_ms": audio_end_ms}
        return self.server("conversation.item.truncated", **fields)

    def transcribed(self, item: str, transcript: str, **fields: Any) -> Self:
        """The transcript of the user's speech is completed."""
        type_ = "conversation.item.input_audio_transcription.completed"
        return self.server(type_, item_id=item, content_index=0, transcript=transcript, **fields)

    # Reading

    @property
    def state(self) -> SessionState:
        """The state after all events so far."""
        return fold(SESSION, log_events(self.frames))

    def session(self) -> Json:
        """The session's resource."""
        return session_resource(self.state)

    def item(self, id_: str) -> Json:
        """An item's resource."""
        state = self.state
        return resources.item_resource(state, state.items[id_])

    def response(self, id_: str) -> Json:
        """A response's resource."""
        state = self.state
        return resources.response_resource(state, state.responses[id_])

    def notes(self, id_: str) -> Json:
        """What we add to a response or an item."""
        resource = self.response(id_) if id_ in self.state.responses else self.item(id_)
        notes: Json = resource["eventstore"]
        return notes

    def order(self, conversation: int = -1) -> list[str]:
        """The ids of a conversation's items in their order."""
        return list(self.state.conversations[conversation].order)

    def codes(self) -> list[str]:
        """The codes of the session's diagnostics."""
        return [entry["code"] for entry in self.session()["eventstore"]["diagnostics"]]


def _response(id_: str, conversation: str | None, fields: Json) -> Json:
    shape = {"id": id_, "object": "realtime.response", "status": "in_progress", "output": []}
    return {**shape, "conversation_id": conversation, **fields}


def without(value: Json, *keys: str) -> Json:
    """An object without some of its keys."""
    return {key: item for key, item in value.items() if key not in keys}
