"""Streams of GPT-Live sessions of n events or a few n, crafted as those of crafted_streams.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.events import Call, message, text_part
from support.live_speech import say, started


def _delegates(call: Call, id_: str, target: str) -> Call:
    delegation = {"id": id_, "type": "delegation", "target": target}
    return call.server("session.delegation.created", offset_ms=0, delegation=delegation)


def _responds(call: Call, type_: str, **fields: Any) -> Call:
    return call.server("response.event", delegation_id="dlg_1", event={"type": type_, **fields})


def monologue(n: int) -> Call:
    """Fragments without a pause."""
    return say(started(), "assistant", 0, *["word"] * n)


def both_at_once(n: int) -> Call:
    """Fragments of both speakers, each over the other's."""
    call = started()
    for i in range(n):
        say(call, "assistant", 200 * i, "word")
        say(call, "user", 200 * i + 100, "mhm")
    return call


def turns(n: int) -> Call:
    """Turns of both speakers, with pauses."""
    call = started()
    for i in range(n):
        say(call, ("user", "assistant")[i % 2], 3000 * i, "word", "word")
    return call


def delegations(n: int) -> Call:
    """Delegations to the app, all of them open, that it answers from the last one on."""
    call = say(started(), "user", 0, "Look", "it", "up.")
    for i in range(n):
        _delegates(call, f"dlg_{i}", "client")
    for i in reversed(range(n)):
        call.client("session.commentary.append", delegation_id=f"dlg_{i}", content="Done.")
    return call


def answers(n: int) -> Call:
    """Answers of one delegation, some of which only the server tells."""
    call = _delegates(started(), "dlg_1", "client")
    for _ in range(n):
        call.server("session.thinking.appended", start_ms=0, end_ms=200)
    for _ in range(n):
        call.client("session.commentary.append", delegation_id="dlg_1", content="More.")
    return call


def never_answered(n: int) -> Call:
    """Appends that the server never answers, and errors that refuse others."""
    call = started()
    for i in range(n):
        call.client("session.thinking.append", event_id=f"e{i}", content="Hm.")
    for i in range(n):
        call.server("error", error={"code": "no", "client_event_id": f"x{i}"})
        call.server("session.commentary.appended", start_ms=0, end_ms=200, client_event_id=f"y{i}")
    return call


def answered_from_the_last(n: int) -> Call:
    """Appends that the server answers from the last one on."""
    call = started()
    for i in range(n):
        call.client("session.thinking.append", event_id=f"e{i}", content="Hm.")
    for i in reversed(range(n)):
        asked = {"client_event_id": f"e{i}"}
        call.server("session.thinking.appended", start_ms=0, end_ms=200, **asked)
    return call


def backend_items(n: int) -> Call:
    """A backend's response of many items."""
    call = _delegates(started(), "dlg_1", "responses")
    _responds(call, "response.created", response={"id": "resp_1", "status": "in_progress"})
    for i in range(n):
        _responds(call, "response.output_item.added", item=message(f"item_{i}", "assistant"))
    for i in range(n):
        item = message(f"item_{i}", "assistant", text_part("Hi"))
        _responds(call, "response.output_item.done", item=item)
    return _responds(call, "response.completed", response={"id": "resp_1", "status": "completed"})


def backend_responses(n: int) -> Call:
    """Responses of one delegation, each with a function call, and their outputs."""
    call = _delegates(started(), "dlg_1", "responses")
    for i in range(n):
        _responds(call, "response.created", response={"id": f"resp_{i}"})
        item = {"id": f"fc_{i}", "type": "function_call", "name": "f", "call_id": f"c{i}"}
        _responds(call, "response.output_item.done", item=item)
        _responds(call, "response.completed", response={"id": f"resp_{i}", "status": "completed"})
        output = {"type": "function_call_output", "call_id": f"c{i}", "output": "."}
        call.client("response.item.create", item=output)
    return call


def backend_deltas(n: int) -> Call:
    """A backend's text, word by word."""
    call = _delegates(started(), "dlg_1", "responses")
    _responds(call, "response.created", response={"id": "resp_1"})
    _responds(call, "response.output_item.added", item=message("item_1", "assistant"))
    for _ in range(n):
        _responds(call, "response.output_text.delta", item_id="item_1", delta="word ")
    return call


def decisions(n: int) -> Call:
    """Decisions about one delegation, and items for them."""
    call = _delegates(started(), "dlg_1", "decisions")
    for i in range(n):
        call.server("decision.item.created", item=message(f"item_{i}", "user", text_part("Hi")))
        decided = {"type": "decision.completed", "decision": {"model": "m", "answers": []}}
        call.server("decision.event", delegation_id="dlg_1", event=decided)
    for i in range(n):
        call.server("decision.item.deleted", item_id=f"item_{i}")
    return call


def moments(n: int) -> Call:
    """Mutes, pauses, keys and usage."""
    call = started()
    for i in range(n):
        call.server("session.input_audio.muted").server("session.input_audio.unmuted")
        call.server("session.paused").server("session.resumed")
        call.server("transport.dtmf.received", event="1")
        call.server("transport.dtmf.sent", event="2")
        call.server("session.usage.updated", usage={"seconds": i, "paused_seconds": i % 2})
    return call


def started_again(n: int) -> Call:
    """A session that starts again and again, each time with another history."""
    call = started()
    for i in range(n):
        told = [message(f"hist_{i}", "user", text_part("Hi"))]
        call.server("session.started", session={"id": "live_1", "input": told})
    return call


LIVE_STREAMS: dict[str, Callable[[int], Call]] = {
    f"live_{made.__name__}": made
    for made in (
        monologue,
        both_at_once,
        turns,
        delegations,
        answers,
        never_answered,
        answered_from_the_last,
        backend_items,
        backend_responses,
        backend_deltas,
        decisions,
        moments,
        started_again,
    )
}
