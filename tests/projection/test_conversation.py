"""Conversations: items retrieved, deleted and added again, MCP items, truncation by index."""

from __future__ import annotations

import pytest
from support.events import Call, audio_part, message, text_part, without


def test_a_retrieved_item_is_completed_and_stays_in_its_place() -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two", "item_1")
    whole = message("item_1", "user", text_part("One, in full", "input_text"))
    call.client("conversation.item.retrieve", item_id="item_1")
    call.server("conversation.item.retrieved", item=whole)
    assert call.order() == ["item_1", "item_2"]
    assert without(call.item("item_1"), "eventstore") == whole


def test_a_retrieved_item_that_was_never_seen_is_added_at_the_end() -> None:
    call = Call().typed("item_2", "Two")
    call.server("conversation.item.retrieved", item=message("item_1", "user"))
    assert call.order() == ["item_2", "item_1"]


def test_a_deleted_item_leaves_its_conversation_and_is_kept() -> None:
    call = Call().typed("item_1", "One").typed("item_2", "Two", "item_1").typed("item_3", "Three")
    call.client("conversation.item.delete", item_id="item_2")
    assert call.order() == ["item_1", "item_2", "item_3"]
    call.server("conversation.item.deleted", item_id="item_2")
    assert call.order() == ["item_1", "item_3"]
    assert call.item("item_2")["content"][0]["text"] == "Two"
    assert call.notes("item_2")["deleted_seq"] == 5
    assert call.session()["eventstore"]["items"] == 2


def test_a_deleted_item_does_not_come_back_by_its_done_event() -> None:
    call = Call().typed("item_1", "One").server("conversation.item.deleted", item_id="item_1")
    call.server("conversation.item.done", item=message("item_1", "user"))
    call.server("conversation.item.retrieved", item=message("item_1", "user"))
    assert call.order() == []


def test_a_deleted_item_that_is_added_again_is_in_the_conversation() -> None:
    call = Call().typed("item_1", "One").server("conversation.item.deleted", item_id="item_1")
    call.typed("item_1", "One again")
    assert call.order() == ["item_1"]
    assert "deleted_seq" not in call.notes("item_1")


def test_an_item_deleted_before_it_was_seen_is_survived() -> None:
    call = Call().server("conversation.item.deleted", item_id="item_1")
    assert call.notes("item_1")["deleted_seq"] == 1
    assert call.session()["eventstore"]["items"] == 0


def test_an_output_item_deleted_before_its_response_ends_stays_deleted() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.server("conversation.item.deleted", item_id="item_1")
    call.done("resp_1", output=[message("item_1", "assistant", audio_part("Hi"))])
    assert call.order() == []
    assert call.response("resp_1")["output"][0]["id"] == "item_1"


def test_an_item_without_an_id_is_diagnosed() -> None:
    call = Call().added({"type": "message", "role": "user", "content": []})
    assert call.codes() == ["item_without_id"]
    assert call.state.items == {}


def test_the_beta_name_adds_an_item_too() -> None:
    item = message("item_1", "user", text_part("Hello", "input_text"))
    call = Call().server("conversation.item.created", previous_item_id=None, item=item)
    call.server("conversation.item.done", previous_item_id=None, item=item)
    assert call.order() == ["item_1"]


def test_a_clients_own_id_is_the_items() -> None:
    item = message("mine_1", "user", text_part("Hello", "input_text"))
    call = Call().client("conversation.item.create", item=item)
    assert "mine_1" not in call.state.items
    assert call.added(item).order() == ["mine_1"]


def test_truncation_cuts_the_part_that_it_names() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.part("added", "resp_1", "item_1", audio_part(""), index=1)
    ids = {"response_id": "resp_1", "item_id": "item_1"}
    for index, said in enumerate(("one two three four", "five six seven eight")):
        call.sounds("resp_1", "item_1", 1000, index=index)
        type_ = "response.output_audio_transcript.done"
        call.server(type_, transcript=said, content_index=index, **ids)
    call.done("resp_1").truncated("item_1", 500, index=1)
    content = call.item("item_1")["content"]
    assert content[0]["transcript"] == "one two three four"
    assert "transcript" not in content[1]
    assert call.notes("item_1")["heard"] == "one two three four five six"


@pytest.mark.parametrize(
    ("ms", "heard"),
    [(388, "one"), (389, "one two"), (999, "one two three"), (5000, "one two three four")],
)
def test_heard_is_the_whole_words_that_fit(ms: int, heard: str) -> None:
    call = Call().answers("resp_1", "item_1", "one two three four", 1000).truncated("item_1", ms)
    assert call.notes("item_1")["heard"] == heard


def test_what_was_typed_counts_as_heard() -> None:
    call = Call().created("resp_1")
    item = message("item_1", "assistant", text_part("Hello"))
    call.server("response.output_item.done", response_id="resp_1", item=item).done("resp_1")
    assert call.notes("item_1")["heard"] == "Hello"
    assert call.notes("resp_1")["heard"] == "Hello"


@pytest.mark.parametrize(
    ("said", "cut_ms", "heard"),
    [
        ("The museum opens at nine and closes at five.", 2000, "The museum opens at nine and"),
        ("The museum opens.", 60_000, "The museum"),  # it was cut: never the whole
        ("今天天气很好，我们去公园。", 1000, "今天天气很"),
        ("สวัสดีครับ", 1000, "สวัสด"),
        ("Hello", 200, ""),
    ],
)
def test_heard_of_a_truncated_part_whose_audio_is_unknown_is_what_takes_that_time(
    said: str, cut_ms: int, heard: str
) -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", said).truncated("item_1", cut_ms)
    notes = call.notes("item_1")
    assert (notes["heard"], notes["generated"]) == (heard, said)
    assert notes["truncated"]["estimated_by"] == "time"


@pytest.mark.parametrize("progress", ["in_progress", "completed", "failed"])
def test_mcp_tools_are_listed_with_their_progress(progress: str) -> None:
    tools = [{"name": "find", "input_schema": {}}]
    item = {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "crm", "tools": tools}
    call = Call().added({**item, "tools": []})
    call.server("mcp_list_tools.in_progress", item_id="mcpl_1")
    call.server(f"mcp_list_tools.{progress}", item_id="mcpl_1")
    call.server("conversation.item.done", item=item)
    assert without(call.item("mcpl_1"), "eventstore") == item
    assert call.notes("mcpl_1")["progress"] == progress


@pytest.mark.parametrize("progress", ["in_progress", "completed", "failed"])
def test_mcp_calls_have_their_arguments_output_and_progress(progress: str) -> None:
    item = {"id": "mcp_1", "type": "mcp_call", "server_label": "crm", "name": "find"}
    ids = {"response_id": "resp_1", "item_id": "mcp_1"}
    call = Call().created("resp_1")
    call.server("response.output_item.added", response_id="resp_1", item={**item, "arguments": ""})
    for delta in ('{"q"', ":1}"):
        call.server("response.mcp_call_arguments.delta", delta=delta, **ids)
    assert call.item("mcp_1")["arguments"] == '{"q":1}'
    call.server("response.mcp_call_arguments.done", arguments='{"q": 1}', **ids)
    assert call.item("mcp_1")["arguments"] == '{"q": 1}'
    call.server(f"response.mcp_call.{progress}", item_id="mcp_1", output_index=0)
    whole = {**item, "arguments": '{"q": 1}', "output": "found"}
    call.server("response.output_item.done", response_id="resp_1", item=whole)
    assert without(call.item("mcp_1"), "eventstore") == whole
    assert call.notes("mcp_1")["progress"] == progress


def test_mcp_approvals_are_items_like_others() -> None:
    asked = {"id": "mcpr_1", "type": "mcp_approval_request", "server_label": "crm", "name": "find"}
    answer = {"id": "mcpa_1", "type": "mcp_approval_response", "approval_request_id": "mcpr_1"}
    call = Call().added(asked).added({**answer, "approve": True}, "mcpr_1")
    assert call.order() == ["mcpr_1", "mcpa_1"]
    assert call.item("mcpa_1")["approve"] is True


def test_a_failed_transcription_is_noted_and_a_later_one_heals_it() -> None:
    type_ = "conversation.item.input_audio_transcription.failed"
    error = {"type": "server_error", "code": "audio", "message": "No speech."}
    call = Call().spoken("item_1", 0, 500)
    call.server(type_, item_id="item_1", content_index=0, error=error)
    assert call.notes("item_1")["transcription_error"] == error
    assert call.session()["eventstore"]["diagnostics"][0]["message"] == "No speech."
    call.transcribed("item_1", "Hello")
    assert "transcription_error" not in call.notes("item_1")


def test_an_item_notes_when_it_was_seen_and_done() -> None:
    call = Call().typed("item_1", "Hello")
    call.server("conversation.item.done", item=message("item_1", "user"), after=9)
    notes = call.notes("item_1")
    assert (notes["seq"], notes["at"]) == (1, "2023-11-14T22:13:20.001000Z")
    assert notes["done_at"] == "2023-11-14T22:13:20.010000Z"


def test_an_id_too_long_for_a_key_is_shortened_and_the_resource_keeps_it() -> None:
    long = "item_" + "x" * 500
    call = Call().typed(long, "One").typed("item_2", "Two", long)
    (key, other) = call.order()
    assert other == "item_2"
    assert len(key) <= 128
    assert call.item(key)["id"] == long
    call.server("conversation.item.deleted", item_id=long)
    assert call.order() == ["item_2"]


def test_a_conversation_with_a_long_id_is_one_conversation() -> None:
    long = "conv_" + "x" * 500
    call = Call().server("conversation.created", conversation={"id": long})
    call.typed("item_1", "Hello").created("resp_1", long)
    assert len(call.state.conversations) == 1
