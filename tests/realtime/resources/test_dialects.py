"""Resources in the beta and the GA shape are valid by the `openai` package's own types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.realtime import ConversationItem as BetaItem
from openai.types.beta.realtime import RealtimeResponse as BetaResponse
from openai.types.realtime import ConversationItem as GaItem
from openai.types.realtime import RealtimeResponse as GaResponse
from pydantic import TypeAdapter
from support.events import SESSION, Call, audio_part, log_events, message, text_part, without
from support.examples import examples
from support.gpt_live import client_call, decisions_call, responses_call
from support.recordings import each_recording, frames
from support.strategies import items, json_values, responses

from eventstore.projection.fold import fold
from eventstore.projection.state import SessionState
from eventstore.projection.views import resources
from eventstore.realtime.resources.dialects import (
    Dialect,
    render_item,
    render_items,
    render_response,
    response_config,
)

BETA_FIELDS = {
    *("id", "object", "conversation_id", "status", "status_details", "output", "metadata"),
    *("usage", "modalities", "voice", "output_audio_format", "temperature", "max_output_tokens"),
}
GA_FIELDS = (BETA_FIELDS - {"modalities", "voice", "output_audio_format", "temperature"}) | {
    *("output_modalities", "audio"),
}
FIELDS = {"beta": BETA_FIELDS, "ga": GA_FIELDS}
RESPONSE: dict[Dialect, TypeAdapter[Any]] = {
    "beta": TypeAdapter(BetaResponse),
    "ga": TypeAdapter(GaResponse),
}
ITEM: dict[Dialect, TypeAdapter[Any]] = {"beta": TypeAdapter(BetaItem), "ga": TypeAdapter(GaItem)}
BOTH: tuple[Dialect, ...] = ("beta", "ga")
both = pytest.mark.parametrize("dialect", BOTH)


def rendered(resource: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """A response in a dialect, accepted by that dialect's type, with all of its fields."""
    result = render_response(resource, dialect)
    RESPONSE[dialect].validate_python(result, strict=True)
    assert set(result) == FIELDS[dialect] | {"eventstore"}
    assert result["object"] == "realtime.response"
    for item in result["output"]:
        ITEM[dialect].validate_python(item, strict=True)
    return result


def stored(wire: dict[str, Any]) -> dict[str, Any]:
    """A response resource as the store keeps it."""
    return {**wire, "eventstore": {"config": response_config(wire)}}


def all_items(state: SessionState) -> list[dict[str, Any]]:
    return [resources.item_resource(state, item) for item in state.items.values()]


def all_responses(state: SessionState) -> list[dict[str, Any]]:
    return [resources.response_resource(state, response) for response in state.responses.values()]


def test_beta_has_the_thirteen_fields_of_the_reference() -> None:
    assert len(BETA_FIELDS) == 13
    assert set(BetaResponse.model_fields) == BETA_FIELDS
    assert set(GaResponse.model_fields) == GA_FIELDS


@each_recording
@both
def test_recorded_resources_are_valid(recording: Path, dialect: Dialect) -> None:
    state = fold(SESSION, log_events(frames(recording)))
    for response in all_responses(state):
        rendered(response, dialect)
    for item in all_items(state):
        result = render_item(item, dialect)
        assert result is not None
        ITEM[dialect].validate_python(result, strict=True)
        assert result["id"] == item["id"]


@each_recording
def test_the_wire_dialect_is_the_servers_own_word(recording: Path) -> None:
    entries = [json.loads(line)["event"] for line in recording.read_text().splitlines()]
    state = fold(SESSION, log_events(frames(recording)))
    for event in entries:
        if event["type"] == "response.done":
            said = event["response"]
            response = state.responses[said["id"]]
            shown = render_response(resources.response_resource(state, response), "wire")
            silent = ("usage", "output", "metadata", "conversation_id")
            kept = without(said, *(key for key in silent if said.get(key) in (None, {}, [])))
            assert without(kept, "output").items() <= shown.items()


@examples(60)
@given(json_values(), responses(), st.sampled_from(BOTH))
def test_any_json_makes_a_valid_response(
    extra: Any, wire: dict[str, Any], dialect: Dialect
) -> None:
    rendered(stored({**wire, "extra": extra}), dialect)
    if isinstance(extra, dict):
        rendered(stored(extra), dialect)


@given(st.dictionaries(st.sampled_from(sorted(BETA_FIELDS | GA_FIELDS)), json_values()))
def test_any_values_in_known_fields_make_a_valid_response(wire: dict[str, Any]) -> None:
    for dialect in BOTH:
        rendered(stored(wire), dialect)
        # Also without the notes that the projection adds.
        rendered(wire, dialect)


@given(items(), st.sampled_from(BOTH))
def test_any_item_is_valid_or_left_out(wire: dict[str, Any], dialect: Dialect) -> None:
    result = render_item(wire, dialect)
    if result is not None:
        ITEM[dialect].validate_python(result, strict=True)
    assert render_items([wire, "no item", None], dialect) == ([] if result is None else [result])


@both
@pytest.mark.parametrize("role", ["user", "assistant", "system"])
@pytest.mark.parametrize(
    "type_",
    [
        *("text", "audio", "output_text", "output_audio"),
        *("input_text", "input_audio", "input_image", "novelty", None),
    ],
)
def test_any_content_of_any_role_is_valid(role: str, type_: str | None, dialect: Dialect) -> None:
    part = {"type": type_, "text": "a", "transcript": "b", "audio": "AAAA", "image_url": "data:,"}
    result = render_item(message("item_1", role, part), dialect)
    ITEM[dialect].validate_python(result, strict=True)


@given(st.lists(json_values(), max_size=4))
def test_config_is_read_from_any_sources(sources: list[Any]) -> None:
    config = response_config(*(source for source in sources if isinstance(source, dict)))
    assert set(config) == {
        *("modalities", "voice", "audio_format", "temperature", "max_output_tokens"),
    }


BETA_WIRE = {
    "id": "resp_1",
    "object": "realtime.response",
    "status": "cancelled",
    "status_details": {"type": "cancelled", "reason": "turn_detected"},
    "output": [message("item_1", "assistant", audio_part("Hello", "audio"))],
    "conversation_id": "conv_1",
    "modalities": ["audio", "text"],
    "voice": "alloy",
    "output_audio_format": "g711_ulaw",
    "temperature": 0.8,
    "max_output_tokens": "inf",
    "metadata": {"topic": "weather"},
    "usage": {
        "total_tokens": 30,
        "input_tokens": 20,
        "output_tokens": 10,
        "input_token_details": {"text_tokens": 5, "audio_tokens": 15, "cached_tokens": 0},
        "output_token_details": {"text_tokens": 4, "audio_tokens": 6},
    },
}
GA_WIRE = {
    **without(BETA_WIRE, "modalities", "voice", "output_audio_format", "temperature"),
    "output": [message("item_1", "assistant", audio_part("Hello"))],
    "output_modalities": ["audio"],
    "audio": {"output": {"format": {"type": "audio/pcmu"}, "voice": "alloy"}},
}


def test_a_beta_response_reads_the_same_in_beta() -> None:
    result = rendered(stored(BETA_WIRE), "beta")
    assert without(result, "eventstore", "modalities") == without(BETA_WIRE, "modalities")
    assert set(result["modalities"]) == {"text", "audio"}


def test_a_beta_response_takes_the_ga_shape() -> None:
    assert without(rendered(stored(BETA_WIRE), "ga"), "eventstore") == GA_WIRE


def test_a_ga_response_reads_the_same_in_ga() -> None:
    assert without(rendered(stored(GA_WIRE), "ga"), "eventstore") == GA_WIRE


def test_a_ga_response_takes_the_beta_shape_without_a_temperature() -> None:
    result = without(rendered(stored(GA_WIRE), "beta"), "eventstore", "modalities")
    assert result == {**without(BETA_WIRE, "modalities"), "temperature": None}


@pytest.mark.parametrize(
    ("beta", "ga"),
    [
        ("pcm16", {"type": "audio/pcm", "rate": 24000}),
        ("g711_ulaw", {"type": "audio/pcmu"}),
        ("g711_alaw", {"type": "audio/pcma"}),
    ],
)
def test_audio_formats_translate_both_ways(beta: str, ga: dict[str, Any]) -> None:
    spoken = stored({"output_audio_format": beta})
    assert rendered(spoken, "ga")["audio"]["output"]["format"] == ga
    answered = stored({"audio": {"output": {"format": ga}}})
    assert rendered(answered, "beta")["output_audio_format"] == beta


def test_what_a_shape_cannot_express_becomes_null() -> None:
    wire = {
        "status": "exploded",
        "status_details": "unimplemented",
        "modalities": ["video"],
        "voice": {"name": "marin", "type": "openai"},
        "output_audio_format": "opus",
        "max_output_tokens": "many",
        "metadata": ["no object"],
        "usage": 12,
    }
    result = rendered(stored(wire), "beta")
    assert result.pop("voice") == "marin"
    silent = without(result, "object", "output", "eventstore")
    assert set(silent.values()) == {None}


def test_text_and_audio_content_takes_each_dialects_names() -> None:
    item = message("item_1", "assistant", text_part("a", "text"), audio_part("b", "audio"))
    result = render_item(item, "ga")
    assert result is not None
    assert [part["type"] for part in result["content"]] == ["output_text", "output_audio"]
    again = render_item(result, "beta")
    assert again is not None
    assert again["content"] == item["content"]


def test_an_mcp_call_is_a_function_call_in_beta() -> None:
    item = {
        "id": "mcp_1",
        "type": "mcp_call",
        "server_label": "crm",
        "name": "find",
        "arguments": "{}",
    }
    result = render_item(item, "beta")
    assert result is not None
    assert (result["type"], result["name"], result["call_id"]) == ("function_call", "find", "mcp_1")
    ITEM["beta"].validate_python(result, strict=True)
    assert (render_item(item, "ga") or {})["type"] == "mcp_call"


def test_items_that_beta_does_not_know_are_left_out_there() -> None:
    item = {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "crm", "tools": []}
    assert render_item(item, "beta") is None
    assert ITEM["ga"].validate_python(render_item(item, "ga"), strict=True)


def test_our_notes_are_kept_in_every_dialect() -> None:
    response = Call().answers("resp_1", "item_1", "Hello").response("resp_1")
    for dialect in BOTH:
        assert rendered(response, dialect)["eventstore"] == response["eventstore"]
    assert render_response(response, "wire") == response


# GPT-Live


@both
@pytest.mark.parametrize("make", [client_call, responses_call, decisions_call])
def test_live_resources_are_valid_or_left_out(make: Any, dialect: Dialect) -> None:
    state = make().state
    for response in state.responses.values():
        rendered(resources.response_resource(state, response), dialect)
    for item in render_items(all_items(state), dialect):
        ITEM[dialect].validate_python(item, strict=True)


@both
def test_what_an_app_tells_is_the_systems_message(dialect: Dialect) -> None:
    call = client_call()
    told = next(id_ for id_ in call.order() if id_.startswith("item_commentary"))
    item = render_item(call.item(told), dialect)
    assert item is not None
    assert item["role"] == "system"
    assert item["content"] == [{"type": "input_text", "text": "It is ready at five."}]


@both
def test_delegations_and_decisions_are_left_out(dialect: Dialect) -> None:
    call = decisions_call()
    work = [item for item in map(call.item, call.order()) if item["eventstore"]["kind"] == "work"]
    assert len(work) == 3
    assert render_items(work, dialect) == []


def test_a_delegated_response_has_the_names_of_realtimes_usage() -> None:
    response = rendered(responses_call().response("resp_1"), "ga")
    assert response["usage"]["input_token_details"] == {"cached_tokens": 20}
    assert [item["type"] for item in response["output"]] == ["function_call"]
