"""A session's configuration as `session.update`, valid by the `openai` package's own types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.client_events import EVENT, check_client_event, undeclared
from support.events import SESSION, log_events
from support.examples import examples
from support.recordings import each_recording, frames
from support.strategies import json_values

from eventstore.projection.fold import fold
from eventstore.realtime.resources.session_config import (
    CLIENT_DIALECTS,
    ClientDialect,
    is_translation,
    session_update,
)

LOGPROBS = "item.input_audio_transcription.logprobs"
both = pytest.mark.parametrize("dialect", CLIENT_DIALECTS)

VAD = {"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 500, "create_response": True}
FUNCTION = {"type": "function", "name": "weather", "description": "d", "parameters": {"a": 1}}
GA: dict[str, Any] = {
    "type": "realtime",
    "object": "realtime.session",
    "id": "sess_1",
    "model": "gpt-realtime",
    "expires_at": 1,
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "tools": [FUNCTION],
    "tool_choice": "required",
    "max_output_tokens": 400,
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "include": None,
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "whisper-1", "language": "en", "prompt": None},
            "noise_reduction": {"type": "near_field"},
            "turn_detection": {**VAD, "idle_timeout_ms": 6000},
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin", "speed": 1.25},
    },
}
BETA: dict[str, Any] = {
    "object": "realtime.session",
    "id": "sess_1",
    "model": "gpt-4o-realtime-preview",
    "expires_at": 1,
    "client_secret": None,
    "instructions": "Be brief.",
    "modalities": ["audio", "text"],
    "voice": "marin",
    "input_audio_format": "pcm16",
    "output_audio_format": "g711_ulaw",
    "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": None},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": VAD,
    "tools": [FUNCTION],
    "tool_choice": "required",
    "temperature": 0.7,
    "max_response_output_tokens": 400,
    "speed": 1.25,
    "tracing": None,
}
AS_GA = {
    "type": "realtime",
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "tools": [FUNCTION],
    "tool_choice": "required",
    "max_output_tokens": 400,
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "whisper-1", "language": "en"},
            "noise_reduction": {"type": "near_field"},
            "turn_detection": VAD,
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin", "speed": 1.25},
    },
}
AS_BETA = {
    "instructions": "Be brief.",
    "modalities": ["text", "audio"],
    "voice": "marin",
    "input_audio_format": "pcm16",
    "output_audio_format": "g711_ulaw",
    "input_audio_transcription": {"model": "whisper-1", "language": "en"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": VAD,
    "tools": [FUNCTION],
    "tool_choice": "required",
    "max_response_output_tokens": 400,
    "speed": 1.25,
}


def updated(session: dict[str, Any], dialect: ClientDialect) -> dict[str, Any]:
    """The session that a valid update sends; empty where there is none."""
    event = session_update(session, dialect)
    if event is None:
        return {}
    check_client_event(event, dialect)
    sent: dict[str, Any] = event["session"]
    return sent


def test_a_ga_session_is_sent_in_either_shape() -> None:
    with_timeout = updated(GA, "ga")
    assert with_timeout["audio"]["input"]["turn_detection"].pop("idle_timeout_ms") == 6000
    assert with_timeout == AS_GA | {"truncation": "auto"}
    assert updated(GA, "beta") == AS_BETA


def test_a_beta_session_is_sent_in_either_shape() -> None:
    assert updated(BETA, "ga") == AS_GA
    assert updated(BETA, "beta") == AS_BETA | {"temperature": 0.7}


@both
def test_an_update_sent_again_is_the_same(dialect: ClientDialect) -> None:
    for session in (GA, BETA):
        once = updated(session, dialect)
        assert updated(once, dialect) == once


@both
@pytest.mark.parametrize("off", [None, {"type": None}])
def test_turn_detection_that_is_off_stays_off(off: Any, dialect: ClientDialect) -> None:
    heard = {"format": {"type": "audio/pcm"}, "turn_detection": off}
    for session in ({"turn_detection": off}, {"audio": {"input": heard}}):
        sent = updated(session, dialect)
        assert sent.get("audio", {}).get("input", sent)["turn_detection"] is None


@both
@pytest.mark.parametrize("detection", [{"type": "azure_semantic_vad"}, {}, [], "server_vad"])
def test_turn_detection_of_another_kind_is_left_out(detection: Any, dialect: ClientDialect) -> None:
    assert updated({"turn_detection": detection, "instructions": "a"}, dialect) == (
        {"type": "realtime", "instructions": "a"} if dialect == "ga" else {"instructions": "a"}
    )


def test_semantic_detection_has_fields_of_its_own() -> None:
    stated = {"type": "semantic_vad", "eagerness": "low", "threshold": 0.5, "novel": 1}
    sent = updated({"turn_detection": stated}, "ga")["audio"]["input"]["turn_detection"]
    assert sent == {"type": "semantic_vad", "eagerness": "low"}


def test_instructions_that_were_cleared_stay_so() -> None:
    assert updated({"instructions": ""}, "beta") == {"instructions": ""}


@both
@pytest.mark.parametrize("session", [{}, {"model": "gpt-realtime", "id": "sess_1"}])
def test_nothing_known_is_nothing_sent(session: dict[str, Any], dialect: ClientDialect) -> None:
    assert session_update(session, dialect) is None


@both
def test_a_translation_session_has_no_such_update(dialect: ClientDialect) -> None:
    session = {"type": "translation", "audio": GA["audio"]}
    assert is_translation(session)
    assert session_update(session, dialect) is None


def test_a_transcription_session_stays_one() -> None:
    session = {
        **GA,
        "type": "transcription",
        "include": ["item.input_audio_transcription.logprobs"],
    }
    sent = updated(session, "ga")
    assert sent["type"] == "transcription"
    assert set(sent) == {"type", "audio", "include"} and set(sent["audio"]) == {"input"}
    beta = {**BETA, "object": "realtime.transcription_session"}
    event = session_update(beta, "beta")
    assert event is not None and event["type"] == "transcription_session.update"
    assert set(updated(beta, "beta")) == {
        *("input_audio_format", "input_audio_transcription"),
        *("input_audio_noise_reduction", "turn_detection"),
    }
    other = {**beta, "input_audio_transcription": {"model": "azure-speech", "language": "en"}}
    assert updated(other, "beta")["input_audio_transcription"] == {"language": "en"}


def test_voices_of_other_shapes_are_sent_by_name_or_id() -> None:
    for voice, ga in (("ara", "ara"), ({"name": "alloy", "type": "openai"}, "alloy")):
        assert updated({"voice": voice}, "ga")["audio"]["output"] == {"voice": ga}
        assert updated({"voice": voice}, "beta")["voice"] == ga
    own = {"audio": {"output": {"voice": {"id": "voice_1"}}}}
    assert updated(own, "ga")["audio"]["output"]["voice"] == {"id": "voice_1"}


def test_a_rate_that_no_shape_has_is_left_out() -> None:
    session = {"input_audio_format": "pcm16", "input_audio_sampling_rate": 16000}
    assert updated(session, "ga")["audio"]["input"]["format"] == {"type": "audio/pcm"}
    assert updated(session, "beta") == {"input_audio_format": "pcm16"}
    assert updated({"input_audio_format": "not specified"}, "beta") == {}


def test_tools_of_other_shapes() -> None:
    nested = {"type": "function", "function": {"name": "weather", "parameters": {"a": 1}}}
    flat = {"type": "function", "name": "weather", "parameters": {"a": 1}}
    mcp = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://example.com",
        "authorization": "secret",
        "headers": {"X-Key": "secret"},
        "allowed_tools": [],
        "require_approval": {"never": {"tool_names": ["a"]}, "always": None},
        "novel": 1,
    }
    session = {"tools": [nested, mcp, {"type": "function"}, {"type": "mcp"}, None, "tool"]}
    assert updated(session, "beta")["tools"] == [flat]
    sent = updated(session, "ga")["tools"]
    assert sent == [
        flat,
        {
            "type": "mcp",
            "server_label": "docs",
            "server_url": "https://example.com",
            "allowed_tools": [],
            "require_approval": {"never": {"tool_names": ["a"]}},
        },
    ]


@pytest.mark.parametrize(
    ("choice", "ga", "beta"),
    [
        ("none", "none", "none"),
        ({"type": "function", "name": "a"}, {"type": "function", "name": "a"}, None),
        (
            {"type": "function", "function": {"name": "a"}},
            {"type": "function", "name": "a"},
            None,
        ),
        (
            {"type": "mcp", "server_label": "a", "name": None},
            {"type": "mcp", "server_label": "a"},
            None,
        ),
        ("weather", None, None),
        ({"type": "function"}, None, None),
    ],
)
def test_a_choice_of_tools(choice: Any, ga: Any, beta: Any) -> None:
    assert updated({"tool_choice": choice}, "ga").get("tool_choice") == ga
    assert updated({"tool_choice": choice}, "beta").get("tool_choice") == beta


def test_what_only_ga_has() -> None:
    session = {
        "reasoning": {"effort": "low", "summary": "auto"},
        "prompt": {"id": "pmpt_1", "version": None, "variables": {"city": "Oslo", "n": 1}},
        "truncation": {
            "type": "retention_ratio",
            "retention_ratio": 0.8,
            "token_limits": {"post_instructions": 5000},
        },
        "tracing": {"workflow_name": "calls", "group_id": None, "metadata": {"a": 1}},
        "parallel_tool_calls": False,
    }
    assert updated(session, "ga") == {
        "type": "realtime",
        "reasoning": {"effort": "low"},
        "prompt": {"id": "pmpt_1", "variables": {"city": "Oslo"}},
        "truncation": session["truncation"],
        "tracing": {"workflow_name": "calls", "metadata": {"a": 1}},
        "parallel_tool_calls": False,
    }
    assert updated(session, "beta") == {"tracing": {"workflow_name": "calls", "metadata": {"a": 1}}}


@each_recording
@both
def test_recorded_sessions_can_be_sent(recording: Path, dialect: ClientDialect) -> None:
    stream = frames(recording)
    for seq in (5, len(stream)):
        wire = fold(SESSION, log_events(stream[:seq])).wire
        sent = updated(wire, dialect)
        if wire and not is_translation(wire):
            assert sent["instructions"] == wire["instructions"]
            assert len(sent.get("tools", [])) == len(wire.get("tools", []))
        assert "model" not in sent


_NAMES = sorted({*GA, *BETA, "prompt", "reasoning", "parallel_tool_calls"})
_INNER = sorted({*GA["audio"]["input"], *GA["audio"]["output"]})
_values = json_values()


@examples(150)
@given(
    st.dictionaries(st.sampled_from(_NAMES), _values, max_size=12),
    st.dictionaries(st.sampled_from(_INNER), _values),
    st.sampled_from(CLIENT_DIALECTS),
)
def test_any_values_make_a_valid_update(
    fields: dict[str, Any], audio: dict[str, Any], dialect: ClientDialect
) -> None:
    updated(fields, dialect)
    updated({**fields, "audio": {"input": audio, "output": audio}}, dialect)


_PARTS: dict[str, list[str]] = {
    "turn_detection": [*VAD, "idle_timeout_ms", "eagerness", "prefix_padding_ms"],
    "input_audio_transcription": ["model", "language", "languages", "keywords", "delay"],
    "input_audio_noise_reduction": ["type", "strength"],
    "prompt": ["id", "version", "variables"],
    "truncation": ["type", "retention_ratio", "token_limits"],
    "tracing": ["workflow_name", "group_id", "metadata"],
    "tool_choice": ["type", "name", "server_label"],
}
_TOOL = st.fixed_dictionaries(
    {"type": st.sampled_from(["function", "mcp"])},
    optional={
        name: _values | st.sampled_from(["always", "name"])
        for name in (
            *("name", "description", "parameters", "function", "server_label", "server_url"),
            *("allowed_tools", "allowed_callers", "require_approval", "connector_id", "headers"),
        )
    },
)


@examples(150)
@given(
    st.fixed_dictionaries(
        {
            name: st.dictionaries(st.sampled_from(keys), _values | st.sampled_from(["mcp", "low"]))
            for name, keys in _PARTS.items()
        }
    ),
    st.sampled_from(["server_vad", "semantic_vad"]),
    st.lists(_TOOL, max_size=3),
    st.sampled_from(CLIENT_DIALECTS),
)
def test_any_values_within_make_a_valid_update(
    fields: dict[str, Any], kind: str, tools: list[Any], dialect: ClientDialect
) -> None:
    fields["turn_detection"]["type"] = kind
    updated({**fields, "tools": tools}, dialect)


def test_an_undeclared_field_is_found() -> None:
    event = {"type": "session.update", "session": {"type": "realtime", "voice": "alloy"}}
    assert undeclared(EVENT["ga"], event) == [".session.voice"]
    with pytest.raises(AssertionError):
        check_client_event(event, "ga")
