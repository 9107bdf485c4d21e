"""Unit: secrets are masked in frames, values and words, and nothing else is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import any_text, frames, json_values

from eventstore.realtime.mask import mask_frame
from eventstore.realtime.secrets import REMOVED


def clean_of(text: str | bytes) -> str | bytes:
    return mask_frame(text).text


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"session": {"tools": [{"type": "mcp", "authorization": "SECRET"}]}}, "tool"),
        ({"session": {"tools": [{"headers": {"X-Mine": "SECRET"}}]}}, "header"),
        ({"response": {"tools": [{"a": 1}, {"headers": {"X": ["SECRET"]}}]}}, "list"),
        ({"session": {"client_secret": {"value": "SECRET", "expires_at": 1}}}, "ephemeral"),
        ({"session": {"client_secret": "SECRET"}}, "plain"),
        ({"a": [{"api_key": "SECRET"}]}, "api_key"),
        ({"Api-Key": "SECRET", "OPENAI_API_KEY": "SECRET", "xApiKey": "SECRET"}, "spelling"),
        ({"headers": {"Authorization": 'SECRET "quoted" \\ and {braced}'}}, "odd"),
        ({"access_token": "SECRET", "refresh-token": "SECRET", "Set-Cookie": "SECRET"}, "more"),
        ({"password": "SECRET", "é": "ü"}, "password"),
        ({"authorization": {"type": "bearer", "token": "SECRET"}}, "object"),
        ({"session": {"avatar": {"ice_servers": [{"credential": "SECRET"}]}}}, "ice"),
        ({"private_key": "SECRET", "secret_access_key": "SECRET", "id_token": "SECRET"}, "keys"),
        ({"tools": [{"headers": {"Y": ["a", {"z": {"deep": "SECRET"}}]}}]}, "deep header"),
    ],
)
@pytest.mark.parametrize("ascii_", [True, False])
def test_secrets_are_removed(event: object, path: str, ascii_: bool) -> None:
    text = json.dumps(event, ensure_ascii=ascii_, indent=1)
    assert "SECRET" in text
    clean = clean_of(text)
    assert "SECRET" not in clean
    assert json.dumps(json.loads(clean), ensure_ascii=ascii_, indent=1) == clean
    assert clean_of(text.encode()) == clean.encode()
    assert clean_of(clean) == clean


def test_a_key_that_is_spelled_in_escapes_is_read() -> None:
    assert clean_of(r'{"\u0061pi_key":"SECRET"}') == rf'{{"\u0061pi_key":"{REMOVED}"}}'


def test_broken_json_is_read_as_far_as_it_goes() -> None:
    broken = '{"a":}],{"authorization": "SECRET", "b'
    assert clean_of(broken) == f'{{"a":}}],{{"authorization": "{REMOVED}", "b'


def test_a_frame_that_was_cut_off_within_a_secret() -> None:
    assert clean_of('{"api_key":"SECR') == f'{{"api_key":"{REMOVED}'


def test_a_text_without_an_end_takes_no_longer_than_its_length() -> None:
    assert clean_of('{"api_key":"' + '\\"a' * 300_000) == f'{{"api_key":"{REMOVED}'


@pytest.mark.parametrize(
    "event",
    [
        {"usage": {"total_tokens": 1}, "logprobs": [{"token": "hi"}]},
        {"tools": [{"parameters": {"properties": {"headers": {"type": "object"}}}}]},
        {"tools": [{"parameters": {"properties": {"password": {"type": "string"}}}}]},
        {"tools": [{"parameters": {"required": ["api_key", "password"]}}]},
        {"item": {"text": 'say "api_key": "x"', "value": "client_secret"}},
        {"authorization": None, "api_key": 3, "headers": {"Accept": "y"}},
    ],
)
def test_what_only_looks_like_a_secret_is_kept(event: object) -> None:
    text = json.dumps(event)
    assert clean_of(text) == text


@given(frames().map(lambda frame: frame.text) | any_text(60) | st.binary(max_size=60))
def test_frames_without_secrets_are_as_they_were(text: str | bytes) -> None:
    assert clean_of(text) == text


@given(json_values(surrogates=True), json_values())
def test_the_rest_of_a_frame_stays(before: object, behind: object) -> None:
    def alone(value: object) -> object:
        return json.loads(clean_of(json.dumps(value)))

    clean = clean_of(json.dumps({"a": before, "api_key": "SECRET", "b": behind}))
    assert clean == json.dumps({"a": alone(before), "api_key": REMOVED, "b": alone(behind)})
