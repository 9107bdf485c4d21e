"""Audio goes out of frames' texts, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from support.examples import examples
from support.strategies import frames

from eventstore.realtime.catalogue import AUDIO_DELTAS
from eventstore.realtime.frames import Frame, decode, parse, restore
from eventstore.realtime.text.without_audio import FrameTexts, without_audio

APPEND, DELTA = "input_audio_buffer.append", "response.output_audio.delta"
KEPT_BELOW = {"metadata", "tools", "parameters", "variables"}


def silent(text: str | bytes) -> str | bytes:
    """A frame without its audio, by the columns that the log would have."""
    kept = decode(text)
    whole = kept.audio if (kept.audio_offset or 0) < 0 else None
    texts = without_audio(kept.type, FrameTexts(kept.frame, kept.audio_offset, whole))
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
        (f'{{"type":"{DELTA}","x":{{"delta":"Q"}}}}', f'{{"type":"{DELTA}","x":{{"delta":"Q"}}}}'),
        ('{"type":"a","delta":"words"}', '{"type":"a","delta":"words"}'),
        ('{"type":"a","audio":"x","audio":"y"}', '{"type":"a","audio":"","audio":""}'),
        ('{"type":"a","b":"audio","c":"x"}', '{"type":"a","b":"audio","c":"x"}'),
        ('{"type":"a","b":["audio","x"]}', '{"type":"a","b":["audio","x"]}'),
        (
            '{"type":"a","b":[{"metadata":{"audio":"k"}},{"audio":"q"}]}',
            '{"type":"a","b":[{"metadata":{"audio":"k"}},{"audio":""}]}',
        ),
        (
            '{"type":"a","session":{"tools":[{"audio":"k"}],"audio":{"input":"k"}},"audio":"q"}',
            '{"type":"a","session":{"tools":[{"audio":"k"}],"audio":{"input":"k"}},"audio":""}',
        ),
        ('{"type":"a","arguments":"{\\"audio\\":\\"k\\"}"}',) * 2,
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
    texts = without_audio(kept.type, FrameTexts(kept.frame, kept.audio_offset, None))
    assert restore(*texts[:2], b"ABC" * 100) == text.replace('"Q"', '""') % long


def emptied(value: Any, delta: bool) -> Any:
    """A parsed event without audio."""
    if isinstance(value, list):
        return [emptied(entry, False) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: ""
        if isinstance(entry, str) and (key == "audio" or (delta and key == "delta"))
        else entry
        if key in KEPT_BELOW
        else emptied(entry, False)
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
    expected = emptied(event, kept.type in AUDIO_DELTAS)
    assert json.dumps(parse(text)) == json.dumps(expected)
    if expected == event:
        assert text == frame.text
