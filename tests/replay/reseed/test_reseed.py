"""Reseed: what goes into a new session, what is left out, and that any client may send it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from support.calls import SAMPLE_STREAMS, beta_tool_call, short_conversation, voice_call
from support.client_events import check_client_event
from support.events import (
    SESSION,
    Call,
    Json,
    audio,
    audio_part,
    log_events,
    message,
    text_part,
)
from support.examples import examples
from support.recordings import each_recording, frames
from support.strategies import mutated, streams

from eventstore import EventStore, Frame, InvalidInputError
from eventstore.demo import call_lines
from eventstore.projection.fold import apply, fold
from eventstore.projection.state import SessionState
from eventstore.projection.views import resources
from eventstore.realtime.resources.session_config import CLIENT_DIALECTS, ClientDialect
from eventstore.replay.reseed.reseed import Reseed, reseed

both = pytest.mark.parametrize("dialect", CLIENT_DIALECTS)


def made_of(state: SessionState, dialect: ClientDialect = "ga", **options: Any) -> Reseed:
    """A reseed into a session of Realtime, each event of which a client may send."""
    made = reseed(state, dialect, to="realtime", **options)
    for event in made.events:
        check_client_event(event, dialect)
    kinds = [event["type"] for event in made.events]
    assert not any(kind.endswith("session.update") for kind in kinds[1:])
    assert set(kinds[1:]) <= {"conversation.item.create"}
    for event in made.events:
        assert not {"id", "previous_item_id"} & {*event, *event.get("item", {})}
    return made


def items(made: Reseed) -> list[Json]:
    return [event["item"] for event in made.events if event["type"] == "conversation.item.create"]


def told(made: Reseed) -> list[tuple[str, str]]:
    """Who says what, in order; calls and their outputs among them."""
    return [line for item in items(made) for line in lines_of(item)]


def lines_of(item: Json) -> list[tuple[str, str]]:
    if item["type"] == "message":
        parts = [part.get("text") or part.get("transcript") or "" for part in item["content"]]
        return [(item["role"], " ".join(parts))]
    return [(item["type"], item.get("output") or item.get("arguments") or "")]


def reasons(made: Reseed) -> dict[str | None, str | None]:
    return {entry["item_id"]: entry["reason"] for entry in made.skipped}


def called(call: Call, id_: str, call_id: str | None = "call_1", **fields: Any) -> Call:
    shape = {"id": id_, "type": "function_call", "name": "weather", "arguments": "{}"}
    return call.added({**shape, "call_id": call_id, **fields})


def answered(call: Call, id_: str, call_id: str | None = "call_1", output: str = "sunny") -> Call:
    shape = {"id": id_, "type": "function_call_output"}
    return call.added({**shape, "call_id": call_id, "output": output})


# What is created


@both
def test_a_voice_call_becomes_what_was_heard(dialect: ClientDialect) -> None:
    made = made_of(voice_call().state, dialect)
    assert made.events[0]["type"] == "session.update"
    assert told(made) == [
        ("user", "Hi, how is the weather?"),
        ("assistant", "It is sunny in Oslo today"),
        ("assistant", "And tomorrow"),
    ]
    assert reasons(made) == {"item_3": "speech without a transcript"}
    part = items(made)[1]["content"][0]
    assert part["type"] == ("output_text" if dialect == "ga" else "text")


@both
def test_calls_keep_their_ids_names_and_arguments(dialect: ClientDialect) -> None:
    made = made_of(beta_tool_call().state, dialect)
    assert items(made)[1:3] == [
        {
            "type": "function_call",
            "call_id": "call_1",
            "name": "weather",
            "arguments": '{"city":"Oslo"}',
        },
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    ]
    assert [role for role, _ in told(made)] == [
        *("user", "function_call", "function_call_output", "assistant")
    ]
    assert made.skipped == []


def test_items_come_in_the_conversations_order_and_deleted_ones_do_not() -> None:
    call = short_conversation()
    assert call.order() == ["item_4", "item_5", "item_1", "item_2", "item_3"]
    call.server("conversation.item.deleted", item_id="item_1")
    assert told(made_of(call.state)) == [
        ("system", "Zero"),
        ("user", "Five"),
        ("user", "Two"),
        ("user", "Three"),
    ]


def test_items_outside_the_conversation_are_no_part_of_it() -> None:
    call = Call().typed("item_1", "Hello").created("resp_1", None)
    aside = message("item_2", "assistant", text_part("A summary."))
    call.server("response.output_item.done", response_id="resp_1", item=aside)
    call.done("resp_1", None, output=[aside])
    made = made_of(call.state)
    assert told(made) == [("user", "Hello")]
    assert made.skipped == []


def test_speech_of_which_nothing_was_heard_is_left_out() -> None:
    call = Call().answers("resp_1", "item_1", "Never heard").truncated("item_1", 0)
    assert items(made_of(call.state)) == []
    assert reasons(made_of(call.state)) == {"item_1": "nothing of it was heard"}


def test_truncated_speech_of_an_unknown_response_is_taken_by_time() -> None:
    said = message("item_1", "assistant", audio_part("Said before we joined"))
    assert told(made_of(Call().added(said).truncated("item_1", 700).state)) == [
        ("assistant", "Said")
    ]
    assert told(made_of(Call().added(said).truncated("item_1", 0).state)) == []


def test_an_answer_in_progress_is_what_it_says_so_far() -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    assert reasons(made_of(call.state)) == {"item_1": "it says nothing"}
    call.says("resp_1", "item_1", "Hello ", "there")
    assert told(made_of(call.state)) == [("assistant", "Hello there")]


def test_a_responses_message_whose_beginning_was_missed_is_the_assistants() -> None:
    call = Call().created("resp_1").part("added", "resp_1", "item_1", audio_part(""))
    call.says("resp_1", "item_1", "in the middle")
    assert told(made_of(call.state)) == [("assistant", "in the middle")]


@both
def test_the_assistants_words_as_notes_of_the_system(dialect: ClientDialect) -> None:
    made = made_of(voice_call().state, dialect, assistant_as="system")
    assert items(made)[1] == {
        "type": "message",
        "role": "system",
        "content": [
            {"type": "input_text", "text": "The assistant said: It is sunny in Oslo today"}
        ],
    }
    assert {item["role"] for item in items(made)} == {"user", "system"}


def test_the_last_conversation_with_items_is_rebuilt() -> None:
    call = Call().server("conversation.created", conversation={"id": "conv_1"})
    call.typed("item_1", "Before")
    call.server("conversation.created", conversation={"id": "conv_2"})
    assert told(made_of(call.state)) == [("user", "Before")]
    call.typed("item_2", "After")
    assert told(made_of(call.state)) == [("user", "After")]


# What is left out


def test_a_call_without_its_output_and_an_output_without_its_call() -> None:
    call = called(called(Call().typed("item_1", "Hi"), "item_2"), "item_3", "call_2")
    answered(answered(call, "item_4", "call_2"), "item_5", "call_3")
    made = made_of(call.state)
    assert [item.get("call_id") for item in items(made)] == [None, "call_2", "call_2"]
    assert reasons(made) == {
        "item_2": "a function call without its output",
        "item_5": "a function's output without its call",
    }


def test_calls_side_by_side_keep_their_places() -> None:
    call = called(called(Call(), "item_1", "call_1"), "item_2", "call_2").typed("item_3", "Wait")
    answered(answered(call, "item_4", "call_2", "two"), "item_5", "call_1", "one")
    assert told(made_of(call.state)) == [
        *(("function_call", "{}"), ("function_call", "{}"), ("user", "Wait")),
        *(("function_call_output", "two"), ("function_call_output", "one")),
    ]


def test_an_output_before_its_call_fits_none() -> None:
    call = called(answered(Call(), "item_1"), "item_2")
    made = made_of(call.state)
    assert items(made) == [] and len(made.skipped) == 2


def test_a_second_output_of_one_call_is_left_out() -> None:
    call = answered(answered(called(Call(), "item_1"), "item_2"), "item_3", output="again")
    assert told(made_of(call.state)) == [("function_call", "{}"), ("function_call_output", "sunny")]


@pytest.mark.parametrize("fields", [{"call_id": None}, {"call_id": ""}, {"name": None}])
def test_a_call_without_a_name_or_id_goes_with_its_output(fields: Json) -> None:
    call = called(Call(), "item_1", **fields)
    answered(call, "item_2", fields.get("call_id", "call_1"))
    made = made_of(call.state)
    assert items(made) == []
    assert reasons(made) == {
        "item_1": "a function call without a name or call_id",
        "item_2": "a function's output without its call",
    }


def test_items_that_no_new_session_takes_are_named() -> None:
    call = Call().added({"id": "item_1", "type": "mcp_list_tools", "server_label": "docs"})
    call.added({"id": "item_2", "type": "mcp_call", "name": "find", "arguments": "{}"})
    call.added({"id": "item_3", "type": "novelty"})
    call.added(message("item_4", "tool", text_part("out")))
    call.added(message("item_5", "user")).added(message("item_6", "system"))
    made = made_of(call.state)
    assert items(made) == []
    assert reasons(made) == {
        "item_1": "an item of an MCP server (mcp_list_tools)",
        "item_2": "an item of an MCP server (mcp_call)",
        "item_3": "an item of an unknown type (novelty)",
        "item_4": "a message of the role tool",
        "item_5": "it says nothing",
        "item_6": "it says nothing",
    }


def test_an_image_is_sent_in_the_shape_that_has_it() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "high"}
    lost = {"type": "input_image"}
    call = Call().added(message("item_1", "user", text_part("See", "input_text"), image, lost))
    made = made_of(call.state)
    assert items(made)[0]["content"] == [text_part("See", "input_text"), image]
    assert reasons(made) == {"item_1": "an image that the log does not hold"}
    made = made_of(call.state, "beta")
    assert items(made)[0]["content"] == [{"type": "input_text", "text": "See"}]
    reason = "an image, which beta has no shape for"
    assert [entry["reason"] for entry in made.skipped] == [reason, reason]


def test_text_that_is_no_text_for_a_server_is_repaired() -> None:
    tool = {"type": "function", "name": "a", "parameters": {"\ud83d": ["\0"]}}
    call = Call().server("session.updated", session={"instructions": "a\0b", "tools": [tool]})
    call.typed("item_1", "half an emoji \ud83d")
    made = made_of(call.state)
    assert told(made) == [("user", "half an emoji �")]
    assert made.events[0]["session"]["instructions"] == "a�b"
    json.dumps(made.events, ensure_ascii=False).encode()


# Configuration


def test_what_the_client_asked_for_stands_in_where_the_server_is_silent() -> None:
    call = Call().client("session.update", session={"type": "realtime", "instructions": "Asked"})
    assert made_of(call.state).events == [
        {"type": "session.update", "session": {"type": "realtime", "instructions": "Asked"}}
    ]
    call.server("session.updated", session={"instructions": "Granted"})
    assert made_of(call.state).events[0]["session"]["instructions"] == "Granted"


def test_without_any_configuration_there_is_no_update() -> None:
    made = made_of(Call().typed("item_1", "Hi").state)
    assert [event["type"] for event in made.events] == ["conversation.item.create"]
    assert made_of(SessionState(SESSION)) == Reseed([], [])


def test_a_translation_session_has_nothing_to_rebuild() -> None:
    call = Call().server("session.created", session={"type": "translation"})
    assert made_of(call.state) == Reseed(
        [], [{"item_id": None, "reason": "a translation session has no conversation"}]
    )


# The last items


def test_the_last_items_never_begin_with_an_output_whose_call_was_cut_off() -> None:
    call = called(Call().typed("item_1", "One"), "item_2")
    answered(call, "item_3").typed("item_4", "Two")
    counts = {n: [role for role, _ in told(made_of(call.state, max_items=n))] for n in range(1, 6)}
    whole = ["user", "function_call", "function_call_output", "user"]
    assert counts == {1: ["user"], 2: ["user"], 3: whole[1:], 4: whole, 5: whole}
    cut = made_of(call.state, max_items=2)
    assert reasons(cut) == {"item_3": "a function's output cut off from its call"}


def test_the_last_items_are_counted_by_what_is_created() -> None:
    call = Call().added({"id": "item_1", "type": "mcp_list_tools"}).typed("item_2", "One")
    call.added({"id": "item_3", "type": "mcp_list_tools"}).typed("item_4", "Two")
    made = made_of(call.state, max_items=2)
    assert [words for _, words in told(made)] == ["One", "Two"]
    # What lies before them is cut off by wish, and no loss.
    assert set(reasons(made_of(call.state, max_items=1))) == set()
    assert set(reasons(made_of(call.state, max_items=3))) == {"item_1", "item_3"}


@pytest.mark.parametrize(
    "options", [{"max_items": 0}, {"max_items": -1}, {"dialect": "wire"}, {"assistant_as": "user"}]
)
def test_bad_arguments_are_refused(options: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"use "):
        reseed(SessionState(SESSION), **options)


# Audio


def spoken_call() -> Call:
    call = Call().added(message("item_1", "user", audio_part("Hi", "input_audio")))
    call.added(message("item_2", "user", audio_part(None, "input_audio")))
    return call.typed("item_3", "Typed")


@both
def test_speech_is_sent_as_audio_where_it_is_known(dialect: ClientDialect) -> None:
    sound = {("item_1", 0): b"\0\1", ("item_2", 0): b"\2\3", ("item_3", 0): b"\4\5"}
    made = made_of(spoken_call().state, dialect, audio=sound)
    assert [item["content"] for item in items(made)] == [
        [{"type": "input_audio", "audio": "AAE=", "transcript": "Hi"}],
        [{"type": "input_audio", "audio": "AgM="}],
        [{"type": "input_text", "text": "Typed"}],
    ]
    assert made.skipped == []


def test_speech_whose_audio_is_missing_is_sent_as_its_transcript() -> None:
    made = made_of(spoken_call().state, audio={})
    assert told(made) == [("user", "Hi"), ("user", "Typed")]
    assert reasons(made) == {
        "item_2": "speech without a transcript, and its audio is not in the log"
    }


# Every stream, at any seq, in both dialects


def states(stream: list[Frame], every: int = 1) -> Iterator[SessionState]:
    """Walks one state through a stream."""
    state = SessionState(SESSION)
    for event in log_events(stream):
        apply(state, event)
        if event.seq % every == 0 or event.seq == len(stream):
            yield state


def check(state: SessionState) -> None:
    """Whatever is asked of a state is valid, whole, and no call stands alone."""
    everything = {(id_, 0): b"\0\0" for id_ in state.items}
    for dialect in CLIENT_DIALECTS:
        for options in (
            {},
            {"audio": everything},
            {"max_items": 2, "assistant_as": "system"},
        ):
            made = made_of(state, dialect, **options)
            open_calls: set[str] = set()
            for item in items(made):
                if item["type"] == "function_call":
                    open_calls.add(item["call_id"])
                elif item["type"] == "function_call_output":
                    open_calls.remove(item["call_id"])
            assert not open_calls
            assert len(items(made)) <= options.get("max_items", len(items(made)))


@each_recording
def test_a_recording_can_be_rebuilt_at_any_seq(recording: Path) -> None:
    for state in states(frames(recording), every=7):
        check(state)


def test_the_sample_call_can_be_rebuilt_at_any_seq() -> None:
    for state in states(sample_call(), every=40):
        check(state)


@examples(150)
@given(streams())
def test_any_stream_can_be_rebuilt_at_any_seq(stream: list[Frame]) -> None:
    for state in states(stream, every=9):
        check(state)


@examples(60)
@given(mutated(SAMPLE_STREAMS))
def test_any_change_of_a_real_stream_can_be_rebuilt(stream: list[Frame]) -> None:
    check(fold(SESSION, log_events(stream)))


# There and back


def sample_call() -> list[Frame]:
    lines = map(json.loads, call_lines())
    return [Frame(line["direction"], line["frame"]) for line in lines]


def sent(made: Reseed, dialect: ClientDialect) -> Call:
    """A new session in which a client sends the events, and a server answers each."""
    call = Call()
    added = "conversation.item.added" if dialect == "ga" else "conversation.item.created"
    for number, event in enumerate(made.events, 1):
        call.frame("client", json.dumps(event))
        if event["type"] == "conversation.item.create":
            item = {"id": f"new_{number}", "status": "completed", **event["item"]}
            call.server(added, previous_item_id=None, item=item)
            if dialect == "ga":
                call.server("conversation.item.done", previous_item_id=None, item=item)
        else:
            call.server(event["type"].replace("update", "updated"), session=event["session"])
    return call


def shown(state: SessionState) -> list[tuple[str, str]]:
    """What `show` tells of the items that a reseed can hold: who said what, as heard."""
    order = next((c.order for c in reversed(state.conversations) if c.order), [])
    items = [resources.item_resource(state, state.items[id_]) for id_ in order]
    found = []
    for item in items:
        if item["type"] == "message":
            notes = item["eventstore"]
            parts = [part for part in item["content"] if isinstance(part, dict)]
            texts = [part.get("text") or part.get("transcript") or "" for part in parts]
            said = notes.get("heard", " ".join(filter(None, texts)))
            if said.strip():
                found.append((item["role"], said))
        else:
            found += lines_of(item)
    return found


@both
@pytest.mark.parametrize("name", ["voice", "tools", "order", "sample"])
def test_a_conversation_sent_again_tells_what_was_heard(name: str, dialect: ClientDialect) -> None:
    streams = {
        "voice": voice_call().frames,
        "tools": beta_tool_call().frames,
        "order": short_conversation().frames,
        "sample": sample_call(),
    }
    check_there_and_back(streams[name], dialect)


@each_recording
@both
def test_a_recording_sent_again_tells_what_was_heard(
    recording: Path, dialect: ClientDialect
) -> None:
    check_there_and_back(frames(recording), dialect)


def check_there_and_back(stream: list[Frame], dialect: ClientDialect) -> None:
    old = fold(SESSION, log_events(stream))
    made = made_of(old, dialect)
    new = sent(made, dialect)
    assert new.codes() == []
    assert shown(new.state) == shown(old) == told(made)
    assert told(made) or old.wire.get("type") == "translation"
    # And from the new session again, in the other dialect as well.
    assert made_of(new.state, dialect) == Reseed(made.events, [])
    for other in CLIENT_DIALECTS:
        assert told(made_of(new.state, other)) == told(made)


# From a store


def test_a_store_rebuilds_a_conversation_as_it_stood(store: EventStore) -> None:
    call = voice_call()
    store.append("sess", call.frames)
    for seq in (0, 1, 20, 40, len(call.frames), None):
        state = fold("sess", log_events(call.frames[:seq]))
        assert store.reseed("sess", seq) == made_of(state)
        assert store.reseed("sess", seq, "beta", max_items=2) == made_of(state, "beta", max_items=2)
    assert store.reseed("sess", "+0.2").events == store.reseed("sess", 12).events


def test_a_store_finds_the_users_audio(store: EventStore) -> None:
    store.append("sess", voice_call().frames)
    first, *_, third = items(store.reseed("sess", audio=True))[:3]
    assert first["content"] == [
        {
            "type": "input_audio",
            "audio": audio(140),
            "transcript": "Hi, how is the weather?",
        }
    ]
    assert third["content"] == [{"type": "input_audio", "audio": audio(140)}]


def test_a_store_finds_no_audio_that_came_later(store: EventStore) -> None:
    call = Call().added(message("item_1", "user", audio_part("Hi", "input_audio")))
    part = {**audio_part("Hi", "input_audio"), "audio": audio(10)}
    call.server("conversation.item.retrieved", item=message("item_1", "user", part))
    store.append("sess", call.frames)
    before, after = (items(store.reseed("sess", seq, audio=True)) for seq in (1, 2))
    assert before[0]["content"] == [{"type": "input_text", "text": "Hi"}]
    assert after[0]["content"][0]["audio"] == audio(10)
