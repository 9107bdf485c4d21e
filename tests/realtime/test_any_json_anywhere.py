"""Whatever JSON stands where a reader looks, nothing fails, and each frame comes back."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator

import pytest
from support.calls import SAMPLE_STREAMS
from support.odd_json import ODD_TEXTS, with_each_value

from eventstore.capture.messages.frame_scanner import FrameScanner
from eventstore.capture.recording.session_ids import session_event
from eventstore.projection.handlers.speech import needs_input_bytes
from eventstore.projection.load_keys import load_key
from eventstore.projection.state import SessionState
from eventstore.realtime.catalogue import direction_of
from eventstore.realtime.frames import DIRECTIONS, Frame, decode, parse_stored, restore
from eventstore.realtime.resources.conversation_items import conversation_item
from eventstore.realtime.resources.dialects import (
    DIALECTS,
    render_item,
    render_response,
    response_config,
)
from eventstore.realtime.resources.session_config import session_update
from eventstore.realtime.text.without_audio import FrameTexts, without_audio
from eventstore.realtime.values import dumps, loads

#: Bytes of audio: none, within what is parsed whole, around that, and far beyond it.
SIZES = (0, 150, 430, 460, 3000)
AUDIO_EVENTS = (
    ("input_audio_buffer.append", "audio"),
    ("session.input_audio_buffer.append", "audio"),
    ("response.audio.delta", "delta"),
    ("response.output_audio.delta", "delta"),
    ("session.output_audio.delta", "delta"),
    ("conversation.item.create", "audio"),
)
odd_values = pytest.mark.parametrize("odd", ODD_TEXTS, ids=lambda odd: odd[:24])


def taken_apart(text: str) -> None:
    """Let every reader of one frame look at it, and check that it comes back."""
    decoded = decode(text)
    stored = (decoded.frame, decoded.audio_offset, decoded.audio)
    assert restore(*stored) == text
    assert isinstance(decoded.type, str)
    # repr, since a NaN is not equal to itself.
    assert repr(parse_stored(*stored)) == repr(decoded.event)
    key = load_key(decoded.type, decoded.event, "server")
    assert key is None or "\0" not in key
    assert direction_of(decoded.event) in DIRECTIONS
    needs_input_bytes(SessionState("sess_1"), decoded.event)
    for direction in DIRECTIONS:
        session_event(Frame(direction, text, None))
    whole = decoded.audio if (decoded.audio_offset or 0) < 0 else None
    without_audio(FrameTexts(decoded.frame, decoded.audio_offset, whole))
    if decoded.event is not None:
        loads(dumps(decoded.event))


@odd_values
def test_a_frame_with_audio_and_any_other_value_comes_back(odd: str) -> None:
    for (type_, key), size in itertools.product(AUDIO_EVENTS, SIZES):
        for text in frames_around(type_, key, size, odd):
            taken_apart(text)


def frames_around(type_: str, key: str, size: int, odd: str) -> Iterator[str]:
    """Frames with so much audio, and the odd value in each place that a reader of them looks at."""
    sound = json.dumps(base64.b64encode(bytes(size)).decode())
    for name in ("type", "item_id", "response_id", "content_index", "event_id", key):
        fields = {"type": json.dumps(type_), "item_id": '"item_1"', "content_index": "0"}
        # Before the audio and behind it, in its place, and a second time.
        for pairs in (
            [*({**fields, name: odd}).items(), (key, sound)],
            [(key, sound), *({**fields, name: odd}).items()],
            [*({**fields, key: sound, name: odd}).items()],
            [*fields.items(), (key, sound), (name, odd)],
        ):
            for colon in (":", " :\n"):
                yield "{" + ",".join(f'"{k}"{colon}{v}' for k, v in pairs) + "}"


@odd_values
def test_any_value_in_any_place_of_a_call_is_read(odd: str) -> None:
    seen = set()
    for stream in SAMPLE_STREAMS:
        for frame in stream:
            event = json.loads(frame.text)
            # One of each shape is enough.
            shape = (event["type"], tuple(event))
            if shape in seen:
                continue
            seen.add(shape)
            for text in with_each_value(event, odd):
                taken_apart(text)


@odd_values
def test_a_relay_reads_any_text_out_of_its_copy(odd: str) -> None:
    sound = base64.b64encode(bytes(3000)).decode()
    text = f'{{"type":{odd},"audio":"{sound}"}}'
    payload = text.encode("utf-8", "surrogatepass")
    header = b"\x81\x7f" + len(payload).to_bytes(8, "big")
    (found,) = FrameScanner(masked=False).feed(header + payload)
    assert found == (text if "\ud83d" not in text else payload)
    taken_apart(found if isinstance(found, str) else text)


RESOURCE = {
    "id": "resp_1",
    "status": "failed",
    "status_details": {"type": "failed", "reason": "turn_detected", "error": {"code": "x"}},
    "output": [
        {
            "id": "item_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "audio", "transcript": "hi"}],
        },
        {"id": "item_2", "type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"},
        {"id": "item_3", "type": "mcp_call", "server_label": "l", "error": {"type": "http_error"}},
        {"id": "item_4", "type": "mcp_list_tools", "tools": [{"name": "t", "input_schema": {}}]},
    ],
    "metadata": {"topic": "hours"},
    "usage": {"total_tokens": 1, "input_token_details": {"cached_tokens_details": {"x": 1}}},
    "eventstore": {
        "config": {
            "modalities": ["audio"],
            "audio_format": {"type": "audio/pcm", "rate": 24000},
            "voice": "alloy",
        }
    },
}
SESSION = {
    "id": "sess_1",
    "model": "gpt-realtime",
    "modalities": ["text"],
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "turn_detection": {"type": "server_vad", "threshold": 0.5, "create_response": True},
    "tools": [
        {"type": "function", "name": "f", "parameters": {}},
        {"type": "mcp", "server_label": "l", "require_approval": {"always": {"tool_names": ["t"]}}},
    ],
    "tool_choice": {"type": "function", "name": "f"},
    "audio": {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}, "transcription": {"model": "w"}},
        "output": {"format": {"type": "audio/pcmu"}, "voice": "alloy", "speed": 1.0},
    },
    "max_output_tokens": "inf",
    "temperature": 0.8,
}


@odd_values
def test_any_value_in_any_place_of_a_resource_is_rendered(odd: str) -> None:
    for text in with_each_value(RESOURCE, odd):
        resource = decode(text).event
        for dialect in DIALECTS:
            if resource is not None:
                render_response(resource, dialect)
                render_item(resource, dialect)
                conversation_item(resource)
    for text in with_each_value(SESSION, odd):
        session = decode(text).event
        if session is not None:
            response_config(session, {}, session)
            for dialect in ("beta", "ga"):
                session_update(session, dialect)
