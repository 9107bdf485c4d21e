"""Audio goes out of frames' texts, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.strategies import frames

from eventstore.realtime.catalogue import AUDIO_DELTAS
from eventstore.realtime.frames import RAW_TEXT, Frame, decode, parse, restore
from eventstore.realtime.text.without_audio import FrameTexts, without_audio

APPEND, DELTA = "input_audio_buffer.append", "response.output_audio.delta"
KEPT_BELOW = {"metadata", "tools", "parameters", "variables"}
PARTS = ("audio", "input_audio", "output_audio")


def silent(text: str | bytes) -> str | bytes:
    """A frame without its audio, by the columns that the log would have."""
    kept = decode(text)
    whole = kept.audio if (kept.audio_offset or 0) < 0 else None
    texts = without_audio(FrameTexts(kept.frame, kept.audio_offset, whole))
    cut = b"" if kept.audio_offset is not None and kept.audio_offset >= 0 else texts.raw
    return restore(texts.frame, texts.audio_offset, cut)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        (f'{{"type":"{APPEND}","audio":"QUJD"}}', f'{{"type":"{APPEND}","audio":""}}'),
        (f'{{"type":"{APPEND}","audio":"QUJ"}}', f'{{"type":"{APPEND}","audio":""}}'),
        (f'{{"type":"{APPEND}", "audio" : "Q\\n"}}', f'{{"type":"{APPEND}", "audio" : ""}}'),
        (f'{{"type":"{APPEND}","\\u0061udio":"Q"}}', f'{{"type":"{APPEND}","\\u0061udio":""}}'),
        (f'{{"audio":"Q","type":"{DELTA}"}}', f'{{"audio":"","type":"{DELTA}"}}'),
        (f'{{"type":"{DELTA}","delta":"Q="}}', f'{{"type":"{DELTA}","delta":""}}'),
        (f'{{"type":"{DELTA}","x":{{"delta":"Q"}}}}', f'{{"type":"{DELTA}","x":{{"delta":""}}}}'),
        ('{"type":"a","delta":"words"}', '{"type":"a","delta":"words"}'),
        ('{"type":"a","audio":"x","audio":"y"}', '{"type":"a","audio":"","audio":""}'),
        ('{"type":"a","b":"audio","c":"x"}', '{"type":"a","b":"audio","c":"x"}'),
        ('{"type":"a","b":["audio","x"]}', '{"type":"a","b":["audio","x"]}'),
        (
            f'{{"type":"e","event":{{"delta":"Q","type":"{DELTA}"}},"delta":"words"}}',
            f'{{"type":"e","event":{{"delta":"","type":"{DELTA}"}},"delta":"words"}}',
        ),
        (
            '{"type":"a","b":[{"metadata":{"audio":"k"}},{"audio":"q"}]}',
            '{"type":"a","b":[{"metadata":{"audio":"k"}},{"audio":""}]}',
        ),
        (
            '{"type":"a","session":{"tools":[{"audio":"k"}],"audio":{"input":"k"}},"audio":"q"}',
            '{"type":"a","session":{"tools":[{"audio":"k"}],"audio":{"input":"k"}},"audio":""}',
        ),
        ('{"type":"a","arguments":"{\\"audio\\":\\"k\\"}"}',) * 2,
        (
            '{"a":"b","modalities":["audio"],"audio":["q"]}',
            '{"a":"b","modalities":["audio"],"audio":[""]}',
        ),
        ('{"type":"a","data":"words","input_image":{"data":"x"}}',) * 2,
        (
            '{"b":{"data":"q","type":"audio"},"data":"w"}',
            '{"b":{"data":"","type":"audio"},"data":"w"}',
        ),
        ('{"type":"a","input_audio":{"data":"q"}}', '{"type":"a","input_audio":{"data":""}}'),
        ('{"type":"a","url":"data:audio\\/wav;base64,q"}', '{"type":"a","url":""}'),
        ('{"type":"a","audio":"q\ud83d"}', '{"type":"a","audio":""}'),
        ('{"type":"a","audio":"\ud83d"', ""),
        ('{"type":"a","half":"\ud83d","audio":"q"}', '{"type":"a","half":"\ud83d","audio":""}'),
        ('{"type":"a","audio":"q"', ""),
        ("[" * 1000, ""),
        (b"\x00\x01", b""),
    ],
)
def test_audio_goes_and_all_else_stays(text: str | bytes, without: str | bytes) -> None:
    assert silent(text) == without
    assert silent(without) == without


def test_what_was_cut_out_keeps_its_place() -> None:
    long = "QUJD" * 100
    text = '{"audio":"Q","type":"a","b":{"audio":"%s"},"c":{"audio":"Q"}}'
    kept = decode(text % long)
    assert kept.audio_offset is not None
    texts = without_audio(FrameTexts(kept.frame, kept.audio_offset, None))
    assert restore(*texts[:2], b"ABC" * 100) == text.replace('"Q"', '""') % long


LONG = "QUJD" * 100


@pytest.mark.parametrize(
    "text",
    [
        # The log did not cut this audio, since a member before it has the same name.
        f'{{"type":"{DELTA}","x":{{"delta":"QUJD"}},"delta":"QUJD"}}',
        f'{{"type":"{DELTA}","x":{{"delta":"{LONG}"}},"delta":"{LONG}"}}',
        f'{{"type":"{DELTA}","metadata":{{"delta":"QUJD"}},"delta":"QUJD"}}',
        f'{{"type":"{APPEND}","metadata":{{"audio":"QUJD"}},"audio":"QUJD"}}',
        f'{{"type":"{APPEND}","x":{{"delta":"QUJD"}},"\\u0061udio":"QUJD"}}',
        f'{{"type":"{APPEND}","metadata":[{{"audio":"QUJD"}},{{"audio":"QUJD"}}],"audio":"QUJD"}}',
        f'{{"type":"a","x":{{"audio":"{LONG}Q"}},"metadata":{{"audio":"{LONG}"}}}}',
        # Without its audio, a database's text type can hold the text.
        f'{{"type":"{APPEND}","audio":"Q\ud83d"}}',
        '{"type":"a\0',
    ],
)
def test_what_is_left_is_in_the_columns_that_it_is_stored_in(text: str) -> None:
    assert decode(text).audio_offset in (None, RAW_TEXT)
    without = silent(text)
    assert isinstance(without, str) and decode(without).audio_offset is None
    assert "QUJD" not in without and silent(without) == without


def emptied(value: Any, below_delta: bool = False, name: str = "", is_audio: bool = False) -> Any:
    """A parsed event without audio.

    Args:
        value: The event, or a value in it.
        below_delta: Whether an object around the value is an audio delta.
        name: The name of the member that has the value.
        is_audio: Whether a text in its place is audio.
    """
    if isinstance(value, str):
        return "" if is_audio else value
    if isinstance(value, list):
        return [emptied(entry, below_delta, name, is_audio) for entry in value]
    if not isinstance(value, dict):
        return value
    type_ = str(value.get("type"))
    below_delta = below_delta or type_ in AUDIO_DELTAS
    audio = {"audio", *["delta"] * below_delta, *["data"] * (name in PARTS or type_ in PARTS)}
    return {
        key: entry if key in KEPT_BELOW else emptied(entry, below_delta, key, key in audio)
        for key, entry in value.items()
    }


@examples(300)
@given(frames())
def test_an_event_stays_what_it_was_but_for_its_audio(frame: Frame) -> None:
    kept = decode(frame.text)
    text = silent(frame.text)
    if kept.event is None:
        assert text in ("", b"")
        return
    assert isinstance(text, str) and isinstance(frame.text, str)
    event = parse(frame.text) or {}
    expected = emptied(event)
    assert json.dumps(parse(text)) == json.dumps(expected)
    if expected == event:
        assert text == frame.text


NAMES = ["audio", "delta", "data", "metadata", "type", "input_audio"]
TEXTS = ["QUJD", LONG, LONG + "Q", "words", "Q\ud83d", APPEND, DELTA, "output_audio"]
VALUES = st.recursive(
    st.sampled_from(TEXTS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(st.tuples(st.sampled_from(NAMES), inner), max_size=4)
    ),
    max_leaves=8,
)


def spelled(value: Any) -> str:
    """JSON of a value. A list of pairs is an object, which may repeat a name."""
    if isinstance(value, str):
        return f'"{value}"'
    if value and all(isinstance(entry, tuple) for entry in value):
        return "{" + ",".join(f'"{name}":{spelled(entry)}' for name, entry in value) + "}"
    return "[" + ",".join(map(spelled, value)) + "]"


@examples(300)
@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), min_size=1, max_size=5))
def test_a_frame_without_audio_is_in_the_columns_of_its_text(members: list[Any]) -> None:
    text = spelled(members)
    kept = decode(text)
    whole = kept.audio if (kept.audio_offset or 0) < 0 else None
    texts = without_audio(FrameTexts(kept.frame, kept.audio_offset, whole))
    if kept.audio_offset is None or kept.audio_offset < 0:
        again = decode(restore(*texts))
        assert (again.frame, again.audio_offset, again.audio) == texts
    else:
        assert texts.audio_offset is not None
        assert texts.frame[texts.audio_offset - 1 :][:2] == '""'
    assert without_audio(texts) == texts
