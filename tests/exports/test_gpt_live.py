"""Unit and acceptance: GPT-Live sessions as transcripts, chat, HTML, Parquet files and traces."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from exports.calls_to_export import shown, state_of
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import TypeAdapter
from support.events import START
from support.gpt_live import (
    BACKEND_MODEL,
    LiveCall,
    client_call,
    decisions_call,
    responses_call,
)
from support.planted_live import planted_live_call

from eventstore import EventStore, write_html
from eventstore.exports.chat import BACKCHANNELS, REFUSED, UNSAID, WORK, Chat, chat
from eventstore.exports.otel.session_spans import session_spans
from eventstore.exports.otel.spans import Span
from eventstore.exports.parquet.write_parquet import write_parquet
from eventstore.exports.transcript import Turn, transcript_turns

Json = dict[str, Any]
CALLS = {"client": client_call, "responses": responses_call, "decisions": decisions_call}


def turns_of(call: LiveCall) -> list[Turn]:
    return transcript_turns(shown(call.frames), [])


def lines_of(call: LiveCall) -> list[tuple[str, str, str]]:
    return [(turn.speaker, turn.kind, turn.text) for turn in turns_of(call)]


def chat_of(call: LiveCall) -> Chat:
    return chat(shown(call.frames))


def messages_of(call: LiveCall) -> list[Json]:
    (line,) = chat_of(call).conversations
    messages: list[Json] = line["messages"]
    TypeAdapter(list[ChatCompletionMessageParam]).validate_python(messages, strict=True)
    return messages


# Transcripts


def test_a_transcript_tells_who_spoke_and_who_did_the_work() -> None:
    assert lines_of(client_call()) == [
        ("user", "said", "I called before."),
        ("app", "instructions", "The caller is Ada."),
        ("user", "said", "Where is my order forty two?"),
        ("assistant", "delegation", "to the app (client): “Where is my order forty two?”"),
        ("assistant", "said", "Let me check that."),
        ("app", "thinking", "Order 42 is in the oven."),
        ("app", "commentary", "It is ready at five."),
        ("assistant", "said", "Your order is in the oven and it will be ready at five."),
        ("user", "said", "Mhm."),
        ("user", "said", "Thank you."),
    ]


def test_a_transcript_has_short_facts() -> None:
    notes = {turn.text: turn.notes for turn in turns_of(client_call())}
    assert notes["Mhm."] == ["backchannel"]
    assert notes["I called before."] == ["told before the start"]
    asked = "to the app (client): “Where is my order forty two?”"
    assert notes[asked] == ["answered after 1.6 s by thinking and commentary"]
    notes = {turn.text: turn.notes for turn in turns_of(decisions_call())}
    assert "interrupted" in notes["Welcome to the bakery, I can tell you all about our bread"]
    assert notes["No, I want to speak to a human now!"] == ["while the other one spoke"]


def test_times_count_from_the_first_event_by_the_timeline() -> None:
    call = LiveCall().store("opened")
    call.ms += 2000
    call.starts().said(("user", 600, "Hello"))
    (turn,) = turns_of(call)
    assert turn.at == pytest.approx(2.6, abs=0.01)


def test_what_a_backend_did_is_no_words_of_the_assistant() -> None:
    told = turns_of(responses_call())
    of_backend = [(turn.kind, turn.text) for turn in told if turn.speaker == "backend"]
    assert of_backend == [
        ("call", 'find_order({"number": 42})'),
        ("said", "Order 42 is ready."),
        ("said", ""),
    ]
    failed = next(turn for turn in told if turn.text == "" and turn.speaker == "backend")
    assert "failed: The backend is not available." in failed.notes
    assert ("tool", "result", '{"ready": true}') in lines_of(responses_call())
    assert not any("not said" in turn.notes for turn in told if turn.speaker == "assistant")


def test_decisions_and_moments_are_told_where_they_were() -> None:
    lines = lines_of(decisions_call())
    first = ("decisions", "decision", "mood: upset (91 %) · wants_human: yes (85 %) · urgency: 0.7")
    decided = next(line for line in lines if line[1] == "decision")
    assert decided[:2] == first[:2]
    assert decided[2].startswith(first[2])
    assert ("decisions", "decision", "mood: refused") in lines
    moments = [text for _, kind, text in lines if kind == "moment"]
    assert moments[:2] == ["the phone rings", "the call is answered"]
    muted = lines.index(("server", "moment", "the user is muted"))
    assert muted < lines.index(("server", "moment", "the user is not muted any more"))


def test_items_are_in_the_order_of_the_timeline() -> None:
    """The server tells what the user said after what the assistant says meanwhile."""
    call = LiveCall().starts()
    for type_, start, word in (("output", 1000, "Sure"), ("input", 200, "Please")):
        place = {"start_ms": start, "end_ms": start + 200}
        call.live(f"session.{type_}_transcript.delta", 1400, delta=word, **place)
    assert [turn.text for turn in turns_of(call)] == ["Please", "Sure"]


# Chat


def test_chat_has_what_was_said_and_what_the_app_told() -> None:
    assert messages_of(client_call()) == [
        {"role": "system", "content": "You are the voice of a bakery."},
        {"role": "user", "content": "I called before."},
        {"role": "developer", "content": "The caller is Ada."},
        {"role": "user", "content": "Where is my order forty two?"},
        {"role": "assistant", "content": "Let me check that."},
        {"role": "developer", "content": "Order 42 is in the oven."},
        {"role": "developer", "content": "It is ready at five."},
        {
            "role": "assistant",
            "content": "Your order is in the oven and it will be ready at five.",
        },
        {"role": "user", "content": "Thank you."},
    ]
    assert chat_of(client_call()).left_out == {BACKCHANNELS: 1, WORK: 1}


def test_chat_has_a_backends_calls_and_not_its_words() -> None:
    messages = messages_of(responses_call())
    function = {"name": "find_order", "arguments": '{"number": 42}'}
    call = {"id": "call_fc_1", "type": "function", "function": function}
    place = messages.index({"role": "assistant", "tool_calls": [call]})
    result = {"role": "tool", "tool_call_id": "call_fc_1", "content": '{"ready": true}'}
    assert messages[place + 1] == result
    assert not any(message.get("content") == "Order 42 is ready." for message in messages)
    found = chat_of(responses_call())
    assert found.left_out == {UNSAID: 1, WORK: 2}
    (line,) = found.conversations
    TypeAdapter(list[ChatCompletionToolParam]).validate_python(line["tools"], strict=True)
    assert line["tools"][0]["function"]["name"] == "find_order"


def test_chat_leaves_out_what_the_server_refused() -> None:
    call = LiveCall().starts().told("instructions", "Sing.", 100, answered=False)
    call.live("error", 200, error={"code": "bad", "client_event_id": "client_2"})
    call.said(("user", 600, "Hello"))
    assert [message["role"] for message in messages_of(call)] == ["system", "user"]
    assert chat_of(call).left_out == {REFUSED: 1}


# HTML


@pytest.mark.parametrize("name", CALLS)
def test_a_page_tells_of_a_live_session(name: str) -> None:
    call = CALLS[name]()
    with EventStore("sqlite://") as store:
        store.append("live_1", call.frames, close=True)
        stream = BytesIO()
        write_html(store.reader, "live_1", stream)
    page = stream.getvalue().decode()
    assert "Context window" in page
    if name == "client":
        assert "app</bdi> · commentary" in page
        assert ">0:05.6<" in page
    if name == "decisions":
        assert "mood: upset (91 %)" in page
        assert "remote_hangup" in page


# Parquet


def rows_of(folder: Path, name: str) -> dict[str, Json]:
    rows = pq.read_table(folder / f"{name}s.parquet").to_pylist()
    return {row[f"{name}_id"]: row for row in rows}


def test_parquet_files_have_places_and_delegations(tmp_path: Path) -> None:
    with EventStore("sqlite://") as store:
        store.append("live_1", responses_call().frames, close=True)
        write_parquet(store.reader, ["live_1"], tmp_path)
    items, responses = rows_of(tmp_path, "item"), rows_of(tmp_path, "response")
    told = ("kind", "start_ms", "end_ms", "backchannel", "delegation_id", "delegation_target")
    said = items["item_said_3"]
    assert [said[name] for name in told] == ["speech", 400, 1400, False, None, None]
    assert [one["start_ms"] for one in said["words"]] == [0, 200, 400, 600, 800]
    work = items["item_work"]
    assert [work[name] for name in told[-2:]] == ["item_work", "responses"]
    assert (items["msg_1"]["kind"], items["msg_1"]["heard"]) == ("backend", None)
    assert responses["resp_1"]["kind"] == "delegated"
    assert responses["resp_1"]["delegation_id"] == "item_work"
    assert responses["resp_1"]["model"] == BACKEND_MODEL
    assert responses["resp_said_10"]["kind"] == "spoken"
    assert responses["resp_said_10"]["start_ms"] == 1700


def test_parquet_files_have_context_and_backchannels(tmp_path: Path) -> None:
    with EventStore("sqlite://") as store:
        store.append("live_1", client_call().frames, close=True)
        write_parquet(store.reader, ["live_1"], tmp_path)
    items = rows_of(tmp_path, "item").values()
    contexts = {item["said"]: item["context"] for item in items if item["context"]}
    assert contexts["It is ready at five."] == "commentary"
    assert [item["said"] for item in items if item["backchannel"]] == ["Mhm."]


def test_parquet_files_have_no_secret_that_is_split_over_words(tmp_path: Path) -> None:
    secret = "q7ZplantedSecret123"
    with EventStore("sqlite://") as store:
        store.append("live_1", planted_live_call(secret).frames, close=True)
        write_parquet(store.reader, ["live_1"], tmp_path)
    told = str(list(rows_of(tmp_path, "item").values()))
    assert secret[:9] not in told and secret[9:] not in told
    assert "'text': ' password'" in told and "'text': ' there'" in told


# Traces


def spans_of(call: LiveCall, content: bool = False) -> list[Span]:
    return session_spans(state_of(call.frames), content=content)


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def test_a_delegation_is_a_span_with_what_its_backend_did() -> None:
    spans = spans_of(responses_call())
    first, second = named(spans, "delegation responses")
    assert first.attributes["eventstore.delegation.target"] == "responses"
    assert (first.start - START, first.end - first.start) == (1_502_000, 1_500_000)
    below = [span for span in spans if span.parent_id == first.span_id]
    names = [f"chat {BACKEND_MODEL}", "execute_tool find_order", f"chat {BACKEND_MODEL}"]
    assert [span.name for span in below] == names
    assert below[0].attributes["gen_ai.usage.input_tokens"] == 120
    assert below[0].attributes["gen_ai.usage.cache_read.input_tokens"] == 20
    (failed,) = (span for span in spans if span.parent_id == second.span_id)
    assert failed.error == "The backend is not available."


def test_spoken_turns_have_the_times_of_the_timeline() -> None:
    spans = spans_of(client_call(), content=True)
    answer = named(spans, "chat gpt-live-1")[1]
    zero = START + 2000
    assert (answer.start, answer.end) == (zero + 5_000_000, zero + 7_600_000)
    assert answer.attributes["eventstore.kind"] == "spoken"
    said = named(spans, "user speech")
    assert [(span.start - zero) // 1000 for span in said] == [600, 5600, 8200]
    assert said[1].attributes["eventstore.backchannel"] is True
    assert "Mhm." in str(said[1].attributes["gen_ai.output.messages"])


def test_a_decision_is_a_span_of_its_model() -> None:
    spans = spans_of(decisions_call(), content=True)
    delegated, triggered = named(spans, "chat gpt-5.2-mini")
    (delegation,) = named(spans, "delegation decisions")
    assert delegated.parent_id == delegation.span_id
    assert delegated.attributes["gen_ai.usage.input_tokens"] == 90
    assert "mood: upset" in str(delegated.attributes["gen_ai.output.messages"])
    assert triggered.attributes["eventstore.trigger.id"] == "trigger_1"
    assert not named(spans, "transcription gpt-5.2-mini")
    assert spans[0].attributes["eventstore.close_reason"] == "remote_hangup"
