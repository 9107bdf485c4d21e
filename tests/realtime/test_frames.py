"""Frames come back exactly as they came in, and audio is kept as bytes beside small frames."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.strategies import any_text, json_values

from eventstore.realtime import catalogue
from eventstore.realtime.frames import (
    ENCRYPTED,
    MAX_DEPTH,
    MAX_TYPE,
    RAW_BINARY,
    RAW_TEXT,
    UNREADABLE,
    Decoded,
    decode,
    parse_stored,
    restore,
)

AUDIO_KEY = {
    "input_audio_buffer.append": "audio",
    "session.input_audio_buffer.append": "audio",
    "response.audio.delta": "delta",
    "response.output_audio.delta": "delta",
    "session.output_audio.delta": "delta",
}
IDS = {"event_id": "event_1", "response_id": "resp_1", "item_id": "item_1", "content_index": 0}

#: How encoders write JSON: as Python does, without spaces, and over several lines.
FORMATS: list[dict[str, Any]] = [
    {},
    {"separators": (",", ":")},
    {"indent": 2},
    {"indent": "\t"},
    {"separators": (",", ":\n  ")},
    {"ensure_ascii": False},
]


def exact(text: str | bytes) -> Decoded:
    """Decode a frame, and check all that holds for any frame."""
    decoded = decode(text)
    stored = (decoded.frame, decoded.audio_offset, decoded.audio)
    restored = restore(*stored)
    assert restored == text
    assert type(restored) is type(text)
    # Either database takes the columns as they are.
    assert "\0" not in decoded.frame
    decoded.frame.encode("utf-8")
    assert len(decoded.type) <= MAX_TYPE
    assert "\0" not in decoded.type
    decoded.type.encode("utf-8")
    # repr, since a NaN is not equal to itself.
    assert repr(parse_stored(*stored)) == repr(decoded.event)
    return decoded


@st.composite
def audio_events(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> tuple[dict[str, Any], bytes]:
    """An event that carries audio, its keys in any order, and the audio."""
    type_ = draw(st.sampled_from(sorted(AUDIO_KEY)))
    audio = draw(data)
    fields: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=_optional(IDS)))
    fields |= {"type": type_, AUDIO_KEY[type_]: base64.b64encode(audio).decode()}
    keys = draw(st.permutations(list(fields)))
    return {key: fields[key] for key in keys}, audio


def _optional(values: dict[str, Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {key: st.just(value) for key, value in values.items()}


def odd_base64() -> st.SearchStrategy[str]:
    """Base64 that no encoder gives back: padding, unused bits, alphabet, white space."""
    encoded = st.binary(min_size=1, max_size=600).map(lambda b: base64.b64encode(b).decode())
    return st.one_of(
        encoded.map(lambda e: e.rstrip("=")),
        encoded.map(lambda e: e + "="),
        encoded.map(lambda e: e + "===="),
        encoded.map(lambda e: e[:3] + "\n" + e[3:]),
        encoded.map(lambda e: " " + e),
        encoded.map(lambda e: e + "=A=="),
        encoded.map(lambda e: e[:2] + "=" + e[3:]),
        encoded.map(lambda e: e[:2] + "é" + e[3:]),
        st.binary(min_size=3).map(lambda b: base64.urlsafe_b64encode(b + b"\xfb\xff").decode()),
        # Bits that the last character has to spare, set.
        st.sampled_from(["AB==", "AAB=", "AAAAAP==", "/x==", "AP8B", "Zg==\\n"]),
    )


def fragments() -> st.SearchStrategy[str]:
    """Text that looks like frames and is broken in every way."""
    pieces = st.sampled_from(
        [
            *('{"type":"', "input_audio_buffer.append", "response.audio.delta", '"audio":"'),
            *('"audio":', '"audio" : "', '"delta":"', "AAAA", "AA==", "AAB=", "A" * 300),
            *('"', "\\", '\\"', "{", "}", "[", "]", ",", ":", " ", "\n", "null", "1e999", "NaN"),
            *("\0", "\\u0000", "\ud800", "\\ud800", "\udc00", "é", "\U0001f600", "\ufeff"),
            *('"type"', '"type":"', "session.update", "audio.delta", "x" * 500),
        ]
    )
    return st.lists(pieces, max_size=40).map("".join)


@given(any_text())
@example("")
@example("\0")
@example('{"type":"ping"')
@example('{"type":"a\ud800"}')
@example('{"type":"\\ud800"}')
@example('{"type":"\\u0000"}')
@example('{"type":null}')
@example('{"type":[]}')
@example('{"type":{"a":1}}')
@example("[1]")
@example('"text"')
@example('{"type":"' + "t" * 1000 + '"}')
@example('{"type":"ping","x":NaN}')
@example('{"type":"ping","x":' + "9" * 5000 + "}")
@example('{"audio":"===="}')
@example('{"type":"input_audio_buffer.append","audio":"===="}')
def test_any_text_comes_back(text: str) -> None:
    exact(text)


@given(fragments())
def test_broken_frames_come_back(text: str) -> None:
    exact(text)


@given(st.binary(max_size=2000))
@example(b"")
@example(b'{"type":"ping"}')
def test_binary_messages_come_back_as_bytes(data: bytes) -> None:
    decoded = exact(data)
    assert decoded == (UNREADABLE, "", RAW_BINARY, data, None)


@given(json_values(surrogates=True), st.sampled_from(FORMATS))
def test_any_json_comes_back(value: Any, style: dict[str, Any]) -> None:
    decoded = exact(json.dumps(value, **style))
    if isinstance(value, dict):
        assert decoded.event == value


@given(audio_events(st.binary(min_size=1, max_size=2000)), st.sampled_from(FORMATS))
def test_canonical_audio_is_cut_out(
    made: tuple[dict[str, Any], bytes], style: dict[str, Any]
) -> None:
    event, audio = made
    text = json.dumps(event, **style)

    decoded = exact(text)

    key = AUDIO_KEY[event["type"]]
    assert decoded.type == event["type"]
    assert decoded.audio == audio
    assert len(decoded.frame) == len(text) - len(event[key])
    assert decoded.event == {**event, key: ""}


@pytest.mark.parametrize("type_", AUDIO_KEY)
@pytest.mark.parametrize("size", [1, 2, 3, 960, 4801, 1_000_000])
def test_frames_stay_small_whatever_the_audio(type_: str, size: int) -> None:
    audio = bytes(range(256)) * (size // 256 + 1)
    encoded = base64.b64encode(audio[:size]).decode()
    decoded = exact(json.dumps({**IDS, "type": type_, AUDIO_KEY[type_]: encoded}))
    assert decoded.audio == audio[:size]
    assert len(decoded.frame) < 200


@pytest.mark.parametrize("type_", AUDIO_KEY)
def test_white_space_before_the_colon_is_no_reason_to_keep_audio_in_the_frame(type_: str) -> None:
    text = json.dumps({"type": type_, AUDIO_KEY[type_]: "AAAA" * 100}, separators=(" , ", " : "))
    assert exact(text).audio == bytes(300)


@given(audio_events(st.just(b"")), odd_base64(), st.sampled_from(FORMATS))
def test_audio_that_is_not_canonical_stays_in_the_frame(
    made: tuple[dict[str, Any], bytes], encoded: str, style: dict[str, Any]
) -> None:
    event = {**made[0], AUDIO_KEY[made[0]["type"]]: encoded}
    text = json.dumps(event, **style)
    decoded = exact(text)
    if decoded.audio_offset is not None:
        # Some of the odd ones are canonical after all, by chance.
        assert base64.b64encode(decoded.audio or b"").decode() == encoded
    else:
        assert decoded.frame == text
        assert decoded.event == event


@pytest.mark.parametrize(
    "encoded", ["AB==", "AP==", "Ax==", "AAB=", "AAP=", "AA9=", "A===", "AA=A", "AAA", "AA-_"]
)
@pytest.mark.parametrize("head", ["", "A" * 400, "A" * 4000])
def test_base64_that_says_the_same_in_another_way_stays_as_it_is(encoded: str, head: str) -> None:
    text = json.dumps({"type": "input_audio_buffer.append", "audio": head + encoded})
    assert exact(text)[1:4] == (text, None, None)


@pytest.mark.parametrize("type_", AUDIO_KEY)
def test_an_empty_audio_has_nothing_to_cut(type_: str) -> None:
    text = json.dumps({"type": type_, AUDIO_KEY[type_]: ""})
    assert exact(text)[1:4] == (text, None, None)


@pytest.mark.parametrize("type_", sorted(catalogue.TEXT_DELTAS))
@pytest.mark.parametrize("delta", ["AAAA", "test", "A" * 400, "A" * 4000])
def test_text_deltas_are_never_cut(type_: str, delta: str) -> None:
    for fields in (IDS, {**IDS, "item_id": "response.audio.delta"}):
        text = json.dumps({**fields, "type": type_, "delta": delta})
        assert exact(text)[1:4] == (text, None, None)


@given(
    st.sampled_from(sorted(catalogue.TEXT_DELTAS)),
    st.text("ABCD+/=0", max_size=1500),
    st.sampled_from(FORMATS),
)
def test_text_that_looks_like_audio_stays_text(
    type_: str, delta: str, style: dict[str, Any]
) -> None:
    text = json.dumps({"type": type_, "delta": delta, **IDS}, **style)
    assert exact(text)[1:4] == (text, None, None)


def test_the_audio_of_an_item_is_cut_out_too() -> None:
    part = {"type": "input_audio", "audio": base64.b64encode(bytes(30_000)).decode()}
    event = {"type": "conversation.item.create", "item": {"type": "message", "content": [part]}}
    decoded = exact(json.dumps(event))
    assert decoded.audio == bytes(30_000)
    assert len(decoded.frame) < 200


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"ping","type":"session.update"}',
        '{"type":"input_audio_buffer.append","audio":"AAAA","audio":""}',
        '{"type":"input_audio_buffer.append","audio":"","audio":"AAAA"}',
        '{"type":"input_audio_buffer.append","audio":"AAAA","audio":"BBBB"}',
        '{"audio":"AAAA","type":"input_audio_buffer.append","type":"ping"}',
        '{"type":"response.audio.delta","delta":"AAAA","delta":1}',
        '{"type":"response.audio.delta","item":{"delta":"AAAA"},"delta":"BBBB"}',
        '{"type":"input_audio_buffer.append","x":"\\"audio\\":\\"AAAA\\"","audio":"BBBB"}',
    ],
)
def test_keys_twice_come_back(text: str) -> None:
    decoded = exact(text)
    if decoded.audio is not None:
        # What was cut is what the event is read for.
        assert decoded.event is not None
        assert decoded.event[AUDIO_KEY[decoded.type]] == ""


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ('{"type":"ping","text":"a\0b"}', UNREADABLE),
        ('{"type":"ping","text":"a\ud83d"}', "ping"),
        ('{"type":"ping","text":"\ude00a"}', "ping"),
    ],
)
def test_text_that_no_database_takes_is_kept_as_bytes(text: str, type_: str) -> None:
    decoded = exact(text)
    assert (decoded.type, decoded.audio_offset) == (type_, RAW_TEXT)


@pytest.mark.parametrize("text", ['{"type":"ping","t":"\\ud83d"}', '{"type":"ping","t":"\\u0000"}'])
def test_escapes_stay_escapes(text: str) -> None:
    decoded = exact(text)
    assert (decoded.type, decoded.frame) == ("ping", text)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_comes_back(opening: str, closing: str) -> None:
    depth = 100_000
    text = '{"type":"ping","a":' + opening * depth + "1" + closing * depth + "}"
    assert exact(text)[:1] == (UNREADABLE,)
    assert exact(opening * depth).event is None


def test_nesting_is_read_up_to_a_depth() -> None:
    def nested(depth: int) -> str:
        return '{"type":"ping","a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"

    assert exact(nested(MAX_DEPTH)).type == "ping"
    assert exact(nested(MAX_DEPTH + 1)).type == UNREADABLE


def test_brackets_side_by_side_or_in_text_are_no_depth() -> None:
    assert exact('{"type":"ping","a":[' + "[]," * 100_000 + "[]]}").type == "ping"
    assert exact('{"type":"ping","a":"' + "[" * 100_000 + '\\""}').type == "ping"


def test_quotes_without_end_take_no_time() -> None:
    start = time.monotonic()
    exact("[" * (MAX_DEPTH + 1) + '\\"' * 10_000)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("fill", "size"),
    [
        *(("x", 10_000_000), ("é", 10_000_000), ('\\"', 10_000_000), ("\0", 10_000_000)),
        *(("\U0001f600", 2_000_000), ("\ud800", 2_000_000), ("[", 2_000_000)),
    ],
)
def test_huge_frames_come_back(fill: str, size: int) -> None:
    text = '{"type":"session.update","session":{"instructions":"' + fill * size
    exact(text[:size] + '"}}')


def test_a_huge_piece_of_audio_is_cut_out() -> None:
    audio = bytes(7_500_000)
    encoded = base64.b64encode(audio).decode()
    assert len(encoded) == 10_000_000
    decoded = exact('{"type":"input_audio_buffer.append","audio":"' + encoded + '"}')
    assert decoded.audio == audio
    assert len(decoded.frame) < 100


@pytest.mark.parametrize(
    ("offset", "audio"), [(0, None), (RAW_TEXT, None), (-9, b""), (RAW_BINARY, None)]
)
def test_a_damaged_row_is_an_error(offset: int, audio: bytes | None) -> None:
    with pytest.raises(ValueError, match="audio_offset"):
        restore("{}", offset, audio)


def test_a_row_that_could_not_be_decrypted_is_an_error() -> None:
    with pytest.raises(ValueError, match="cannot be decrypted"):
        restore("", ENCRYPTED, b"sealed")
