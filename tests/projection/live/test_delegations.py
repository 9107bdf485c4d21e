"""Work that the model gives away: to the app, to a backend of the Responses API, to Decisions."""

from __future__ import annotations

from typing import Any

from openai.types.responses import ResponseUsage
from support.events import Call, without
from support.live_speech import live_of, say, started

USAGE = {
    "input_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 0},
    "output_tokens": 90,
    "output_tokens_details": {"reasoning_tokens": 64},
    "total_tokens": 1290,
}
BACKEND = {"type": "responses", "responses": {"model": "gpt-5.1", "instructions": "Look it up."}}


def delegated(target: str, **fields: Any) -> Call:
    """The user has asked for something, and the model gives it away."""
    call = started(delegation={"type": target}, **fields)
    say(call, "user", 0, "Where", "is", "my", "order?")
    wire = {"id": "deleg_1", "type": "delegation", "target": target}
    return call.server("session.delegation.created", offset_ms=800, delegation=wire)


def backend(call: Call, type_: str, **fields: Any) -> Call:
    """The backend sends an event of its stream."""
    nested = {"type": f"response.{type_}", "sequence_number": len(call.frames), **fields}
    return call.server("response.event", delegation_id="deleg_1", event=nested)


def looks_up(call: Call) -> Call:
    """A backend calls a tool, gets its output, and answers in a second response."""
    base = {"object": "response", "model": "gpt-5.1-2025-11-13", "metadata": {"customer": "42"}}
    running = {**base, "id": "resp_a", "status": "in_progress", "output": []}
    backend(call, "created", response=running)
    item = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "lookup_order"}
    backend(call, "output_item.added", output_index=0, item={**item, "arguments": ""})
    for piece in ('{"order"', ":7}"):
        backend(call, "function_call_arguments.delta", item_id="fc_1", output_index=0, delta=piece)
    arguments = '{"order":7}'
    backend(call, "function_call_arguments.done", item_id="fc_1", arguments=arguments)
    whole = {**item, "arguments": arguments, "status": "completed"}
    backend(call, "output_item.done", output_index=0, item=whole)
    backend(call, "completed", response={**running, "status": "completed", "usage": USAGE})
    output = {"type": "function_call_output", "call_id": "call_1", "output": '{"state":"sent"}'}
    call.client("response.item.create", item=output).client("response.create")
    running = {**running, "id": "resp_b"}
    backend(call, "created", response=running)
    empty = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    backend(call, "output_item.added", output_index=0, item=empty)
    ids = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    backend(call, "content_part.added", part={"type": "output_text", "text": ""}, **ids)
    backend(call, "output_text.delta", delta="It was ", **ids)
    backend(call, "output_text.delta", delta="sent.", **ids)
    backend(call, "output_text.done", text="It was sent.", **ids)
    return backend(call, "completed", response={**running, "status": "completed", "usage": USAGE})


def delegation(call: Call) -> dict[str, Any]:
    notes: dict[str, Any] = call.item("deleg_1")["eventstore"]["delegation"]
    return notes


def test_a_tools_output_belongs_to_the_delegation_whose_backend_asked_for_it() -> None:
    call = looks_up(delegated("responses"))
    other = {"type": "function_call_output", "call_id": "call_of_nobody", "output": "{}"}
    call.client("response.item.create", item=other)
    items = [call.item(id_) for id_ in call.state.items]
    outputs = [one["eventstore"] for one in items if one["type"] == "function_call_output"]
    told = [notes.get("delegation_id") for notes in outputs]
    assert told == ["deleg_1", None]


def test_a_backends_stream_is_a_response_with_its_items_usage_model_and_metadata() -> None:
    call = looks_up(delegated("responses"))
    first, second = call.response("resp_a"), call.response("resp_b")
    assert [item["type"] for item in first["output"]] == ["function_call"]
    assert first["output"][0]["arguments"] == '{"order":7}'
    assert second["output"][0]["content"][0]["text"] == "It was sent."
    for response in (first, second):
        assert (response["object"], response["status"]) == ("response", "completed")
        assert response["usage"] == USAGE
        assert response["metadata"] == {"customer": "42"}
        assert response["eventstore"]["model"] == "gpt-5.1-2025-11-13"
        assert response["eventstore"]["kind"] == "delegated"
        assert response["eventstore"]["delegation_id"] == "deleg_1"
        assert response["eventstore"]["config"]["voice"] is None


def test_the_users_words_are_answered_by_the_voice_and_not_by_the_backend() -> None:
    call = looks_up(delegated("responses"))
    say(call, "assistant", 2000, "It", "was", "sent.")
    (user,) = [item for item in call.state.items.values() if item.wire.get("role") == "user"]
    assert call.state.responses[user.answered_by or ""].live is not None
    spoken = call.response(user.answered_by or "")
    assert spoken["eventstore"]["kind"] == "spoken"
    assert spoken["eventstore"]["speech_to_first_audio_ms"] == 1200
    assert call.response("resp_a")["eventstore"]["time_to_first_text_ms"] is None


def test_a_delegation_says_who_did_the_work_how_long_and_what_for() -> None:
    call = looks_up(delegated("responses"))
    told = delegation(call)
    (user,) = [item.id for item in call.state.items.values() if item.wire.get("role") == "user"]
    assert without(told, "done_at", "took_ms") == {
        "target": "responses",
        "offset_ms": 800,
        "asked_by": user,
        "answers": [],
        "responses": ["resp_a", "resp_b"],
    }
    assert told["took_ms"] == 16  # from its creation to the end of the second response


def test_what_a_tool_gave_back_is_an_item_behind_its_call() -> None:
    call = looks_up(delegated("responses"))
    order = call.order()
    output = next(id_ for id_ in order if call.item(id_)["type"] == "function_call_output")
    assert order.index("fc_1") < order.index(output) < order.index("msg_1")
    assert call.item(output)["output"] == '{"state":"sent"}'
    assert live_of(call.state.items["msg_1"]).kind == "backend"


def test_a_backend_that_fails_says_why() -> None:
    call = delegated("responses")
    failed = {"id": "resp_f", "status": "failed", "error": {"code": "rate_limit", "message": "No"}}
    backend(call, "created", response={"id": "resp_f", "status": "in_progress"})
    backend(call, "failed", response=failed)
    response = call.response("resp_f")
    assert response["status"] == "failed"
    assert response["status_details"]["error"]["code"] == "rate_limit"
    backend(call, "created", response={"id": "resp_i"})
    details = {"incomplete_details": {"reason": "max_output_tokens"}}
    backend(call, "incomplete", response={"id": "resp_i", "status": "incomplete", **details})
    assert call.response("resp_i")["status_details"]["reason"] == "max_output_tokens"


def test_a_backends_model_is_the_configured_one_if_its_stream_tells_none() -> None:
    call = started(delegation=BACKEND)
    call.server("response.event", event={"type": "response.created", "response": {"id": "r"}})
    assert call.notes("r")["model"] == "gpt-5.1"


def test_events_in_the_middle_of_a_backends_stream_are_kept() -> None:
    call = started()
    backend(call, "output_item.added", item={"id": "fc_9", "type": "function_call", "name": "f"})
    backend(call, "function_call_arguments.done", item_id="fc_9", arguments="{}")
    assert call.item("fc_9")["arguments"] == "{}"


def test_an_app_answers_its_delegation() -> None:
    call = delegated("client")
    ids = {"delegation_id": "deleg_1"}
    call.client("session.thinking.append", content="Asking the shop.", event_id="c1", **ids)
    call.server("session.thinking.appended", start_ms=900, end_ms=1000, client_event_id="c1")
    assert delegation(call)["took_ms"] is None
    call.client("session.commentary.append", 500, content="It was sent.", event_id="c2", **ids)
    call.server("session.commentary.appended", start_ms=1500, end_ms=1500, client_event_id="c2")
    told = delegation(call)
    assert [call.item(id_)["eventstore"]["context"] for id_ in told["answers"]] == [
        "thinking",
        "commentary",
    ]
    assert told["took_ms"] == 502


def test_answers_that_another_connection_sent_belong_to_the_open_delegation() -> None:
    call = delegated("client")
    call.server("session.thinking.appended", start_ms=900, end_ms=1000)
    call.server("session.commentary.appended", start_ms=900, end_ms=1000)
    assert len(delegation(call)["answers"]) == 2
    call.server("session.commentary.appended", start_ms=2000, end_ms=2000)
    assert len(delegation(call)["answers"]) == 2  # it was answered before


def test_decisions_have_their_answers_and_their_tokens() -> None:
    call = delegated("decisions")
    answers = [{"type": "predicate", "name": "angry", "probability": 0.9}]
    decision = {"model": "gpt-decide", "answers": answers, "usage": USAGE}
    event = {"type": "decision.completed", "decision": decision}
    call.server("decision.event", event_id="e9", delegation_id="deleg_1", event=event)
    (id_,) = delegation(call)["answers"]
    item = call.item(id_)
    assert (item["type"], item["answers"], item["model"]) == ("decision", answers, "gpt-decide")
    (billed,) = call.state.billed.values()
    assert (billed.kind, billed.model, billed.usage) == ("decision", "gpt-decide", USAGE)
    assert delegation(call)["took_ms"] is not None


def test_a_decision_of_a_trigger_names_what_fired_it() -> None:
    call = say(started(), "user", 0, "Hello")
    event = {"type": "decision.completed", "decision": {"answers": []}}
    call.server("decision.event", trigger_id="t1", source_event_id="event_u", event=event)
    (item,) = [call.item(id_) for id_ in call.order() if call.item(id_)["type"] == "decision"]
    assert (item["trigger_id"], item["source_event_id"]) == ("t1", "event_u")


def test_items_that_decisions_read_come_and_go() -> None:
    call = started()
    item = {"id": "di_1", "type": "message", "role": "user", "content": []}
    call.server("decision.item.created", event_id="e1", item=item)
    assert "di_1" in call.order()
    call.server("decision.item.deleted", event_id="e2", item_id="di_1")
    assert "di_1" not in call.order()


def test_the_usage_has_the_shape_of_the_package() -> None:
    assert ResponseUsage.model_validate(USAGE).total_tokens == 1290
