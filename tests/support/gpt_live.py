"""GPT-Live sessions as the server sends them, written for tests.

`LiveCall` writes a session event by event. The functions return whole calls: one that delegates to
its app, one to a backend of the Responses API, and one to Decisions.
"""

from __future__ import annotations

from typing import Any, Self

from eventstore.realtime.frames import CLIENT, SERVER
from support.events import Call, Json, audio

#: How long a fragment of a transcript lasts on the session's timeline.
FRAGMENT_MS = 200
#: What the session, and its id, are called.
LIVE_SESSION = "live_test"

SESSION_CONFIG: Json = {
    "id": LIVE_SESSION,
    "object": "live.session",
    "model": "gpt-live-1",
    "expires_at": 1_700_003_600,
    "status": "active",
    "instructions": "You are the voice of a bakery.",
    "audio": {"format": {"type": "audio/pcm", "rate": 24000}, "output": {"voice": "marin"}},
    "delegation": {"type": "client"},
}

BACKEND_MODEL = "gpt-5.2"
FUNCTION: Json = {
    "type": "function",
    "name": "find_order",
    "description": "Find an order by its number.",
    "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}},
}
QUESTIONS: list[Json] = [
    {
        "type": "choice",
        "name": "mood",
        "instructions": "How does the caller feel?",
        "choices": [{"value": "calm"}, {"value": "upset"}],
    },
    {"type": "predicate", "name": "wants_human", "instructions": "Does the caller ask for staff?"},
    {
        "type": "score",
        "name": "urgency",
        "instructions": "How urgent is it?",
        "levels": [{"label": "low"}, {"label": "high"}],
    },
]
ANSWERS: list[Json] = [
    {
        "type": "choice",
        "name": "mood",
        "choice": "upset",
        "confidence": 0.91,
        "probabilities": [
            {"value": "calm", "probability": 0.09},
            {"value": "upset", "probability": 0.91},
        ],
    },
    {"type": "predicate", "name": "wants_human", "probability": 0.85},
    {
        "type": "score",
        "name": "urgency",
        "score": 0.7,
        "confidence": 0.6,
        "probabilities": [
            {"label": "low", "value": 0, "probability": 0.3},
            {"label": "high", "value": 1, "probability": 0.7},
        ],
    },
]


def backend_usage(input_tokens: int, output_tokens: int) -> Json:
    """Return the usage of a response of the Responses API."""
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {"cached_tokens": 20},
        "output_tokens": output_tokens,
        "output_tokens_details": {"reasoning_tokens": 8},
        "total_tokens": input_tokens + output_tokens,
    }


class LiveCall(Call):
    """A GPT-Live session as it is written. An event arrives when its place on the timeline ends.

    Example:
        >>> call = LiveCall().starts().said(("user", 0, "Hello"), ("assistant", 600, "Hi"))
        >>> [item["role"] for item in (call.item(id_) for id_ in call.order())]
        ['user', 'assistant']
    """

    def __init__(self, timed: bool = True) -> None:
        super().__init__(timed)
        self._began = 0
        self._events = 0
        self._nested = 0
        self._config: Json = {}

    def live(self, type_: str, at_ms: int | None = None, **fields: Any) -> Self:
        """The server sends an event, which has an id.

        Args:
            at_ms: where on the session's timeline it arrives; None for a millisecond later.
        """
        self._events += 1
        return self.server(type_, self._after(at_ms), event_id=f"event_{self._events}", **fields)

    def app(self, type_: str, at_ms: int | None = None, **fields: Any) -> Self:
        """The client sends an event."""
        return self.client(type_, self._after(at_ms), **fields)

    def _after(self, at_ms: int | None) -> int:
        return 1 if at_ms is None else max(1, self._began + at_ms - self.ms)

    def starts(self, **config: Any) -> Self:
        """The client starts the session, and the server says so. The timeline begins here."""
        self._config = {**SESSION_CONFIG, **config}
        told = ("id", "object", "expires_at", "status")
        asked = {name: value for name, value in self._config.items() if name not in told}
        self.client("session.start", session=asked)
        self.live("session.started", session=self._config)
        self._began = self.ms
        return self

    def said(self, *turns: tuple[str, int, str]) -> Self:
        """Both speakers say something: words, with a fragment of 200 ms for each.

        Args:
            turns: who speaks (`user` or `assistant`), where that begins on the timeline, and what.
                Fragments of turns that overlap come interleaved.
        """
        sides = {"user": "input", "assistant": "output"}
        fragments = [
            (start_ms + place * FRAGMENT_MS, sides[speaker], f" {word}" if place else word)
            for speaker, start_ms, words in turns
            for place, word in enumerate(words.split())
        ]
        for start_ms, side, word in sorted(fragments, key=lambda one: one[0]):
            type_ = f"session.{side}_transcript.delta"
            end_ms = start_ms + FRAGMENT_MS
            self.live(type_, end_ms, delta=word, start_ms=start_ms, end_ms=end_ms)
        return self

    def sound(self, direction: str, ms: float, at_ms: int | None = None) -> Self:
        """Audio of the user (`client`), or of the assistant (`server`), which is silent."""
        if direction == CLIENT:
            return self.app("session.input_audio.append", at_ms, audio=audio(ms))
        return self.send(SERVER, "session.output_audio.delta", self._after(at_ms), delta=audio(ms))

    def told(
        self,
        kind: str,
        content: str,
        at_ms: int,
        delegation_id: str | None = None,
        answered: bool = True,
    ) -> Self:
        """The app appends `instructions`, `thinking` or `commentary`, and the server says so.

        Args:
            answered: False if the server does not answer.
        """
        id_ = f"client_{len(self.frames)}"
        self.app(
            f"session.{kind}.append",
            at_ms,
            event_id=id_,
            content=content,
            delegation_id=delegation_id,
        )
        if not answered:
            return self
        place = {"start_ms": at_ms, "end_ms": at_ms + FRAGMENT_MS, "client_event_id": id_}
        return self.live(f"session.{kind}.appended", at_ms + FRAGMENT_MS, **place)

    def delegates(
        self, id_: str, target: str, offset_ms: int, response_id: str | None = None
    ) -> Self:
        """The model delegates work."""
        delegation = {"id": id_, "type": "delegation", "target": target}
        if response_id is not None:
            delegation["response_id"] = response_id
        type_ = "session.delegation.created"
        return self.live(type_, offset_ms, offset_ms=offset_ms, delegation=delegation)

    def backend(
        self, delegation_id: str | None, type_: str, at_ms: int | None = None, **fields: Any
    ) -> Self:
        """The backend of the Responses API sends an event of its own stream."""
        self._nested += 1
        nested = {"type": type_, "sequence_number": self._nested, **fields}
        return self.live("response.event", at_ms, event=nested, delegation_id=delegation_id)

    def backend_response(
        self, delegation_id: str, type_: str, id_: str, at_ms: int, **fields: Any
    ) -> Self:
        """The backend's response begins or ends; the snapshot has no output."""
        shape = {"id": id_, "object": "response", "model": BACKEND_MODEL, "output": []}
        response = {**shape, "status": type_.removeprefix("response."), **fields}
        return self.backend(delegation_id, type_, at_ms, response=response)

    def backend_calls(self, delegation_id: str, item_id: str, arguments: str) -> Self:
        """The backend calls the function, piece by piece."""
        call: Json = {
            "id": item_id,
            "type": "function_call",
            "call_id": f"call_{item_id}",
            "name": FUNCTION["name"],
        }
        begun = {**call, "status": "in_progress", "arguments": ""}
        done = {**call, "status": "completed", "arguments": arguments}
        ids: Json = {"item_id": item_id, "output_index": 0}
        self.backend(delegation_id, "response.output_item.added", output_index=0, item=begun)
        for delta in (arguments[:5], arguments[5:]):
            type_ = "response.function_call_arguments.delta"
            self.backend(delegation_id, type_, delta=delta, **ids)
        type_ = "response.function_call_arguments.done"
        self.backend(delegation_id, type_, arguments=arguments, **ids)
        return self.backend(delegation_id, "response.output_item.done", output_index=0, item=done)

    def backend_writes(self, delegation_id: str, item_id: str, words: str) -> Self:
        """The backend writes a message, which the voice then may say in other words."""
        ids: Json = {"item_id": item_id, "output_index": 0, "content_index": 0}
        item: Json = {"id": item_id, "type": "message", "role": "assistant"}
        begun = {**item, "status": "in_progress", "content": []}
        part: Json = {"type": "output_text", "text": words, "annotations": []}
        self.backend(delegation_id, "response.output_item.added", output_index=0, item=begun)
        empty = {**part, "text": ""}
        self.backend(delegation_id, "response.content_part.added", part=empty, **ids)
        for place, word in enumerate(words.split()):
            delta = f" {word}" if place else word
            self.backend(delegation_id, "response.output_text.delta", delta=delta, **ids)
        self.backend(delegation_id, "response.output_text.done", text=words, **ids)
        self.backend(delegation_id, "response.content_part.done", part=part, **ids)
        done = {**item, "status": "completed", "content": [part]}
        return self.backend(delegation_id, "response.output_item.done", output_index=0, item=done)

    def decided(self, at_ms: int, answers: list[Json], **source: Any) -> Self:
        """A decision is made, for a delegation or a trigger."""
        decision = {"model": "gpt-5.2-mini", "answers": answers, "usage": backend_usage(90, 12)}
        event = {"type": "decision.completed", "decision": decision}
        return self.live("decision.event", at_ms, event=event, **source)

    def uses(self, seconds: float, ratio: float, at_ms: int, **parts: float) -> Self:
        """The server tells the usage so far, and how much of the context window is used."""
        return self.live(
            "session.usage.updated",
            at_ms,
            usage={"seconds": seconds, **parts},
            context_window={"usage_ratio": ratio},
        )

    def closes(
        self, at_ms: int, seconds: float, reason: str = "close_requested", **parts: float
    ) -> Self:
        """The session ends."""
        if reason == "close_requested":
            self.app("session.close", at_ms)
        usage = {"seconds": seconds, **parts}
        session = self._config
        return self.live("session.closed", at_ms, reason=reason, session=session, usage=usage)


def client_call() -> LiveCall:
    """A call whose app does the delegated work. The user says "mhm" meanwhile."""
    history = [{"role": "user", "content": [{"type": "input_text", "text": "I called before."}]}]
    call = LiveCall().starts(input=history)
    call.told("instructions", "The caller is Ada.", 100)
    call.said(("user", 600, "Where is my order forty two?"))
    call.delegates("item_work", "client", 1800)
    call.said(("assistant", 2000, "Let me check that."))
    call.told("thinking", "Order 42 is in the oven.", 3000, "item_work")
    call.told("commentary", "It is ready at five.", 3400, "item_work")
    call.said(
        ("assistant", 5000, "Your order is in the oven and it will be ready at five."),
        ("user", 5600, "Mhm."),
    )
    call.uses(7, 0.25, 7800)
    call.said(("user", 8200, "Thank you."))
    return call.closes(9000, 9)


def responses_call() -> LiveCall:
    """A call whose backend of the Responses API calls a tool, answers, and then fails once."""
    backend = {"model": BACKEND_MODEL, "tools": [FUNCTION]}
    call = LiveCall().starts(delegation={"type": "responses", "responses": backend})
    call.said(("user", 400, "Is order forty two ready?"))
    call.delegates("item_work", "responses", 1500, "resp_1")
    call.backend_response("item_work", "response.created", "resp_1", 1600, status="in_progress")
    call.said(("assistant", 1700, "One moment."))
    call.backend_calls("item_work", "fc_1", '{"number": 42}')
    ended: Json = {"usage": backend_usage(120, 18), "metadata": {"order": "42"}}
    call.backend_response("item_work", "response.completed", "resp_1", 2300, **ended)
    output = {"type": "function_call_output", "call_id": "call_fc_1", "output": '{"ready": true}'}
    call.app("response.item.create", 2600, item=output)
    call.app("response.create", 2610)
    call.backend_response("item_work", "response.created", "resp_2", 2700, status="in_progress")
    call.backend_writes("item_work", "msg_1", "Order 42 is ready.")
    ended = {"usage": backend_usage(150, 9), "metadata": {"order": "42"}}
    call.backend_response("item_work", "response.completed", "resp_2", 3000, **ended)
    call.said(("assistant", 4400, "Yes, it is ready."), ("user", 6000, "And my cake?"))
    call.delegates("item_more", "responses", 6700, "resp_3")
    call.backend_response("item_more", "response.created", "resp_3", 6800, status="in_progress")
    error = {"code": "server_error", "message": "The backend is not available."}
    call.backend_response(
        "item_more", "response.failed", "resp_3", 7100, error=error, usage=backend_usage(160, 0)
    )
    call.said(("assistant", 7600, "I cannot look that up now."))
    call.uses(9, 0.5, 9200, active_seconds=7, paused_seconds=2)
    return call.closes(10_000, 10, active_seconds=8, paused_seconds=2)


def decisions_call() -> LiveCall:
    """A call by SIP with decisions, an interruption, a backchannel, mutes, keys and a fixture."""
    decisions = {"model": "gpt-5.2-mini", "questions": QUESTIONS}
    call = LiveCall()
    call.live("transport.ringing", session_id=LIVE_SESSION)
    call.live("transport.answered", session_id=LIVE_SESSION)
    call.starts(delegation={"type": "decisions", "decisions": decisions})
    call.live("session.output_audio.fixture.playing", 50)
    call.live("session.output_audio.fixture.played", 350)
    call.said(
        ("assistant", 600, "Welcome to the bakery, I can tell you all about our bread"),
        ("user", 1600, "No, I want to speak to a human now!"),
    )
    call.delegates("item_work", "decisions", 3300)
    call.decided(3700, ANSWERS, delegation_id="item_work")
    note = {"type": "message", "role": "developer", "id": "item_note"}
    content = [{"type": "input_text", "text": "A regular customer."}]
    call.live("decision.item.created", 3800, item={**note, "content": content})
    refusal = [{"type": "refusal", "name": "mood"}]
    source = {"trigger_id": "trigger_1", "source_event_type": "session.input_transcript.delta"}
    call.decided(3900, refusal, source_event_id="event_9", **source)
    call.app("session.input_audio.mute", 4000)
    call.live("session.input_audio.muted", 4010)
    call.said(("assistant", 4200, "I understand, I will connect you to my colleague right away."))
    call.live("session.input_audio.unmuted", 6800)
    call.live("transport.dtmf.received", 6900, event="5")
    call.app("transport.dtmf.send", 7000, event="#")
    call.live("transport.dtmf.sent", 7010, event="#")
    call.said(
        ("user", 7200, "I am still waiting here and nobody comes to the phone at all"),
        ("assistant", 8400, "Right."),
    )
    call.uses(11, 0.75, 10_600)
    error = {"code": "session_storage_failed", "type": "server_error"}
    call.live("error", 10_700, error={**error, "message": "The session could not be stored."})
    return call.closes(11_000, 12, "remote_hangup")
