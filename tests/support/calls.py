"""Whole calls as servers send them, written for tests: they need no recordings."""

from __future__ import annotations

from typing import Any

from eventstore.realtime.frames import Frame
from support import recordings
from support.events import Call, Json, audio, audio_part, message, text_part
from support.gpt_live import client_call, decisions_call, responses_call

SESSION_CONFIG: Json = {
    "id": "sess_1",
    "object": "realtime.session",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "gpt-4o-transcribe"},
            "turn_detection": {"type": "server_vad", "create_response": True},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
    },
}

USAGE: Json = {
    "total_tokens": 120,
    "input_tokens": 100,
    "output_tokens": 20,
    "input_token_details": {
        "text_tokens": 60,
        "audio_tokens": 40,
        "image_tokens": 0,
        "cached_tokens": 50,
        "cached_tokens_details": {"text_tokens": 30, "audio_tokens": 20, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
}


def voice_call() -> Call:
    """Two spoken turns: the second answer is interrupted and truncated."""
    call = Call().store("opened", metadata={"user": "u-1"})
    call.server("session.created", session=SESSION_CONFIG)
    call.server("conversation.created", conversation={"id": "conv_1"})
    for _ in range(10):
        call.client("input_audio_buffer.append", after=20, audio=audio(20))
    call.spoken("item_1", 40, 180).created("resp_1", metadata={"topic": "weather"})
    call.server("conversation.item.input_audio_transcription.delta", item_id="item_1", delta="Hi")
    call.speaks("resp_1", "item_2", "It is sunny in Oslo today", 1200)
    call.transcribed("item_1", "Hi, how is the weather?", usage={"type": "tokens", **USAGE})
    call.done("resp_1", usage=USAGE, metadata={"topic": "weather"})
    for _ in range(10):
        call.client("input_audio_buffer.append", after=20, audio=audio(20))
    call.spoken("item_3", 240, 380).created("resp_2").begins_speech("resp_2", "item_4")
    call.says("resp_2", "item_4", "And ", "tomorrow ", "it ", "will rain")
    call.sounds("resp_2", "item_4", 300, 300, 400)
    call.server("input_audio_buffer.speech_started", item_id="item_5", audio_start_ms=390)
    details = {"type": "cancelled", "reason": "turn_detected"}
    call.done("resp_2", status="cancelled", status_details=details, usage=USAGE)
    call.truncated("item_4", 500)
    return call.store("closed", reason="done")


def beta_tool_call() -> Call:
    """A typed turn in beta names, with a function call and its answer."""
    session = {"id": "sess_2", "model": "gpt-4o-realtime-preview", "modalities": ["text"]}
    call = Call().server("session.created", session=session)
    user = message("item_1", "user", text_part("Weather in Oslo?", "input_text"))
    call.client("conversation.item.create", item=user)
    call.client("response.create", event_id="event_1", response={"metadata": {"topic": "tools"}})
    call.server("conversation.item.created", previous_item_id=None, item=user)
    call.created("resp_1", metadata={"topic": "tools"})
    item: dict[str, Any] = {
        "id": "item_2",
        "type": "function_call",
        "name": "weather",
        "call_id": "call_1",
        "arguments": "",
        "status": "in_progress",
    }
    ids = {"response_id": "resp_1", "item_id": "item_2"}
    call.server("response.output_item.added", response_id="resp_1", item=item)
    call.server("conversation.item.created", previous_item_id="item_1", item=item)
    for delta in ('{"city"', ":", '"Oslo"}'):
        call.server("response.function_call_arguments.delta", delta=delta, **ids)
    call.server("response.function_call_arguments.done", arguments='{"city":"Oslo"}', **ids)
    whole = {**item, "arguments": '{"city":"Oslo"}', "status": "completed"}
    call.server("response.output_item.done", response_id="resp_1", item=whole)
    call.done("resp_1", output=[whole], usage=USAGE)
    output = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    call.client("conversation.item.create", item=output)
    call.client("response.create")
    call.server("conversation.item.created", previous_item_id=None, item={"id": "item_3", **output})
    call.created("resp_2")
    empty = message("item_4", content=[], status="in_progress")
    call.server("response.output_item.added", response_id="resp_2", item=empty)
    call.part("added", "resp_2", "item_4", text_part("", "text"))
    ids = {"response_id": "resp_2", "item_id": "item_4", "content_index": 0}
    for delta in ("Sunny", " in", " Oslo", "."):
        call.server("response.text.delta", delta=delta, **ids)
    call.server("response.text.done", text="Sunny in Oslo.", **ids)
    spoken = message("item_4", "assistant", text_part("Sunny in Oslo.", "text"))
    call.server("response.output_item.done", response_id="resp_2", item=spoken)
    return call.done("resp_2", output=[spoken], usage=USAGE)


def cut_off_call() -> Call:
    """A second connection to a call, that ends in the middle of an answer."""
    call = Call().client("input_audio_buffer.append", audio=audio(100))
    call.added(message("item_1", "user", audio_part("Hello?", "input_audio")))
    call.created("resp_1").begins_speech("resp_1", "item_2")
    return call.says("resp_1", "item_2", "Hello ", "to ").sounds("resp_1", "item_2", 200)


def short_answer() -> Call:
    """An answer of few events, whose text is known by its deltas alone."""
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", "one ", "two ").sounds("resp_1", "item_1", 10, 10)
    silent = message("item_1", "assistant", {"type": "output_audio"})
    call.server("conversation.item.done", previous_item_id=None, item=silent)
    call.server("response.output_item.done", response_id="resp_1", item=silent)
    return call.done("resp_1").truncated("item_1", 15)


def short_call() -> Call:
    """A function call of few events, whose arguments are known by their deltas alone."""
    item = {"id": "item_1", "type": "function_call", "name": "weather", "call_id": "call_1"}
    call = Call().client("response.create", response={"metadata": {"a": "b"}}).created("resp_1")
    call.server("response.output_item.added", response_id="resp_1", item={**item, "arguments": ""})
    for delta in ('{"city":', '"Oslo"}'):
        ids = {"response_id": "resp_1", "item_id": "item_1"}
        call.server("response.function_call_arguments.delta", delta=delta, **ids)
    call.server("response.output_item.done", response_id="resp_1", item=item)
    return call.done("resp_1", metadata={"a": "c"})


def short_turn() -> Call:
    """The user's turn in few events, its transcript still in progress."""
    call = Call().client("input_audio_buffer.append", audio=audio(20)).spoken("item_1", 0, 15)
    type_ = "conversation.item.input_audio_transcription.delta"
    for delta in ("Hello ", "there"):
        call.server(type_, item_id="item_1", content_index=0, delta=delta)
    call.client("input_audio_buffer.append", audio=audio(20))
    call.server("input_audio_buffer.committed", item_id="item_2", previous_item_id=None)
    call.created("resp_1").server("conversation.item.deleted", item_id="item_1")
    return call.server("session.updated", session={"input_audio_format": "g711_ulaw"})


def short_conversation() -> Call:
    """Items put before, between and behind others, and taken out."""
    call = Call().typed("item_1", "One").typed("item_2", "Two").typed("item_3", "Three", "item_1")
    first = message("item_4", "system", text_part("Zero", "input_text"))
    call.client("conversation.item.create", previous_item_id="root", item=first).added(first)
    call.server("conversation.item.deleted", item_id="item_3")
    return call.typed("item_5", "Five", "item_4").typed("item_3", "Three", "item_2")


_SHORT = (
    *(cut_off_call, short_answer, short_call, short_turn, short_conversation),
    *(client_call, responses_call, decisions_call),
)

#: Streams to mutate: those above, and the recorded ones where they are.
SAMPLE_STREAMS: list[list[Frame]] = [
    *(make().frames for make in (voice_call, beta_tool_call, *_SHORT)),
    *(recordings.frames(path) for path in recordings.streams()),
]
#: Short ones, which few changes take apart.
SHORT_STREAMS = [make().frames for make in _SHORT]
