"""A GPT-Live session whose model delegates to the app, to a backend and to Decisions.

Both sides are in it: the client starts, streams audio, answers, mutes and closes.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.frames import CLIENT, Frame
from support.events import Call, audio

#: The configuration with which the client starts.
CONFIG = {"model": "gpt-live-1", "instructions": "Be short.", "delegation": {"type": "responses"}}
SESSION = {
    "id": "live_shop",
    "status": "active",
    "expires_at": 1_700_003_600,
    **CONFIG,
    "audio": {"format": {"type": "audio/pcm", "rate": 24000}, "output": {"voice": "marin"}},
}
TOOL_OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": '{"open":true}'}


def delegating_call(event_ids: bool = True) -> Call:
    """Return the session.

    Args:
        event_ids: The client gives its events ids, which the server repeats.
    """
    told = _Told(event_ids)
    call = Call()
    told.asks(call, "session.start", "start", session=CONFIG)
    told.answers(call, "session.started", "start", session=SESSION)
    told.asks(call, "session.instructions.append", "hint", content="Hurry.", delegation_id=None)
    told.says(call, "input", 0, "Is the shop open?")
    told.answers(call, "session.instructions.appended", "hint", start_ms=200, end_ms=200)
    _works_itself(call, told)
    _works_by_backend(call, told)
    _decides(call, told)
    told.asks(call, "session.input_audio.mute", "mute")
    told.answers(call, "session.input_audio.muted", "mute")
    told.asks(call, "session.input_audio.unmute", "unmute")
    told.answers(call, "session.input_audio.unmuted", "unmute")
    told.says(call, "output", 4000, "Bye.")
    told.asks(call, "session.close", "close")
    ending = {"reason": "close_requested", "session": SESSION, "usage": {"seconds": 5}}
    told.answers(call, "session.closed", "close", **ending)
    return call.store("closed", by="server", code=1000, reason="")


def _works_itself(call: Call, told: _Told) -> None:
    """The app answers a delegation: silently first, and then with what is to be said."""
    told.delegates(call, 600, "deleg_app", "client")
    for kind, words in (("thinking", "It is 9."), ("commentary", "It is open.")):
        told.asks(call, f"session.{kind}.append", kind, content=words, delegation_id="deleg_app")
        told.answers(call, f"session.{kind}.appended", kind, start_ms=800, end_ms=1000)
    told.says(call, "output", 1000, "It is open.")


def _works_by_backend(call: Call, told: _Told) -> None:
    """A backend calls a tool of the app, and goes on with its output."""
    told.says(call, "input", 1600, "And tomorrow?")
    told.delegates(call, 2000, "deleg_back", "responses", response_id="resp_1")
    told.backend(call, "created", response={"id": "resp_1", "status": "in_progress"})
    item = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "hours"}
    told.backend(call, "output_item.done", item={**item, "arguments": "{}"}, output_index=0)
    told.backend(call, "completed", response={"id": "resp_1", "status": "completed"})
    told.asks(call, "response.item.create", "output", item=TOOL_OUTPUT)
    told.asks(call, "response.create", "go_on")
    told.backend(call, "created", response={"id": "resp_2", "status": "in_progress"})
    told.backend(call, "completed", response={"id": "resp_2", "status": "completed"})
    told.says(call, "output", 2400, "Yes, it is.")


def _decides(call: Call, told: _Told) -> None:
    """The app asks a question about the conversation, and the model delegates another one."""
    told.asks(call, "decision.create", "question", always=True)
    decision = {"model": "gpt-decide", "answers": [], "usage": {"total_tokens": 9}}
    event = {"type": "decision.completed", "decision": decision}
    nobody = {"delegation_id": None, "trigger_id": None, "source_event_id": None}
    told.server(call, "decision.event", event=event, **nobody)
    told.delegates(call, 3200, "deleg_decide", "decisions")
    told.server(call, "decision.event", event=event, **{**nobody, "delegation_id": "deleg_decide"})


class _Told:
    """Writes events with the ids of both sides, and the user's audio before what is heard."""

    def __init__(self, event_ids: bool) -> None:
        self._event_ids, self._heard_ms, self._count = event_ids, 0, 0

    def server(self, call: Call, type_: str, **fields: Any) -> None:
        self._count += 1
        call.server(type_, 20, event_id=f"event_{self._count}", **fields)

    def asks(self, call: Call, type_: str, name: str, always: bool = False, **fields: Any) -> None:
        id_ = {"event_id": f"mine_{name}"} if self._event_ids or always else {}
        call.client(type_, 20, **id_, **fields)

    def answers(self, call: Call, type_: str, name: str, **fields: Any) -> None:
        id_ = {"client_event_id": f"mine_{name}"} if self._event_ids else {}
        self.server(call, type_, **id_, **fields)

    def says(self, call: Call, side: str, start_ms: int, words: str) -> None:
        """A side says something; the user's audio is sent until then."""
        while self._heard_ms < start_ms + 400:
            call.client("session.input_audio.append", 20, audio=audio(100))
            self._heard_ms += 100
        if side == "output":
            call.server("session.output_audio.delta", 20, delta=audio(40))
        span = {"start_ms": start_ms, "end_ms": start_ms + 400}
        self.server(call, f"session.{side}_transcript.delta", delta=words, **span)

    def delegates(self, call: Call, at_ms: int, id_: str, target: str, **fields: Any) -> None:
        wire = {"id": id_, "type": "delegation", "target": target, **fields}
        self.server(call, "session.delegation.created", offset_ms=at_ms, delegation=wire)

    def backend(self, call: Call, type_: str, **fields: Any) -> None:
        nested = {"type": f"response.{type_}", "sequence_number": self._count, **fields}
        self.server(call, "response.event", delegation_id="deleg_back", event=nested)


def with_client_ids(frames: list[Frame], prefix: str) -> list[Frame]:
    """The same frames, with other ids of the client's events."""
    return [
        frame._replace(text=str(frame.text).replace('"mine_', f'"{prefix}'))
        if frame.direction == CLIENT
        else frame
        for frame in frames
    ]
