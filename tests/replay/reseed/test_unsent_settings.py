"""Unit: a reseed of a Realtime session tells each setting that the new session lacks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.events import Call
from support.examples import examples
from support.strategies import json_values

from eventstore.realtime.resources.session_config import CLIENT_DIALECTS, ClientDialect
from eventstore.replay.reseed.reseed import reseed

both = pytest.mark.parametrize("dialect", CLIENT_DIALECTS)

GA: dict[str, Any] = {
    "id": "sess_1",
    "object": "realtime.session",
    "model": "gpt-realtime",
    "expires_at": 1,
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "truncation": "auto",
    "prompt": None,
    "audio": {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin", "speed": 1.0},
    },
}
BETA: dict[str, Any] = {
    "id": "sess_1",
    "object": "realtime.session",
    "model": "gpt-4o-realtime-preview",
    "client_secret": {"value": "ek_1", "expires_at": 1},
    "modalities": ["audio", "text"],
    "voice": "marin",
    "input_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "turn_detection": {"type": "server_vad", "threshold": 0.5},
}


def unsent(session: dict[str, Any], dialect: ClientDialect) -> list[str]:
    """What a reseed says of the settings of a session, without the words around them."""
    call = Call()
    call.server("session.created", session=session)
    reasons = [str(one["reason"]) for one in reseed(call.state, dialect).skipped]
    return [reason for reason in reasons if reason.startswith("the setting ")]


@both
@pytest.mark.parametrize("session", [GA, BETA], ids=["ga", "beta"])
def test_nothing_is_told_of_what_is_sent_whole(
    session: dict[str, Any], dialect: ClientDialect
) -> None:
    assert unsent(session, dialect) == []


@both
@pytest.mark.parametrize(
    "setting",
    [
        {"turn_detection": {"type": "azure_semantic_vad"}},
        {"voice": {"type": "azure-standard", "name": "en-US-AvaNeural"}},
        {"input_audio_echo_cancellation": {"type": "server_echo_cancellation"}},
        {"tools": [{"type": "function", "function": {"name": "nested"}}]},
        {"output_audio_format": "pcm24"},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_setting_of_another_server_is_told(
    setting: dict[str, Any], dialect: ClientDialect
) -> None:
    (told,) = unsent(BETA | setting, dialect)
    (name,) = setting
    assert told.startswith(f"the setting {name}")
    assert ", which the API's reference does not have so: " in told


def test_a_setting_that_only_the_other_dialect_has_is_told() -> None:
    assert unsent(BETA | {"temperature": 0.7}, "beta") == []
    assert unsent(BETA | {"temperature": 0.7}, "ga") == [
        "the setting temperature, which the ga dialect does not have: 0.7"
    ]
    effort = GA | {"reasoning": {"effort": "low"}, "truncation": "disabled"}
    assert unsent(effort, "ga") == []
    assert unsent(effort, "beta") == [
        'the setting reasoning, which the beta dialect does not have: {"effort":"low"}',
        'the setting truncation, which the beta dialect does not have: "disabled"',
    ]


@both
def test_a_key_is_not_told(dialect: ClientDialect) -> None:
    (told,) = unsent(BETA | {"brand_new": {"api_key": "sk-" + "a" * 40}}, dialect)
    assert "brand_new" in told and "aaaa" not in told


@both
@examples(100)
@given(
    st.dictionaries(st.sampled_from([*GA, *BETA, "odd"]), json_values(), max_size=5), st.booleans()
)
def test_any_configuration_is_told_of(
    dialect: ClientDialect, told: dict[str, Any], beta: bool
) -> None:
    unsent((BETA if beta else GA) | told, dialect)
