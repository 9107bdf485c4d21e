"""Unit and acceptance: conversations as OpenAI's chat format has them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exports.calls_to_export import put_everything, put_sample, shown
from hypothesis import given
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import TypeAdapter
from support.calls import beta_tool_call, voice_call
from support.events import Call, message, text_part
from support.examples import examples
from support.recordings import each_recording, frames
from support.strategies import any_text, streams
from support.told_call import COMPLETED, SEGMENT, told_call

from eventstore import EventStore, Frame
from eventstore.exports.chat import FOREIGN, ORPHANS, SILENT, UNANSWERED, Chat, chat
from eventstore.realtime.values import dumps

Json = dict[str, Any]

MESSAGES = TypeAdapter(list[ChatCompletionMessageParam])
TOOLS = TypeAdapter(list[ChatCompletionToolParam])


def chat_of(call: Call) -> Chat:
    return chat(shown(call.frames))


def messages_of(call: Call) -> list[Json]:
    (only,) = chat_of(call).conversations
    check(only)
    messages: list[Json] = only["messages"]
    return messages


def check(line: Json) -> None:
    """Whether it is a line that OpenAI's types take, and each call has its output behind it."""
    text = dumps(line)
    assert json.loads(text.encode()) == line
    json.dumps(line, ensure_ascii=False).encode()  # no half a character
    assert set(line) <= {"messages", "tools", "parallel_tool_calls", "metadata"}
    consume(MESSAGES.validate_python(line["messages"], strict=True))
    consume(TOOLS.validate_python(line.get("tools", []), strict=True))
    assert all(isinstance(value, str) for value in line["metadata"].values())
    waiting: list[str] = []
    for entry in line["messages"]:
        if entry["role"] == "tool":
            assert entry["tool_call_id"] == waiting.pop(0)
            continue
        assert not waiting
        assert entry.get("content") or entry.get("tool_calls")
        waiting = [call["id"] for call in entry.get("tool_calls", [])]
    if waiting:
        assert len(waiting) == len(line["messages"][-1].get("tool_calls", []))


def consume(value: Any) -> None:
    """Have all of it validated: pydantic leaves what is iterable until it is read."""
    if isinstance(value, dict):
        for entry in value.values():
            consume(entry)
    elif isinstance(value, list | Iterator) or type(value).__name__ == "ValidatorIterator":
        for entry in value:
            consume(entry)


def function_call(id_: str, call_id: str, name: str = "weather") -> Json:
    fields = {"call_id": call_id, "name": name, "arguments": "{}", "status": "completed"}
    return {"id": id_, "type": "function_call", **fields}


def output(id_: str, call_id: str, said: str = "sunny") -> Json:
    return {"id": id_, "type": "function_call_output", "call_id": call_id, "output": said}


def calls(call: Call, response: str, *items: Json) -> Call:
    call.created(response)
    for item in items:
        call.server("response.output_item.added", response_id=response, item=item)
        call.added(item)
        call.server("response.output_item.done", response_id=response, item=item)
    return call.done(response, output=list(items))


def ids_called(messages: list[Json]) -> list[list[str]]:
    return [[c["id"] for c in m["tool_calls"]] for m in messages if m.get("tool_calls")]


# What is said


def test_a_conversation_with_a_function_call() -> None:
    session = {
        "instructions": "Be brief.",
        "tools": [
            {"type": "function", "name": "weather", "parameters": {"type": "object"}},
            {"type": "mcp", "server_label": "x"},
        ],
    }
    call = Call().server("session.created", session={"id": "sess_9", "model": "m", **session})
    call.frames += beta_tool_call().frames[1:]
    (line,) = chat_of(call).conversations
    check(line)
    assert [m["role"] for m in line["messages"]] == [
        *("system", "user", "assistant", "tool", "assistant")
    ]
    assert line["messages"][0]["content"] == "Be brief."
    assert line["messages"][2]["tool_calls"][0]["function"] == {
        "name": "weather",
        "arguments": '{"city":"Oslo"}',
    }
    assert line["messages"][3] == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}
    assert line["messages"][4] == {"role": "assistant", "content": "Sunny in Oslo."}
    function = {"name": "weather", "parameters": {"type": "object"}}
    assert line["tools"] == [{"type": "function", "function": function}]
    assert line["metadata"]["model"] == "m"


def test_what_was_interrupted_is_there_as_far_as_it_was_heard() -> None:
    made = chat_of(voice_call())
    (line,) = made.conversations
    check(line)
    assert line["messages"] == [
        {"role": "user", "content": "Hi, how is the weather?"},
        {"role": "assistant", "content": "It is sunny in Oslo today"},
        {"role": "assistant", "content": "And tomorrow"},
    ]
    assert made.left_out == {SILENT: 1}  # the user's second turn, which was not transcribed


def test_speakers_that_the_server_tells_apart_have_names() -> None:
    messages = messages_of(told_call())
    assert messages[:2] == [
        {"role": "user", "content": "Hello?", "name": "A"},
        {"role": "user", "content": "Hi, it is me.", "name": "B"},
    ]
    assert "name" not in messages[2] and "name" not in messages[-1]
    # Turns of one speaker each have their transcripts; a name is such as chat takes.
    call = Call()
    for number, speaker in enumerate(("Anna Maria", "B")):
        item = f"item_{number}"
        call.server(SEGMENT, item_id=item, text="well", start=0, end=1, speaker=speaker)
        call.server(COMPLETED, item_id=item, transcript="Well.")
    assert [one["name"] for one in messages_of(call)] == ["Anna_Maria", "B"]
    assert [one["content"] for one in messages_of(call)] == ["Well.", "Well."]


def test_metadata_of_the_session_is_there() -> None:
    (line,) = chat_of(voice_call()).conversations
    assert line["metadata"] == {
        "user": "u-1",
        "session_id": "sess_test",
        "conversation_id": "conv_1",
        "model": "gpt-realtime",
    }


def test_nothing_is_said() -> None:
    assert chat_of(Call().server("session.created", session={"instructions": "x"})) == ([], {})
    assert chat_of(Call()) == ([], {})


def test_images_of_the_user() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}
    spoken = text_part("Look", "input_text")
    (said,) = messages_of(Call().added(message("item_1", "user", image, spoken)))
    assert said["content"] == [
        {"type": "image_url", "image_url": {"url": image["image_url"], "detail": "low"}},
        {"type": "text", "text": "Look"},
    ]


def test_items_of_other_kinds_are_counted() -> None:
    call = Call().typed("item_1", "Hello")
    call.added({"id": "item_2", "type": "mcp_list_tools", "server_label": "x"})
    call.added(message("item_3", "narrator", text_part("Meanwhile")))
    assert chat_of(call).left_out == {FOREIGN: 2}


# Function calls


def test_parallel_calls_are_one_message() -> None:
    call = Call().typed("item_1", "Weather in Oslo and Rome?")
    calls(call, "resp_1", function_call("item_2", "a"), function_call("item_3", "b"))
    call.added(output("item_4", "a", "rain")).added(output("item_5", "b", "sun"))
    messages = messages_of(call)
    assert ids_called(messages) == [["a", "b"]]
    assert [m.get("content") for m in messages[2:]] == ["rain", "sun"]


def test_outputs_come_in_the_order_of_their_calls() -> None:
    call = Call().typed("item_1", "Weather?")
    calls(call, "resp_1", function_call("item_2", "a"), function_call("item_3", "b"))
    call.added(output("item_4", "b", "sun")).added(output("item_5", "a", "rain"))
    assert [m.get("content") for m in messages_of(call)[2:]] == ["rain", "sun"]


def test_calls_of_one_response_are_one_message_though_outputs_came_between() -> None:
    call = Call().typed("item_1", "Weather?").created("resp_1")
    for item in (function_call("item_2", "a"), function_call("item_3", "b")):
        call.server("response.output_item.added", response_id="resp_1", item=item)
    call.added(function_call("item_2", "a")).added(output("item_4", "a"))
    call.added(function_call("item_3", "b")).added(output("item_5", "b"))
    assert ids_called(messages_of(call)) == [["a", "b"]]


def test_calls_of_two_responses_are_two_messages() -> None:
    call = Call().typed("item_1", "Weather?")
    calls(call, "resp_1", function_call("item_2", "a")).added(output("item_3", "a"))
    calls(call, "resp_2", function_call("item_4", "b")).added(output("item_5", "b"))
    assert ids_called(messages_of(call)) == [["a"], ["b"]]


def test_words_and_calls_of_one_response_are_one_message() -> None:
    spoken = message("item_2", "assistant", text_part("One moment."))
    call = calls(Call().typed("item_1", "Hi"), "resp_1", spoken, function_call("item_3", "a"))
    call.added(output("item_4", "a"))
    said = messages_of(call)[1]
    assert said["content"] == "One moment." and ids_called([said]) == [["a"]]


def test_an_output_that_came_late_follows_its_call() -> None:
    call = calls(Call().typed("item_1", "Hi"), "resp_1", function_call("item_2", "a"))
    call.typed("item_3", "Are you there?").added(output("item_4", "a"))
    assert [m["role"] for m in messages_of(call)] == ["user", "assistant", "tool", "user"]


def test_a_call_without_output_is_left_out_and_counted() -> None:
    call = calls(Call().typed("item_1", "Hi"), "resp_1", function_call("item_2", "a"))
    call.typed("item_3", "Never mind")
    assert [m["role"] for m in messages_of(call)] == ["user", "user"]
    assert chat_of(call).left_out == {UNANSWERED: 1}


def test_a_call_that_ends_the_conversation_is_what_a_model_should_say_next() -> None:
    call = calls(Call().typed("item_1", "Hi"), "resp_1", function_call("item_2", "a"))
    assert ids_called(messages_of(call)) == [["a"]]


def test_an_output_without_a_call_is_left_out_and_counted() -> None:
    call = Call().typed("item_1", "Hi").added(output("item_2", "a"))
    assert [m["role"] for m in messages_of(call)] == ["user"]
    assert chat_of(call).left_out == {ORPHANS: 1}


# Anything


@each_recording
def test_recordings(recording: Path) -> None:
    made = chat(shown(frames(recording)))
    for line in made.conversations:
        check(line)
    assert made.conversations or "translation" in recording.stem or made.left_out


def test_the_sample_call(store: EventStore) -> None:
    made = chat(store.state(put_sample(store, customer="42")))
    (line,) = made.conversations
    check(line)
    assert len(line["messages"]) == 11 and not made.left_out
    assert line["metadata"]["customer"] == "42"


def test_scores_are_in_the_metadata(store: EventStore) -> None:
    session_id = put_sample(store)
    response_id = store.responses(order="asc")[0]["id"]
    store.score(session_id, "helpful", 0.25, response=response_id, by="judge")
    store.score(session_id, "topic", "refund")
    (only,) = chat(store.state(session_id)).conversations
    check(only)
    topic, helpful = json.loads(only["metadata"]["scores"])
    assert (topic["name"], topic["value"]) == ("topic", "refund") and "response_id" not in topic
    assert (helpful["value"], helpful["by"]) == (0.25, "judge")
    assert helpful["response_id"] == response_id


def test_all_sessions_of_a_store(store: EventStore) -> None:
    ids = put_everything(store)
    assert sorted(store.session_ids()) == sorted(ids)
    assert (
        sum(len(chat(store.state(session_id)).conversations) for session_id in ids) >= len(ids) - 2
    )


@given(played=streams())
@examples(150)
def test_any_stream(played: list[Frame]) -> None:
    for line in chat(shown(played)).conversations:
        check(line)


def test_half_a_character_is_replaced() -> None:
    (said,) = messages_of(Call().typed("item_1", "a\ud83d\0"))
    assert said["content"] == "a��"


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
@given(said=any_text(40))
@examples(40)
def test_any_text(role: str, said: str) -> None:
    call = Call().added(message("item_1", role, text_part(said, "input_text")))
    for line in chat_of(call).conversations:
        check(line)
