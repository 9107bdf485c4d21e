"""Unit: reseeds of GPT-Live sessions, and between the two protocols."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.live.session_start_event_param import SessionStartEventParam
from openai.types.realtime.realtime_client_event_param import RealtimeClientEventParam
from pydantic import TypeAdapter
from support.calls import SAMPLE_STREAMS, beta_tool_call, voice_call
from support.client_events import check_client_event
from support.events import SESSION, Call, Json, log_events, message, text_part
from support.examples import examples
from support.live_speech import say, started
from support.live_strategies import live_sessions, live_streams
from support.recordings import each_live_recording, frames
from support.strategies import mutated, streams

from eventstore import EventStore, Frame, InvalidInputError
from eventstore.projection.fold import apply, fold
from eventstore.projection.state import SessionState
from eventstore.realtime.resources.live_config import live_config
from eventstore.replay.reseed.live_history import MAX_MESSAGES, estimated_tokens
from eventstore.replay.reseed.reseed import Reseed, reseed

START: TypeAdapter[Any] = TypeAdapter(SessionStartEventParam)
REALTIME: TypeAdapter[Any] = TypeAdapter(RealtimeClientEventParam)


def to_live(state: SessionState, **options: Any) -> Reseed:
    """A reseed into a Live session: one valid `session.start`, within the limits of a history."""
    made = reseed(state, to="live", **options)
    if not made.events:
        return made
    (event,) = made.events
    START.validate_python(event)
    check_client_event(event, "live")
    history = event["session"].get("input", [])
    assert len(history) <= MAX_MESSAGES
    for one in history:
        assert set(one) == {"type", "role", "content"}
        assert one["role"] in ("developer", "user", "assistant")
        assert len(one["content"]) == 1 and one["content"][0]["text"].strip()
    size = sum(estimated_tokens(one["content"][0]["text"]) for one in history)
    assert size <= options.get("max_tokens", 8192)
    return made


def to_realtime(state: SessionState, **options: Any) -> Reseed:
    """A reseed into a Realtime session, each event of which is valid."""
    made = reseed(state, to="realtime", **options)
    dialect = options.get("dialect", "ga")
    for event in made.events:
        check_client_event(event, dialect)
        if dialect == "ga":
            REALTIME.validate_python(event)
    return made


def session_of(made: Reseed) -> Json:
    (event,) = made.events
    assert event["type"] == "session.start"
    session: Json = event["session"]
    return session


def told(made: Reseed) -> list[tuple[str, str]]:
    """Who says what in the history of a `session.start`, in order."""
    history = session_of(made).get("input", [])
    return [(one["role"], one["content"][0]["text"]) for one in history]


def created(made: Reseed) -> list[tuple[str, str]]:
    """Who says what in `conversation.item.create` events; calls and outputs among them."""
    found = []
    for event in made.events:
        item = event.get("item", {})
        if item.get("type") == "message":
            found.append((item["role"], item["content"][0]["text"]))
        elif item:
            found.append((item["type"], item.get("output") or item["arguments"]))
    return found


def reasons(made: Reseed) -> list[str]:
    return [str(entry["reason"]) for entry in made.skipped]


def responds(call: Call, type_: str, delegation: str = "dlg_1", **fields: Any) -> Call:
    """An event of the backend's stream."""
    event = {"type": type_, **fields}
    return call.server("response.event", delegation_id=delegation, event=event)


def delegates(call: Call, target: str = "client", id_: str = "dlg_1") -> Call:
    delegation = {"id": id_, "type": "delegation", "target": target}
    return call.server("session.delegation.created", offset_ms=1000, delegation=delegation)


BACKEND = {
    "model": "gpt-5.2",
    "instructions": "Find orders.",
    "tools": [
        {
            "type": "function",
            "name": "find_order",
            "strict": True,
            "parameters": {"type": "object"},
        },
        {"type": "web_search"},
        {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example/mcp"},
    ],
    "tool_choice": "auto",
}


def looked_up() -> Call:
    """A call with a backend that calls a function."""
    call = started(
        instructions="Be kind.",
        audio={"format": {"type": "audio/pcm", "rate": 24000}, "output": {"voice": "marin"}},
        delegation={"type": "responses", "responses": BACKEND, "acknowledgement_delay_ms": 400},
    )
    say(call, "user", 0, "Where", "is", "order", "4417?")
    delegates(call, "responses")
    responds(call, "response.created", response={"id": "resp_1", "status": "in_progress"})
    item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find_order"}
    item["arguments"] = '{"number":4417}'
    responds(call, "response.output_item.done", item=item)
    responds(call, "response.completed", response={"id": "resp_1", "status": "completed"})
    output = {"type": "function_call_output", "call_id": "call_1", "output": "shipped"}
    call.client("response.item.create", item=output).client("response.create")
    responds(call, "response.created", response={"id": "resp_2", "status": "in_progress"})
    answer = message("msg_1", "assistant", text_part("It has shipped."))
    responds(call, "response.output_item.done", item=answer)
    responds(call, "response.completed", response={"id": "resp_2", "status": "completed"})
    return say(call, "assistant", 3000, "It", "is", "on", "its", "way.")


# From Live to Live


def test_a_live_session_begins_again_with_what_was_said() -> None:
    call = say(started(instructions="Be kind."), "user", 0, "Hello", "there")
    say(call, "assistant", 600, "Good", "morning.")
    made = to_live(call.state)
    assert session_of(made)["model"] == "gpt-live-1"
    assert session_of(made)["instructions"] == "Be kind."
    assert told(made) == [("user", "Hello there"), ("assistant", "Good morning.")]
    assert made.skipped == []
    assert reseed(call.state) == made  # the protocol is the session's own


def test_a_short_word_of_the_listener_is_left_out_and_overlaps_keep_their_order() -> None:
    call = started()
    words = ["Your", "order", "has", "left", "our", "shop", "this", "morning."]
    for place, word in enumerate(words):
        say(call, "assistant", place * 200, word if place == 0 else f" {word}")
        if place == 3:
            say(call, "user", 700, "mhm")
    say(call, "user", 1500, "Oh", "that", "is", "good", "to", "hear.")
    made = to_live(call.state)
    assert [role for role, _ in told(made)] == ["assistant", "user"]
    assert reasons(made) == ["a short word while the other one spoke"]


def test_what_an_app_told_the_model_becomes_notes_of_the_developer() -> None:
    call = delegates(say(started(), "user", 0, "Is", "it", "open?"))
    for kind, words in (("thinking", "It is Sunday."), ("commentary", "We are closed today.")):
        call.client(f"session.{kind}.append", content=words, delegation_id="dlg_1")
        call.server(f"session.{kind}.appended", start_ms=1000, end_ms=1200)
    call.client("session.instructions.append", event_id="e1", content="Speak slowly.")
    call.client("session.instructions.append", event_id="e2", content="Swear.")
    call.server("error", error={"code": "no", "client_event_id": "e2"})
    call.server("session.instructions.appended", client_event_id="e1", start_ms=1, end_ms=2)
    call.server("session.thinking.appended", start_ms=3000, end_ms=3200)
    made = to_live(call.state)
    assert told(made) == [
        ("user", "Is it open?"),
        ("developer", "The app told the assistant, not to be said aloud: It is Sunday."),
        ("developer", "The app gave the assistant to say: We are closed today."),
        ("developer", "Speak slowly."),
    ]
    assert reasons(made) == [
        "the server refused it",
        "the log does not hold its text: another connection sent it",
    ]


def test_a_text_is_missing_if_only_the_servers_side_was_recorded() -> None:
    call = say(started(), "user", 0, "Is", "it", "open?")
    call.server("session.thinking.appended", start_ms=3000, end_ms=3200)
    why = "the log does not hold its text: the client's side was not recorded"
    assert reasons(to_live(call.state)) == [why]
    sideband = Call()
    sideband.store("opened", url="wss://api.openai.com/v1/live/sessions/live_1/attach")
    sideband.frames += call.frames
    assert reasons(to_live(sideband.state)) == [
        "the log does not hold its text: another connection sent it"
    ]


def lost(**config: Any) -> list[str]:
    """The settings that a reseed of a session with this configuration tells as left out."""
    state = say(started(**config), "user", 0, "Hello").state
    made = reseed(state, to="live")
    assert set(reasons(made)) <= set(reasons(to_realtime(state)))
    found = [reason.removeprefix("the setting ") for reason in reasons(made)]
    return [reason.replace(", which the API's reference does not have so", "") for reason in found]


def test_a_setting_that_is_left_out_is_told() -> None:
    tools = [
        {"type": "web_search"},
        {"type": "brand_new_tool", "x": 1},
        {"type": "custom", "name": "c"},
        {"type": "function", "name": "f", "parameters": {}, "odd": "yes"},
    ]
    backend = {"model": "gpt-5.1", "tools": tools, "reasoning": {"effort": "max"}}
    pcm = {"type": "audio/pcm", "rate": 48000}
    assert lost(
        delegation={"type": "responses", "responses": backend},
        audio={"format": pcm, "output": {"voice": "marin"}},
    ) == [
        'audio.format: {"type":"audio/pcm","rate":48000}',
        'delegation.responses.tools[1]: {"type":"brand_new_tool","x":1}',
        'delegation.responses.tools[3].odd: "yes"',
        'delegation.responses.reasoning.effort: "max"',
    ]
    assert lost(delegation={"type": "magic", "magic": {}}) == [
        'delegation: {"type":"magic","magic":{}}'
    ]
    questions = [{"type": "predicate", "instructions": "Angry?"}, {"type": "choice", "name": "x"}]
    decisions = {"type": "decisions", "decisions": {"model": "gpt-dec", "questions": questions}}
    assert lost(delegation=decisions, triggers=[{"id": "t1"}]) == [
        'delegation.decisions.questions[1]: {"type":"choice","name":"x"}',
        'triggers: [{"id":"t1"}]',
    ]


def test_settings_that_are_left_out_are_told_within_limits_and_without_secrets() -> None:
    tools = [{"type": "new", "api_key": "sk-" + "a" * 40, "more": "x" * 1000}] * 30
    backend = {"model": "gpt-5.1", "tools": [*tools, {"type": "web_search"}]}
    told = lost(delegation={"type": "responses", "responses": backend})
    assert len(told) == 21 and told[-1].startswith("10 more settings")
    assert not any("aaaa" in one or len(one) > 250 for one in told)


def test_nothing_is_told_of_a_configuration_that_is_sent_whole() -> None:
    assert not [why for why in reasons(to_live(looked_up().state)) if "setting" in why]


def test_the_results_of_a_backend_are_told_in_words() -> None:
    made = to_live(looked_up().state)
    assert told(made) == [
        ("user", "Where is order 4417?"),
        (
            "developer",
            'The tool find_order was called with {"number":4417}. Its output: shipped',
        ),
        ("developer", "The backend told the assistant: It has shipped."),
        ("assistant", "It is on its way."),
    ]
    assert made.skipped == []


def test_a_delegation_that_nobody_answered_is_said() -> None:
    made = to_live(delegates(say(started(), "user", 0, "Check", "it.")).state)
    assert told(made) == [("user", "Check it.")]
    assert reasons(made) == ["a delegation that nobody answered: start its work again"]


def test_decisions_are_told_with_their_answers() -> None:
    call = started()
    answers = [
        {"type": "choice", "name": "mood", "choice": "upset"},
        {"type": "predicate", "name": "urgent", "probability": 0.85},
        {"type": "score", "score": 2},
        {"type": "refusal", "name": "age"},
    ]
    decision = {"model": "gpt-decide", "answers": answers, "usage": {"total_tokens": 3}}
    call.server("decision.event", event={"type": "decision.completed", "decision": decision})
    words = "mood: upset, urgent: probability 0.85, score: score 2, age: refused"
    assert told(to_live(call.state)) == [
        ("developer", f"A decision about the conversation: {words}")
    ]


def test_the_configuration_is_kept_as_it_was() -> None:
    questions = [
        {
            "type": "choice",
            "name": "mood",
            "instructions": [{"type": "input_text", "text": "How is the caller?"}],
            "choices": [{"value": "calm"}, {"value": True, "description": "d"}],
        },
        {"type": "predicate", "instructions": "Is it urgent?"},
        {"type": "score", "instructions": "How?", "levels": [{"label": "low"}]},
    ]
    trigger = {
        "type": "decisions",
        "event_type": "session.input_transcript.delta",
        "decisions": {"questions": questions},
    }
    config: Json = {
        "model": "gpt-live-1.1",
        "instructions": "Be kind.",
        "audio": {"format": {"type": "audio/pcmu", "rate": 8000}, "output": {"voice": {"id": "v"}}},
        "delegation": {
            "type": "responses",
            "acknowledgement_delay_ms": 0,
            "responses": {
                **BACKEND,
                "reasoning": {"effort": "low"},
                "text": {"verbosity": "low"},
                "service_tier": "flex",
                "max_output_tokens": 500,
                "parallel_tool_calls": False,
            },
        },
        "client": {"data_channel": {"allowed_client_events": [], "allowed_server_events": "all"}},
        "store": True,
        "triggers": [trigger],
    }
    call = started(**config, safety_identifier="user-1", expires_at=1, idle_timeout_s=4)
    assert session_of(to_live(call.state)) == config
    decisions = {"type": "decisions", "decisions": {"model": "d", "questions": questions}}
    call = started(delegation=decisions)
    assert session_of(to_live(call.state))["delegation"] == decisions


def test_an_update_of_the_tools_counts_and_a_history_is_carried_on() -> None:
    told_before = [
        {"type": "message", "role": "developer", "content": [text_part("Be on time.")]},
        {"type": "message", "role": "user", "content": [text_part("Hi", "input_text")]},
        {"type": "message", "role": "assistant", "content": [text_part("Hello")]},
    ]
    call = started(input=told_before, delegation={"type": "responses", "responses": BACKEND})
    changed = {"type": "responses", "responses": {"model": "gpt-5.3", "tools": []}}
    call.server("session.updated", session={"id": "live_1", "delegation": changed})
    made = to_live(call.state)
    assert session_of(made)["delegation"]["responses"] == {"model": "gpt-5.3"}
    expected = [("developer", "Be on time."), ("user", "Hi"), ("assistant", "Hello")]
    assert told(made) == expected
    as_notes = to_live(call.state, assistant_as="system")
    assert told(as_notes)[2] == ("developer", "The assistant said: Hello")


# The limits of a history


def spoken(turns: int, word: str = "word") -> SessionState:
    """So many turns of both speakers in turns, numbered."""
    call = started()
    for turn in range(turns):
        say(call, ("user", "assistant")[turn % 2], turn * 5000, f"{word} {turn}.")
    return call.state


def test_a_history_has_the_newest_128_messages() -> None:
    made = to_live(spoken(131))
    assert [words for _, words in told(made)] == [f"word {turn}." for turn in range(3, 131)]
    assert made.skipped == [
        {"item_id": None, "reason": "the 3 oldest messages: a history has at most 128 messages"}
    ]
    assert len(told(to_live(spoken(128)))) == 128
    assert to_live(spoken(128)).skipped == []


def test_a_history_has_the_newest_tokens() -> None:
    state = spoken(20)
    each = estimated_tokens("word 10.")
    made = to_live(state, max_tokens=5 * each + each - 1)
    assert [words for _, words in told(made)] == [f"word {turn}." for turn in range(15, 20)]
    limit = f"{6 * each - 1} tokens by estimate"
    assert reasons(made) == [f"the 15 oldest messages: a history has at most {limit}"]
    assert told(to_live(state, max_tokens=1)) == []


def test_one_long_text_does_not_push_out_all_others() -> None:
    call = looked_up()
    call.client("session.commentary.append", content="word " * 20_000)
    call.server("session.commentary.appended", start_ms=9000, end_ms=9200)
    made = to_live(call.state)
    assert len(told(made)) == 5
    assert told(made)[-1][1].endswith(" […]")
    assert estimated_tokens(told(made)[-1][1]) <= 8192 // 4
    assert reasons(made) == ["the end of it: it takes too much of the history"]


def test_a_token_is_estimated_as_three_bytes_and_a_message_as_eight_more() -> None:
    assert estimated_tokens("") == 8
    assert estimated_tokens("abc") == 9
    assert estimated_tokens("abcd") == 10
    assert estimated_tokens("日本") == 10


def test_max_items_counts_messages_of_live_too() -> None:
    assert [words for _, words in told(to_live(spoken(5), max_items=2))] == ["word 3.", "word 4."]


@pytest.mark.parametrize("options", [{"to": "sip"}, {"max_tokens": 0}, {"max_tokens": True}])
def test_wrong_arguments_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        reseed(spoken(1), **options)


# Secrets


def test_secrets_of_a_backends_tools_are_left_out_and_said() -> None:
    tools = [
        {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example/mcp"},
        {"type": "mcp", "server_label": "mail", "connector_id": "connector_gmail"},
        {"type": "mcp", "server_label": "crm", "server_url": "https://crm.example/mcp?k=s3cr3t9"},
    ]
    asked = [
        {**tools[0], "headers": {"X-Shop": "s3cr3t-of-the-shop"}},
        {**tools[1], "authorization": "ya29.s3cr3t-of-the-mail"},
        tools[2],
    ]
    call = Call()
    delegation = {"type": "responses", "responses": {"model": "gpt-5.2", "tools": asked}}
    config = {"model": "gpt-live-1", "delegation": delegation}
    call.client("session.start", session=config)
    backend = {"model": "gpt-5.2", "tools": tools}
    answered = {"id": "live_1", **config, "delegation": {"type": "responses", "responses": backend}}
    call.server("session.started", session=answered)
    call.client("session.thinking.append", content="The key is sk-proj-s3cr3t0123456789abcdef")
    for made in (to_live(call.state), to_realtime(call.state)):
        assert "s3cr3t" not in json.dumps(made)
        assert "the credentials of the MCP server shop: add them to its tool" in reasons(made)
        assert "the credentials of the MCP server mail: add them to its tool" in reasons(made)
        hidden = "the MCP server crm, whose address holds a secret: add it to tools"
        assert hidden in reasons(made)
        assert "a secret in it, which is masked" in reasons(made)
    labels = [
        tool["server_label"]
        for tool in session_of(to_live(call.state))["delegation"]["responses"]["tools"]
    ]
    assert labels == ["shop", "mail"]


# Between the protocols


def test_a_realtime_session_becomes_a_live_session() -> None:
    made = to_live(voice_call().state)
    assert session_of(made)["model"] == "gpt-live-1"
    assert session_of(made)["audio"] == {
        "format": {"type": "audio/pcm", "rate": 24000},
        "output": {"voice": "marin"},
    }
    assert told(made) == [
        ("user", "Hi, how is the weather?"),
        ("assistant", "It is sunny in Oslo today"),
        ("assistant", "And tomorrow"),
    ]
    assert reasons(made) == ["speech without a transcript"]


def test_calls_of_a_realtime_session_are_told_in_words() -> None:
    made = to_live(beta_tool_call().state)
    roles = [role for role, _ in told(made)]
    assert roles == ["user", "developer", "assistant"]
    words = 'The tool weather was called with {"city":"Oslo"}. Its output: sunny'
    assert told(made)[1][1] == words


def test_what_a_live_session_cannot_have_of_realtime_is_said() -> None:
    tools = [{"type": "function", "name": "find"}, {"type": "mcp", "server_label": "shop"}]
    output = {"format": {"type": "audio/pcmu"}, "voice": "a-voice-of-mine"}
    session = {"type": "realtime", "model": "m", "tools": tools, "audio": {"output": output}}
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    call = Call().server("session.created", session=session)
    call.added(message("item_1", "user", image, text_part("See?", "input_text")))
    made = to_live(call.state)
    assert session_of(made)["audio"] == {"format": {"type": "audio/pcmu", "rate": 8000}}
    assert told(made) == [("user", "See?")]
    assert reasons(made) == [
        "the voice a-voice-of-mine, which is not one of both protocols",
        "the tools find, shop: a Live session gives work to your app, or to a backend that has "
        "tools; see session.delegation",
        "an image: a Live session begins with text alone",
    ]


def test_a_live_session_becomes_a_realtime_session() -> None:
    made = to_realtime(looked_up().state)
    session = made.events[0]["session"]
    assert session["instructions"] == "Be kind.\n\nFind orders."
    assert session["audio"] == {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}},
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
    }
    assert [tool.get("name") or tool["server_label"] for tool in session["tools"]] == [
        *("find_order", "shop")
    ]
    assert created(made) == [
        ("user", "Where is order 4417?"),
        ("function_call", '{"number":4417}'),
        ("function_call_output", "shipped"),
        ("system", "The backend told the assistant: It has shipped."),
        ("assistant", "It is on its way."),
    ]
    assert reasons(made) == ["the backend's tools web_search, which a Realtime session lacks"]
    assert to_realtime(looked_up().state, dialect="beta").events[0]["session"]["tools"]


def test_what_a_realtime_session_cannot_have_of_live_is_said() -> None:
    format_ = {"type": "audio/pcm", "rate": 16000}
    call = started(
        audio={"format": format_, "output": {"voice": "vesper"}}, delegation={"type": "client"}
    )
    made = to_realtime(call.state)
    assert made.events[0]["session"] == {"type": "realtime", "output_modalities": ["audio"]}
    assert reasons(made) == [
        "the work that your app did for the model: give the new session tools for it",
        "the audio's format, PCM at 16,000 Hz: it is PCM at 24,000 Hz",
        "the voice vesper, which is not one of both protocols",
    ]


# Every stream


def states(stream: list[Frame], every: int) -> Iterator[SessionState]:
    state = SessionState(SESSION)
    for event in log_events(stream):
        apply(state, event)
        if event.seq % every == 0 or event.seq == len(stream):
            yield state


def check(state: SessionState) -> None:
    for options in ({}, {"max_tokens": 60}, {"max_items": 2, "assistant_as": "system"}):
        made = to_live(state, **options)
        assert len(made.events) <= 1
        if "max_items" in options and made.events:
            assert len(told(made)) <= 2
    to_realtime(state)
    to_realtime(state, dialect="beta")


@examples(150)
@given(live_streams())
def test_any_live_stream_can_be_rebuilt_in_either_protocol(stream: list[Frame]) -> None:
    for state in states(stream, every=9):
        check(state)


@examples(60)
@given(streams() | mutated(SAMPLE_STREAMS))
def test_any_stream_can_be_rebuilt_in_either_protocol(stream: list[Frame]) -> None:
    check(fold(SESSION, log_events(stream)))


@examples(150)
@given(live_sessions(), st.data())
def test_any_configuration_can_be_sent(session: Json, data: st.DataObject) -> None:
    config = {"model": "gpt-live-1", **live_config(session)}
    check_client_event({"type": "session.start", "session": config}, "live")
    assert live_config(config) == config


@each_live_recording
def test_a_recorded_live_session_can_be_rebuilt_at_any_seq(recording: Path) -> None:
    for state in states(frames(recording), every=50):
        check(state)
    made = to_live(fold(SESSION, log_events(frames(recording))))
    assert told(made)[0][0] == "user"


def test_a_session_that_was_sent_again_is_sent_again_as_it_is() -> None:
    """The history of the new session is what the old one said, and so in the one after it."""
    made = to_live(looked_up().state)
    call = Call().client("session.start", session=session_of(made))
    call.server("session.started", session={"id": "live_2", **session_of(made)})
    assert to_live(call.state) == made


def test_a_store_rebuilds_a_live_session_as_it_stood(store: EventStore) -> None:
    call = looked_up()
    store.append("live", call.frames)
    for seq in (1, 5, len(call.frames), None):
        state = fold("live", log_events(call.frames[:seq]))
        assert store.reseed("live", seq) == to_live(state)
        assert store.reseed("live", seq, to="realtime") == to_realtime(state)
    assert told(store.reseed("live", max_tokens=20)) == [("assistant", "It is on its way.")]
