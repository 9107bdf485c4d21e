"""Acceptance: traces by OpenTelemetry's conventions, as a collector reads them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from exports.calls_to_export import SAMPLE, put_everything, put_sample, state_of
from hypothesis import given
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from support.calls import beta_tool_call, voice_call
from support.events import START, Call, message
from support.examples import examples
from support.otel_collector import collecting, parsed, protos
from support.recordings import each_recording, frames
from support.strategies import streams
from support.told_call import told_call

from eventstore import EventStore, Frame, InvalidInputError
from eventstore.errors import EventStoreError
from eventstore.exports.otel.otlp_http import Endpoint
from eventstore.exports.otel.otlp_json import BATCH, otlp_lines
from eventstore.exports.otel.session_spans import read_spans, session_spans
from eventstore.exports.otel.spans import Span

Json = dict[str, Any]

#: Of the conventions 0.1.0, which the package does not have yet.
MODALITIES = {
    f"gen_ai.usage.{kind}.{what}"
    for kind in ("text", "audio", "image")
    for what in ("input_tokens", "output_tokens", "cache_read.input_tokens")
}
CONVENTIONS = {
    value
    for name, value in vars(gen_ai_attributes).items()
    if name.startswith("GEN_AI_") and isinstance(value, str)
}
ALLOWED = CONVENTIONS | MODALITIES | {"error.type", "server.address", "server.port"}
OPERATIONS = {entry.value for entry in gen_ai_attributes.GenAiOperationNameValues}
PROVIDERS = {entry.value for entry in gen_ai_attributes.GenAiProviderNameValues}


def spans_of(call: Call, **options: Any) -> list[Span]:
    return session_spans(state_of(call.frames), **options)


def named(spans: list[Span], name: str) -> Span:
    (found,) = (span for span in spans if span.name == name)
    return found


def check(spans: list[Span]) -> None:
    """Whether it is one trace by the conventions that parses, nested in time."""
    read = protos(parsed(otlp_lines(spans)))
    assert len(read) == len(spans)
    if not spans:
        return
    root, *children = read
    assert not root.parent_span_id and root.name == "invoke_agent"
    assert len({span.span_id for span in read}) == len(read)
    assert {(span.trace_id, len(span.trace_id)) for span in read} == {(root.trace_id, 16)}
    # What a backend of a GPT-Live session does lies below its delegation.
    above = {root.span_id} | {s.span_id for s in children if s.name.startswith("delegation ")}
    for span in children:
        assert span.parent_span_id in above
        assert root.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano
    for span in read:
        keys = [entry.key for entry in span.attributes]
        assert len(set(keys)) == len(keys)
        ours = {key for key in keys if key.startswith("eventstore.")}
        assert set(keys) - ours <= ALLOWED
        values = {entry.key: entry.value for entry in span.attributes}
        operation = values["gen_ai.operation.name"].string_value
        assert operation in OPERATIONS | {"transcription"}
        is_live = span.name == "user speech" or span.name.startswith("delegation ")
        assert span.name.split(" ")[0] == operation or is_live
        assert values["gen_ai.provider.name"].string_value in PROVIDERS
        assert (span.status.code == 2) == ("error.type" in keys)


# Spans


def test_the_sample_call(store: EventStore) -> None:
    put_sample(store, customer="42")
    spans = read_spans(store, SAMPLE)
    check(spans)
    assert Counter(span.name for span in spans) == {
        "invoke_agent": 1,
        "chat gpt-realtime": 6,
        "execute_tool find_order": 1,
        "transcription gpt-4o-mini-transcribe": 4,
    }
    assert spans[0].attributes["eventstore.metadata.customer"] == "42"
    assert read_spans(store, SAMPLE) == spans


def test_a_response() -> None:
    span = named(spans_of(voice_call())[:-1], "transcription gpt-4o-transcribe")
    assert span.attributes["gen_ai.usage.input_tokens"] == 100
    first, second = (s for s in spans_of(voice_call()) if s.name == "chat gpt-realtime")
    assert first.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert second.attributes["gen_ai.response.finish_reasons"] == ["turn_detected"]
    assert second.attributes["eventstore.interrupted"] is True and second.error is None
    assert first.attributes["gen_ai.response.id"] == "resp_1"
    assert first.attributes["gen_ai.conversation.id"] == "conv_1"
    assert first.attributes["gen_ai.output.type"] == "speech"
    assert first.attributes["gen_ai.usage.cache_read.input_tokens"] == 50
    assert first.attributes["gen_ai.usage.audio.output_tokens"] == 15
    assert first.attributes["eventstore.metadata.topic"] == "weather"
    notes = voice_call().notes("resp_1")
    wanted = min(notes["time_to_first_text_ms"], notes["time_to_first_audio_ms"]) / 1000
    assert first.attributes["gen_ai.response.time_to_first_chunk"] == pytest.approx(wanted)


def test_a_tool_call_lasts_from_its_arguments_to_its_output() -> None:
    call = beta_tool_call()
    span = named(spans_of(call), "execute_tool weather")
    assert span.attributes["gen_ai.tool.call.id"] == "call_1"
    done, given_ = call.notes("item_2")["done_at"], call.notes("item_3")["at"]
    assert done < given_ and span.end > span.start > START
    assert "gen_ai.tool.call.arguments" not in span.attributes


def test_a_tool_call_without_output_has_no_length() -> None:
    item = {"id": "i", "type": "function_call", "name": "x", "call_id": "c", "arguments": "{}"}
    call = Call().created("resp_1").added(item).server("conversation.item.done", item=item)
    span = named(spans_of(call), "execute_tool x")
    assert span.start == span.end


def test_languages_and_speakers_of_a_transcription() -> None:
    span = named(spans_of(told_call()), "transcription")
    assert span.attributes["eventstore.languages"] == ["en"]
    assert span.attributes["eventstore.speakers"] == ["A", "B"]


def test_what_failed_is_the_span_s_status() -> None:
    error = {"type": "server_error", "code": "overloaded", "message": "try later"}
    details = {"type": "failed", "error": error}
    call = Call().created("resp_1").done("resp_1", status="failed", status_details=details)
    call.spoken("item_1", 0, 100)
    type_ = "conversation.item.input_audio_transcription.failed"
    call.server(type_, item_id="item_1", content_index=0, error={"message": "no speech"})
    spans = spans_of(call)
    check(spans)
    assert named(spans, "chat").error == "try later"
    assert named(spans, "chat").attributes["error.type"] == "overloaded"
    assert named(spans, "chat").attributes["gen_ai.response.finish_reasons"] == ["error"]
    assert named(spans, "transcription").error == "no speech"
    assert spans[0].error is None


def test_errors_of_the_server_are_the_root_s_exceptions(store: EventStore) -> None:
    call = Call().typed("item_1", "Hi").server("error", error={"code": "bad", "message": "No."})
    call.server("error", error=3)
    store.append("sess_1", call.frames)
    spans = read_spans(store, "sess_1")
    check(spans)
    assert [(e.type, e.message) for e in spans[0].exceptions] == [("bad", "No."), ("error", "")]
    (first, _) = protos(parsed(otlp_lines(spans)))[0].events
    assert first.name == "exception" and first.attributes[1].value.string_value == "No."


def test_what_is_said_is_there_where_it_is_asked_for(store: EventStore) -> None:
    put_sample(store)
    assert "saddle" not in "".join(otlp_lines(read_spans(store, SAMPLE)))
    spans = read_spans(store, SAMPLE, content=True)
    check(spans)
    second = [span for span in spans if span.name.startswith("chat")][2]
    assert json.loads(str(second.attributes["gen_ai.input.messages"])) == [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "And what can I do if the saddle doesn't fit me?"}
            ],
        }
    ]
    (output,) = json.loads(str(second.attributes["gen_ai.output.messages"]))
    assert output["finish_reason"] == "stop" and "thirty days" in output["parts"][0]["content"]
    tool = named(spans, "execute_tool find_order")
    assert json.loads(str(tool.attributes["gen_ai.tool.call.arguments"])) == {
        "order_number": "4417"
    }
    assert "Brooks" in str(tool.attributes["gen_ai.tool.call.result"])
    assert "Robin" in str(spans[0].attributes["gen_ai.system_instructions"])


@pytest.mark.parametrize(
    ("url", "model", "provider"),
    [
        (None, "gpt-realtime", "openai"),
        ("wss://api.openai.com/v1/realtime?model=x", None, "openai"),
        ("wss://mine.openai.azure.com/openai/v1/realtime", "gpt-realtime", "azure.ai.openai"),
        ("wss://api.x.ai/v1/realtime", None, "x_ai"),
        (None, "grok-voice-latest", "x_ai"),
        ("wss://[broken", None, "openai"),
    ],
)
def test_the_provider(url: str | None, model: str | None, provider: str) -> None:
    call = Call().store("opened", url=url).server("session.created", session={"model": model})
    spans = spans_of(call)
    check(spans)
    assert spans[0].attributes["gen_ai.provider.name"] == provider


def test_a_session_without_times_has_no_trace() -> None:
    assert session_spans(state_of(Call(timed=False).created("resp_1").done("resp_1").frames)) == []


def test_traces_of_two_sessions_differ() -> None:
    one, two = (session_spans(state_of(voice_call().frames, name)) for name in ("a", "b"))
    assert one[0].trace_id != two[0].trace_id
    assert not {span.span_id for span in one} & {span.span_id for span in two}


def test_times_that_otlp_does_not_have_are_bounded() -> None:
    frames_ = [
        Frame(f.direction, f.text, at)
        for f, at in zip(
            Call().created("resp_1").done("resp_1").frames, (-(10**15), 10**17), strict=True
        )
    ]
    check(session_spans(state_of(frames_)))


@each_recording
def test_recordings(recording: Path) -> None:
    state = state_of(frames(recording))
    for content in (False, True):
        spans = session_spans(state, content=content)
        check(spans)
        chats = [span for span in spans if span.name.startswith("chat")]
        assert len(chats) == len(state.responses)


@given(played=streams())
@examples(150)
def test_any_stream(played: list[Frame]) -> None:
    state = state_of(played)
    check(session_spans(state, content=True))


# Sending


def test_an_endpoint_gets_what_a_file_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=a%20b,service.name=x,,y"
    )
    monkeypatch.setenv("OTEL_SERVICE_NAME", "calls")
    call = voice_call().server("error", error={"message": "No.", "code": "bad"})
    details = {"type": "failed", "error": {"message": "é"}}
    call.created("resp_9").done("resp_9", status="failed", status_details=details)
    spans = spans_of(call, content=True)
    with collecting() as server:
        endpoint = Endpoint(server.url)
        endpoint.send(spans)
        endpoint.close()
    ((path, kind, body),) = server.requests
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    sent = ExportTraceServiceRequest.FromString(body)
    for span in protos([sent]):
        span.flags = 0
    (written,) = parsed(otlp_lines(spans))
    assert sent == written
    found = {one.key: one.value.string_value for one in sent.resource_spans[0].resource.attributes}
    assert found == {"service.name": "calls", "deployment.environment.name": "a b"}


def test_a_path_of_the_endpoint_is_kept() -> None:
    assert Endpoint("http://localhost:4318/").url == "http://localhost:4318/v1/traces"
    assert Endpoint("https://example.com/otel/v1/traces").url.endswith("/otel/v1/traces")


def test_many_spans_are_sent_in_pieces() -> None:
    call = Call()
    for number in range(BATCH):
        call.created(f"resp_{number}").done(f"resp_{number}")
    spans = spans_of(call)
    with collecting() as server:
        Endpoint(server.url).send(spans)
    sent = [ExportTraceServiceRequest.FromString(body) for _, _, body in server.requests]
    assert [len(protos([request])) for request in sent] == [BATCH, 1]


def test_an_endpoint_that_refuses_is_an_error() -> None:
    with collecting(400) as server, pytest.raises(EventStoreError) as raised:
        Endpoint(server.url).send(spans_of(voice_call()))
    assert "did not take the spans" in str(raised.value) and "\n" not in str(raised.value)
    assert "400" in str(raised.value) or "Bad Request" in str(raised.value)


def test_an_endpoint_that_is_away_is_told_by_its_reason_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")  # enough for one retry
    with collecting() as server:
        url = server.url
    with pytest.raises(EventStoreError) as raised:
        Endpoint(url).send(spans_of(voice_call()))
    assert "refused" in str(raised.value) and "retrying" not in str(raised.value)


@pytest.mark.parametrize("url", ["localhost:4318", "ftp://x", "http://", "http://[", "http://x:0"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(InvalidInputError):
        Endpoint(url)


def test_all_sessions_of_a_store(store: EventStore) -> None:
    for session_id in put_everything(store):
        spans = read_spans(store, session_id, content=True)
        check(spans)
        assert bool(spans) == (not session_id.endswith("-untimed"))


def test_a_message_of_an_unknown_kind_is_no_content() -> None:
    check(spans_of(Call().added(message("item_1", "user")), content=True))


@pytest.mark.parametrize("content", [False, True])
def test_scores_are_events_of_the_spans_of_what_is_scored(store: EventStore, content: bool) -> None:
    store.append("sess_1", voice_call().frames, close=True)
    (response, *_), at = store.responses(session="sess_1").data, "2026-05-04T09:30:00Z"
    [conversation] = store.state("sess_1")["conversations"]
    asked = next(one for one in conversation["items"] if one["role"] == "user")
    store.score("sess_1", "solved", True, by="anna", at=at)
    store.score("sess_1", "helpful", 0.25, response=response["id"], reason="key sk-" + "a" * 40)
    store.score("sess_1", "topic", "refund", item=asked["id"])
    store.score("sess_1", "note", "two\nlines")
    store.score("sess_1", "gone", 1)
    store.score("sess_1", "gone", None)
    spans = read_spans(store, "sess_1", content)
    check(spans)
    found = {
        event.attributes["gen_ai.evaluation.name"]: (span, event)
        for span in spans
        for event in span.events()
    }
    assert set(found) == {"solved", "helpful", "topic", "note"}
    assert {event.name for _, event in found.values()} == {"gen_ai.evaluation.result"}
    assert {key for _, event in found.values() for key in event.attributes} <= {
        *ALLOWED,
        *(f"eventstore.score.{name}" for name in ("by", "kind", "item_id", "text")),
    }
    root, solved = found["solved"]
    assert root is spans[0] and solved.at == 1_777_887_000_000_000
    assert solved.attributes["gen_ai.evaluation.score.value"] == 1.0
    assert solved.attributes["gen_ai.evaluation.score.label"] == "true"
    span, helpful = found["helpful"]
    assert span.attributes["gen_ai.response.id"] == response["id"]
    assert helpful.attributes["gen_ai.response.id"] == response["id"]
    assert helpful.attributes["gen_ai.evaluation.score.value"] == 0.25
    reason = helpful.attributes.get("gen_ai.evaluation.explanation")
    assert reason == ("key [removed]" if content else None)
    span, topic = found["topic"]
    assert span.name.startswith("transcription")
    assert topic.attributes["eventstore.score.item_id"] == asked["id"]
    assert topic.attributes["gen_ai.evaluation.score.label"] == "refund"
    text = found["note"][1].attributes.get("eventstore.score.text")
    assert text == ("two\nlines" if content else None)
    written = protos(parsed(otlp_lines(spans)))
    assert sum(len(one.events) for one in written) == 4


def test_a_span_that_cannot_be_encoded_is_refused_and_not_tried_for_ever() -> None:
    spans = spans_of(voice_call())
    with collecting() as server:
        endpoint = Endpoint(server.url)
        assert endpoint.offer(spans).kind == "taken"
        spans[1].name = 5  # type: ignore[assignment]
        refused = endpoint.offer(spans)
        endpoint.close()
        asked = server.asked
        assert endpoint.offer(spans[2:]).kind == "taken"
    assert refused.kind == "refused" and asked == 1
