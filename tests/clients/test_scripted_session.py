"""The server that clients are recorded from: what it answers, in what order."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import pytest
from clients.hearing import Hearing
from clients.scripted_session import ScriptedSession

sys.path.append(str(Path(__file__).parent / "python"))
from telling import turn

Events = list[dict[str, Any]]


def session_of(**settings: Any) -> ScriptedSession:
    session = ScriptedSession("gpt-realtime")
    session.greet()
    session.receive({"type": "session.update", "session": settings})
    return session


def types(events: Events) -> list[str]:
    """Their types; of deltas in a row, one."""
    found = [event["type"] for event in events]
    return [one for one, before in zip(found, [None, *found], strict=False) if one != before]


def say(session: ScriptedSession, words: str, **request: Any) -> Events:
    content = [{"type": "input_text", "text": words}]
    item = {"type": "message", "role": "user", "content": content}
    session.receive({"type": "conversation.item.create", "item": item})
    return session.receive({"type": "response.create", "response": request})


def speak(session: ScriptedSession) -> Events:
    frames = [base64.b64encode(chunk).decode() for chunk in turn()]
    appends = [{"type": "input_audio_buffer.append", "audio": audio} for audio in frames]
    return [event for append in appends for event in session.receive(append)]


@pytest.mark.parametrize("size", [2, 700, 960, 100_000])
def test_speech_is_found_however_it_is_cut(size: int) -> None:
    sound = b"".join([*turn(), *turn()])
    hearing = Hearing()
    pieces = [sound[start : start + size] for start in range(0, len(sound), size)]
    found = [event for piece in pieces for event in hearing.hear(piece)]
    assert found == [("started", 0), ("stopped", 700), ("started", 900), ("stopped", 1600)]


def test_an_answer_carries_the_metadata_of_its_request() -> None:
    created, *_, done = say(session_of(), "Hello.", metadata={"a": "b"})
    assert created["response"]["metadata"] == done["response"]["metadata"] == {"a": "b"}
    assert done["response"]["usage"]["output_tokens"] > 0


def test_a_function_is_called_and_its_output_answered() -> None:
    session = session_of(tools=[{"type": "function", "name": "weather"}])
    [call] = say(session, "What is the weather?")[-1]["response"]["output"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "Sun"}
    session.receive({"type": "conversation.item.create", "item": output})
    [item] = session.receive({"type": "response.create"})[-1]["response"]["output"]
    assert (call["name"], item["content"][0]["transcript"]) == ("weather", "It is so: Sun")


def test_who_speaks_ends_the_answer_that_is_under_way() -> None:
    session = session_of(audio={"input": {"transcription": {"model": "whisper-1"}}})
    assert types(speak(session))[-1] == "response.done"
    assert types(speak(session))[-1] == "response.output_audio.delta"
    started, *cancelled = speak(session)
    assert started["type"] == "input_audio_buffer.speech_started"
    done = next(event for event in cancelled if event["type"] == "response.done")
    assert done["response"]["status_details"]["reason"] == "turn_detected"


def test_the_shape_of_before_the_ga_has_its_own_names() -> None:
    session = ScriptedSession("gpt-realtime", is_flat=True)
    [created] = session.greet()
    assert created["session"]["modalities"] == ["audio", "text"]
    told = types(say(session, "Hello."))
    assert "response.audio.delta" in told and "conversation.item.created" in told
    assert not [
        type_
        for type_ in told
        if "output_audio" in type_
        or (type_.endswith("item.done") and type_.startswith("conversation"))
    ]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "no.such"}, "unknown_event"),
        ({"type": "response.cancel"}, "response_cancel_not_active"),
        ({"type": "conversation.item.delete", "item_id": "item_none"}, "item_not_found"),
        ({"type": "conversation.item.retrieve", "item_id": "item_none"}, "item_not_found"),
        ({"type": "conversation.item.truncate", "item_id": "item_none"}, "item_not_found"),
    ],
)
def test_what_cannot_be_done_is_an_error(event: dict[str, Any], code: str) -> None:
    [told] = session_of().receive({**event, "event_id": "mine"})
    assert (told["error"]["code"], told["error"]["event_id"]) == (code, "mine")
