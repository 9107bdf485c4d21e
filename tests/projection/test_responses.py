"""Responses: their five statuses, what asked for them, their output, configuration and times."""

from __future__ import annotations

from typing import Any

import pytest
from support.events import START, Call, audio_part, message, text_part, without

from eventstore.times import to_iso

CALL = {"type": "function_call", "id": "item_1", "name": "weather", "call_id": "call_1"}


def at(ms: float) -> str | None:
    """The time of a call's millisecond."""
    return to_iso(START + round(ms * 1000))


@pytest.mark.parametrize(
    ("status", "details", "interrupted"),
    [
        ("completed", None, False),
        ("cancelled", {"type": "cancelled", "reason": "turn_detected"}, True),
        ("cancelled", {"type": "cancelled", "reason": "client_cancelled"}, False),
        ("failed", {"type": "failed", "error": {"type": "server_error", "code": "x"}}, False),
        ("incomplete", {"type": "incomplete", "reason": "max_output_tokens"}, False),
        ("incomplete", {"type": "incomplete", "reason": "content_filter"}, False),
    ],
)
def test_a_done_response_has_the_servers_status(
    status: str, details: dict[str, Any] | None, interrupted: bool
) -> None:
    call = Call().created("resp_1").done("resp_1", status=status, status_details=details)
    response = call.response("resp_1")
    assert (response["status"], response["status_details"]) == (status, details)
    assert response["eventstore"]["finished"] is True
    assert response["eventstore"]["interrupted"] is interrupted


def test_a_response_is_in_progress_until_it_is_done() -> None:
    response = Call().server("response.created", response={"id": "resp_1"}).response("resp_1")
    assert response["status"] == "in_progress"
    assert response["status_details"] is None
    assert response["eventstore"]["finished"] is False


def test_a_response_has_the_thirteen_fields_that_the_server_gave() -> None:
    wire = {
        "id": "resp_1",
        "object": "realtime.response",
        "status": "completed",
        "status_details": None,
        "output": [],
        "conversation_id": "conv_1",
        "modalities": ["audio", "text"],
        "voice": "alloy",
        "output_audio_format": "pcm16",
        "temperature": 0.8,
        "max_output_tokens": "inf",
        "metadata": {"topic": "weather"},
        "usage": {"total_tokens": 1},
    }
    call = Call().server("response.done", response=wire)
    assert without(call.response("resp_1"), "eventstore") == wire


def test_an_unknown_field_of_the_server_is_kept() -> None:
    call = Call().created("resp_1").done("resp_1", novelty={"a": [1]})
    assert call.response("resp_1")["novelty"] == {"a": [1]}


def test_an_out_of_band_response_is_in_no_conversation() -> None:
    call = Call().server("conversation.created", conversation={"id": "conv_1"})
    call.typed("item_1", "Hello")
    request = {"conversation": "none", "metadata": {"job": "title"}}
    call.client("response.create", response=request)
    item = message("item_2", content=[], status="in_progress")
    call.created("resp_1", None, metadata={"job": "title"})
    call.server("response.output_item.added", response_id="resp_1", item=item)
    whole = message("item_2", "assistant", text_part("A greeting"))
    call.server("response.output_item.done", response_id="resp_1", item=whole)
    call.done("resp_1", None, output=[whole])
    response = call.response("resp_1")
    assert response["conversation_id"] is None
    assert response["output"] == [whole]
    assert call.order(0) == ["item_1"]
    assert call.notes("item_2")["conversation_id"] is None
    assert "answered_by" not in call.notes("item_1")


def test_an_out_of_band_response_does_not_take_the_place_of_one_in_the_conversation() -> None:
    call = Call().client("response.create")
    call.client("response.create", response={"conversation": "none"})
    call.created("resp_out", None).created("resp_in")
    assert call.notes("resp_out")["request_seq"] == 2
    assert call.notes("resp_in")["request_seq"] == 1


def test_a_response_in_another_conversation_names_it() -> None:
    call = Call().server("conversation.created", conversation={"id": "conv_1"})
    call.created("resp_1", "conv_1").done("resp_1", "conv_1").created("resp_2", "conv_2")
    assert call.response("resp_1")["conversation_id"] == "conv_1"
    assert call.response("resp_2")["conversation_id"] == "conv_2"
    assert [c.id for c in call.state.conversations] == ["conv_1", "conv_2"]


def test_a_conversation_takes_the_name_that_its_first_response_tells() -> None:
    call = Call().typed("item_1", "Hello")
    assert call.notes("item_1")["conversation_id"] is None
    call.created("resp_1", "conv_1")
    assert call.notes("item_1")["conversation_id"] == "conv_1"
    assert len(call.state.conversations) == 1


def test_metadata_is_the_requests_until_the_server_tells() -> None:
    call = Call().client("response.create", response={"metadata": {"topic": "a"}})
    call.server("response.created", response={"id": "resp_1"})
    assert call.response("resp_1")["metadata"] == {"topic": "a"}
    call.done("resp_1", metadata={"topic": "b"})
    assert call.response("resp_1")["metadata"] == {"topic": "b"}


def test_metadata_that_the_server_says_is_null_is_null() -> None:
    call = Call().client("response.create").created("resp_1", metadata=None)
    assert call.response("resp_1")["metadata"] is None


def test_items_say_which_response_answered_them() -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two").answers("resp_1", "item_3", "Hi")
    call.typed("item_4", "Three").created("resp_2")
    answered = {id_: call.notes(id_).get("answered_by") for id_ in call.order()}
    assert answered == {
        "item_1": "resp_1",
        "item_2": "resp_1",
        "item_3": None,
        "item_4": "resp_2",
    }


@pytest.mark.parametrize("dialect", ["text", "output_text"])
def test_text_grows_by_deltas_in_either_dialect(dialect: str) -> None:
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    call = Call().created("resp_1").added(message("item_1"))
    call.server("response.output_item.added", response_id="resp_1", item=message("item_1"))
    call.part("added", "resp_1", "item_1", text_part("", dialect))
    for delta in ("Hel", "lo"):
        call.server(f"response.{dialect}.delta", delta=delta, **ids)
    assert call.item("item_1")["content"] == [text_part("Hello", dialect)]
    call.server(f"response.{dialect}.done", text="Hello!", **ids)
    assert call.item("item_1")["content"] == [text_part("Hello!", dialect)]
    assert call.notes("item_1")["generated"] == "Hello!"


def test_parts_grow_each_by_their_own_index() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.part("added", "resp_1", "item_1", text_part(""), index=1)
    call.says("resp_1", "item_1", "spoken")
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 1}
    call.server("response.output_text.delta", delta="written", **ids)
    content = call.item("item_1")["content"]
    assert content == [audio_part("spoken"), text_part("written")]
    assert call.notes("item_1")["generated"] == "spoken written"


def test_arguments_of_a_function_call_grow_and_end() -> None:
    ids = {"response_id": "resp_1", "item_id": "item_1", "call_id": "call_1"}
    call = Call().created("resp_1")
    item = {**CALL, "arguments": "", "status": "in_progress"}
    call.server("response.output_item.added", response_id="resp_1", item=item)
    for delta in ('{"city":', '"Oslo"'):
        call.server("response.function_call_arguments.delta", delta=delta, **ids)
    assert call.item("item_1")["arguments"] == '{"city":"Oslo"'
    call.server("response.function_call_arguments.done", arguments='{"city":"Oslo"}', **ids)
    assert call.item("item_1")["arguments"] == '{"city":"Oslo"}'
    whole = {**item, "arguments": '{"city":"Oslo"}', "status": "completed"}
    call.server("response.output_item.done", response_id="resp_1", item=whole)
    call.done("resp_1", output=[whole])
    assert call.response("resp_1")["output"] == [whole]
    assert without(call.item("item_1"), "eventstore") == whole


def test_a_function_call_of_a_response_that_never_ended_keeps_its_arguments() -> None:
    call = Call().created("resp_1")
    call.server("response.output_item.added", response_id="resp_1", item={**CALL, "arguments": ""})
    ids = {"response_id": "resp_1", "item_id": "item_1"}
    call.server("response.function_call_arguments.delta", delta='{"ci', **ids)
    assert call.response("resp_1")["output"][0]["arguments"] == '{"ci'


def test_deltas_that_come_after_the_end_change_nothing() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", "Hello").done("resp_1", status="cancelled")
    call.says("resp_1", "item_1", " late")
    assert call.item("item_1")["content"][0]["transcript"] == "Hello"


def test_an_output_item_that_no_conversation_event_names_is_placed_when_its_response_ends() -> None:
    call = Call().typed("item_1", "Hello").created("resp_1")
    whole = message("item_2", "assistant", text_part("Hi"))
    call.server("response.output_item.added", response_id="resp_1", item=whole)
    call.server("response.output_item.done", response_id="resp_1", item=whole)
    assert call.order() == ["item_1"]
    assert call.done("resp_1", output=[whole]).order() == ["item_1", "item_2"]


def test_config_is_what_the_response_says_before_the_request_before_the_session() -> None:
    session = {
        "model": "gpt-realtime",
        "audio": {"output": {"format": {"type": "audio/pcmu"}, "voice": "marin"}},
        "output_modalities": ["audio"],
        "max_output_tokens": 4096,
    }
    call = Call().server("session.created", session=session)
    asked = {"audio": {"output": {"voice": "cedar"}}, "max_output_tokens": 100}
    call.client("response.create", response=asked).created("resp_1", max_output_tokens="inf")
    notes = call.notes("resp_1")
    assert notes["model"] == "gpt-realtime"
    assert notes["config"] == {
        "modalities": ["audio"],
        "voice": "cedar",
        "audio_format": {"type": "audio/pcmu"},
        "temperature": None,
        "max_output_tokens": "inf",
    }


def test_a_response_keeps_the_configuration_that_it_started_under() -> None:
    call = Call().server("session.created", session={"model": "one", "voice": "alloy"})
    call.created("resp_1").server("session.updated", session={"model": "two", "voice": "echo"})
    call.done("resp_1").created("resp_2")
    models = [(call.notes(id_)["model"], call.notes(id_)["config"]["voice"]) for id_ in RESPONSES]
    assert models == [("one", "alloy"), ("two", "echo")]


RESPONSES = ("resp_1", "resp_2")


def test_times_of_a_response_that_a_client_asked_for() -> None:
    call = Call().client("response.create", after=1000)
    call.server("response.created", after=50, response={"id": "resp_1"})
    call.begins_speech("resp_1", "item_1")
    call.ms = 1150
    call.says("resp_1", "item_1", "Hello").says("resp_1", "item_1", " there")
    call.ms = 1249
    call.sounds("resp_1", "item_1", 100, 100)
    call.ms = 1999
    call.done("resp_1")
    notes = call.notes("resp_1")
    assert notes["requested_at"] == at(1000)
    assert notes["created_at"] == at(1050)
    assert (notes["first_text_at"], notes["time_to_first_text_ms"]) == (at(1151), 151)
    assert (notes["first_audio_at"], notes["time_to_first_audio_ms"]) == (at(1250), 250)
    assert (notes["done_at"], notes["duration_ms"]) == (at(2000), 950)
    assert notes["speech_ended_at"] is None


def test_times_of_a_response_to_speech_count_from_its_end() -> None:
    call = Call().server("input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=0)
    call.server("input_audio_buffer.speech_stopped", item_id="item_1", audio_end_ms=900, after=999)
    call.server("input_audio_buffer.committed", item_id="item_1").created("resp_1")
    call.begins_speech("resp_1", "item_2")
    call.ms = 1499
    call.sounds("resp_1", "item_2", 100)
    notes = call.notes("resp_1")
    assert notes["trigger"] == "vad"
    assert notes["speech_ended_at"] == at(1000)
    assert notes["speech_to_first_audio_ms"] == 500


def test_a_second_answer_does_not_count_from_speech_that_was_answered() -> None:
    call = Call().spoken("item_1", 0, 500).answers("resp_1", "item_2", "Hi")
    call.client("response.create").answers("resp_2", "item_3", "And more")
    assert call.notes("resp_1")["speech_ended_at"] is not None
    assert call.notes("resp_2")["speech_ended_at"] is None


def test_first_text_may_come_from_a_done_event_alone() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    ids = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
    call.server("response.output_audio_transcript.done", after=100, transcript="Hi", **ids)
    assert call.notes("resp_1")["first_text_at"] == at(call.ms)


def test_playback_tells_when_audio_was_heard_where_it_crosses_another_connection() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.server("output_audio_buffer.started", after=100, response_id="resp_1")
    started = call.ms
    call.done("resp_1").server("output_audio_buffer.stopped", after=900, response_id="resp_1")
    notes = call.notes("resp_1")
    assert notes["first_audio_at"] == notes["playback_started_at"] == at(started)
    assert notes["playback_stopped_at"] == at(call.ms)
    assert notes["interrupted"] is False


def test_playback_that_is_cleared_was_interrupted() -> None:
    call = Call().answers("resp_1", "item_1", "one two")
    call.server("output_audio_buffer.started", response_id="resp_1")
    call.server("output_audio_buffer.cleared", response_id="resp_1")
    notes = call.notes("resp_1")
    assert notes["interrupted"] is True
    assert notes["playback_stopped_at"] == at(call.ms)
    assert call.session()["eventstore"]["interruptions"] == 1


@pytest.mark.parametrize("type_", ["response.created", "response.done"])
@pytest.mark.parametrize("response", [None, {}, {"id": None}, {"id": ""}, "resp_1"])
def test_a_response_without_an_id_is_diagnosed(type_: str, response: object) -> None:
    call = Call().server(type_, response=response)
    assert call.codes() == ["response_without_id"]
    assert call.state.responses == {}


def test_a_response_first_heard_of_in_the_middle_is_made() -> None:
    call = Call().sounds("resp_1", "item_1", 100)
    response = call.response("resp_1")
    assert response["status"] == "in_progress"
    assert response["eventstore"]["seq"] == 1
    assert response["eventstore"]["created_at"] is None
    assert [item["id"] for item in response["output"]] == ["item_1"]
