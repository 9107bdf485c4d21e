"""Unit: secrets are masked in frames, values and words, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recordings import frames as recorded_frames
from support.recordings import live_streams, streams
from support.strategies import any_text, frames, json_values

from eventstore.realtime.masking.mask import mask_frame, mask_value, mask_words, replace_member
from eventstore.realtime.masking.mask_session import SessionMask
from eventstore.realtime.masking.secret_names import REMOVED


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


@pytest.mark.parametrize(
    "words",
    [
        "the token is in my purse, and the password is one that I forgot",
        "Your token: please say it. Authorization: approved. A basic information, a bearer of news",
        "https://example.com/a?model=gpt-realtime&call_id=rtc_123#top and sip:anna@example.com",
        "event_id evt_1, task-force, risk-free, disk_usage, max_output_tokens: 4096",
        "A sketch: [one, two] and {three}",
    ],
)
def test_words_are_no_secrets(words: str) -> None:
    assert mask_words(words) == words
    assert clean_of(json.dumps({"text": words})) == json.dumps({"text": words})
    assert mask_value({"text": [words]}) == {"text": [words]}


@pytest.mark.parametrize(
    "words",
    [
        "https://u:SECRET1x@h.test/", "https://h.test/?a=1&api-key=SECRET1x", "api_key=SECRET1x",
        "Authorization: Bearer SECRET1xSECRET", "Basic dXNlcjpTRUNSRVQ1=SECRET1x",
        "{'passwd': 'SECRET1x'}", 'so {"jwt": "SECRET1x"}', "sk-SECRET1xSECRET", "ek_SECRET1x",
        "-----BEGIN PRIVATE KEY-----\nSECRET1x\n-----END PRIVATE KEY-----",
        "eyJSECRET1xSECRET1x.eyJSECRET1x.SECRET1x", json.dumps(json.dumps({"token": "SECRET1x"})),
    ],
)  # fmt: skip
def test_secrets_in_words(words: str) -> None:
    assert "SECRET1x" not in mask_words(words)
    assert "SECRET1x" not in clean_of(json.dumps({"a": [{"text": words}]}))
    assert "SECRET1x" not in json.dumps(mask_value({"a": [{"text": words}]}))


def test_a_server_of_tools_keeps_no_value_of_its_address() -> None:
    tool = {"server_url": "https://u:p@mcp.test/s/a1b2c3d4e5f6a7b8c9d0e1/mcp?x=SECRET#SECRET"}
    assert mask_value(tool) == {
        "server_url": f"https://{REMOVED}@mcp.test/s/{REMOVED}/mcp?x={REMOVED}#{REMOVED}"
    }


@pytest.mark.parametrize(
    "piece",
    [
        '{"token":[', '{"a":', "[", '\\"', "\\\\", "eyJ", "password=", "token:", "://a@", "key=a&",
        "[{", "-----BEGIN ", "bearer ", "a.-", "\\u0022", "Ab1/", '"token":',
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["", '{"a":"key ', '{"server_url":"http://a?'])
def test_long_and_deep_frames_are_masked_in_time(start: str, piece: str) -> None:
    # A pattern that goes back, or a call for each level, would not come to an end here.
    mask_frame(start + piece * 20_000)


def test_deep_values_are_masked() -> None:
    value: object = {"api_key": "SECRET"}
    for _ in range(5000):
        value = [{"a": value}]
    masked = mask_value(value)
    for _ in range(5000):
        masked = masked[0]["a"]
    assert masked == {"api_key": REMOVED}


def test_texts_within_texts_are_read_and_what_is_too_deep_is_masked_whole() -> None:
    text = json.dumps({"api_key": "SECRET", "city": "Oslo"})
    for depth in range(12):
        clean = clean_of(json.dumps({"arguments": text}))
        assert "SECRET" not in clean
        assert ("Oslo" in clean) == (depth < 7)
        text = json.dumps({"inner": text})


@pytest.mark.parametrize("size", [1, 3, 8, 50])
@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"api_key": "q7Zqq8ZqX", "city": "Oslo"}', "q7Zqq8ZqX"),
        ('{"headers":{"X-A":"q7Zqq8ZqX"},"city":"Oslo"}', "q7Zqq8ZqX"),
        (json.dumps({"body": '{"passwd":"q7Zqq8ZqX"}', "city": "Oslo"}), "q7Zqq8ZqX"),
        (r"""so {"body": "{\"passwd\": \"q7\\\"Zqq8ZqX\"}"} in Oslo""", "Zqq8ZqX"),
        ("pass: API key: 'q7Zqq8ZqX' in the city of Oslo", "q7Zqq8ZqX"),
        ("use sk-proj-q7Zqq8ZqXq7Zqq8ZqXq7Zqq8ZqX in Oslo", "q7Zqq8ZqXq7Zqq8ZqXq7Zqq8ZqX"),
    ],
)
def test_secrets_that_come_in_pieces(text: str, secret: str, size: int) -> None:
    mask = SessionMask()
    told = ""
    for begin in range(0, len(text), size):
        event = {"type": "response.output_text.delta", "item_id": "item_1"}
        clean = mask.mask(json.dumps({**event, "delta": text[begin : begin + size]})).text
        told += json.loads(clean)["delta"]
    assert secret not in told.replace(REMOVED, "")
    assert size > 8 or "slo" in told


PEM = "".join(f"MIIEvQIBADANBgkqhkiG9w0BAQEF{number:02d}q7Zqq8ZqX\n" for number in range(60))


@pytest.mark.parametrize("size", [1, 3, 8, 50])
@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"-----BEGIN PRIVATE KEY-----\n{PEM}-----END PRIVATE KEY-----", "MIIEvQIB"),
        (json.dumps({"a": f"-----BEGIN RSA PRIVATE KEY-----\n{PEM}-----END"}), "MIIEvQIB"),
        ("https://user:q7Zqq8ZqXq7Zqq8ZqX@a.test/", "7Zqq8ZqX"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=a, Signature=q7Zqq8ZqX", "q7Zqq8ZqX"),
        ("Cookie: city=Oslo; sid=q7Zqq8ZqX", "q7Zqq8ZqX"),
        (json.dumps({"env": [{"name": "API_KEY", "value": "q7Zqq8ZqX"}]}), "q7Zqq8ZqX"),
        (json.dumps({"args": ["--api-key", "q7Zqq8ZqX", "audio.delta"]}), "q7Zqq8ZqX"),
        ('{"text": "response.output_audio.delta", "token": "q7Zqq8ZqX"}', "q7Zqq8ZqX"),
        ("<apiKey>q7Zqq8ZqX</apiKey>", "q7Zqq8ZqX"),
        ("use ghp_q7Zqq8ZqXq7Zqq8ZqXq7Zqq8ZqX to", "Zqq8ZqXq7Zqq8ZqX"),
    ],
)
def test_secrets_of_other_shapes_that_come_in_pieces(text: str, secret: str, size: int) -> None:
    mask = SessionMask()
    told = ""
    for begin in range(0, len(text), size):
        event = {"type": "response.function_call_arguments.delta", "item_id": "item_1"}
        clean = mask.mask(json.dumps({**event, "delta": text[begin : begin + size]})).text
        told += json.loads(clean)["delta"]
    assert secret not in told.replace(REMOVED, "")


@pytest.mark.parametrize("path", streams() + live_streams(), ids=lambda path: path.stem)
def test_nothing_is_masked_in_recorded_calls(path: Path) -> None:
    mask = SessionMask()
    for frame in recorded_frames(path):
        assert mask.mask(frame.text).text == frame.text


def test_a_delta_that_an_event_has_twice_is_taken_out_twice() -> None:
    text = '{"type": "x.delta", "delta": "one", "item": {"delta": "a"}, "delta" : "two", "x": 1}'
    removed = text.replace("one", "-").replace("two", "-")
    assert replace_member(text, "delta", "-") == removed
