"""Writes the responses of the sample call: a tool call, spoken answers, and a text.

Called by `make_call.py`. Times are in seconds from the call's start, except where `ms` says
milliseconds.
"""

from dataclasses import dataclass
from typing import Any

from tools.sample_call import script
from tools.sample_call.script import Line
from tools.sample_call.tokens import (
    CALL_OVERHEAD,
    RATE_LIMIT,
    SPEECH_OVERHEAD,
    TEXT_OVERHEAD,
    Count,
    Reading,
    pieces,
    spoken,
    usage,
)
from tools.sample_call.turns import ROUND_TRIP, TICK, Call, announce
from tools.sample_call.voices import Pcm, chunks, encode, milliseconds

DELTA_MS = 200
PLAYBACK_DELAY = 0.06
# Audio is generated this many times faster than it plays, and its transcript runs ahead of it.
PACE = 3.5
TEXT_SHARE = 0.7
# Seconds from a response to its item, and from the item to its first sound.
FIRST_ITEM = 0.19
FIRST_SOUND = 0.26


@dataclass(frozen=True)
class Reply:
    """A response that is being written.

    Attributes:
        id: the response's id.
        item_id: the id of its output item.
        created_at: when it was created.
        opened_at: when its output item appears.
        reading: the tokens that it reads.
        conversation_id: None for a response outside the conversation.
        modality: `audio` or `text`.
        metadata: its metadata; None for none.
    """

    id: str
    item_id: str
    created_at: float
    opened_at: float
    reading: Reading
    conversation_id: str | None
    modality: str
    metadata: dict[str, str] | None

    def resource(
        self, status: str, output: list[dict[str, Any]], bill: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Return the response object of `response.created` and `response.done`."""
        cancelled = {"type": "cancelled", "reason": "turn_detected"}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": cancelled if status == "cancelled" else None,
            "output": output,
            "conversation_id": self.conversation_id,
            "output_modalities": [self.modality],
            "max_output_tokens": "inf",
            "audio": {"output": {"format": script.PCM, "voice": script.VOICE}},
            "usage": bill,
            "metadata": self.metadata,
        }

    def message(self, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the assistant's item."""
        return {
            "id": self.item_id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    @property
    def part(self) -> dict[str, Any]:
        """The fields that place a content part."""
        return self.place | {"content_index": 0}

    @property
    def place(self) -> dict[str, Any]:
        """The fields that place the output item."""
        return {"response_id": self.id, "item_id": self.item_id, "output_index": 0}


@dataclass(frozen=True)
class Spoken:
    """The sound of a response that was sent.

    Attributes:
        audio_at: when the first sound was sent.
        sent_ms: how many milliseconds of sound were sent.
    """

    audio_at: float
    sent_ms: float

    @property
    def plays_at(self) -> float:
        """When the customer begins to hear the sound."""
        return self.audio_at + PLAYBACK_DELAY

    @property
    def ends_at(self) -> float:
        """When the customer has heard all of the sound, if there is no interruption."""
        return self.plays_at + self.sent_ms / 1000


def begin(
    call: Call,
    at: float,
    *,
    modality: str = "audio",
    metadata: dict[str, str] | None = None,
    aside: int = 0,
) -> Reply:
    """Write the creation of a response.

    Args:
        call: the call.
        at: when the response is created.
        modality: `audio` or `text`.
        metadata: the response's metadata.
        aside: the tokens of the response's own prompt, for a response outside the conversation; 0
            for a response in it.
    """
    reading = call.ledger.aside_reading(aside) if aside else call.ledger.next_reading()
    opened_at = at + FIRST_ITEM + call.wire.jitter(0.06)
    ids = call.wire.new_id("resp", at), call.wire.new_id("item", opened_at)
    conversation_id = None if aside else call.conversation_id
    reply = Reply(*ids, at, opened_at, reading, conversation_id, modality, metadata)
    call.wire.server(at, "response.created", response=reply.resource("in_progress", [], None))
    return reply


def _open_item(call: Call, reply: Reply, item: dict[str, Any]) -> None:
    """Write the appearance of a response's item, also in the conversation if it belongs there."""
    call.wire.server(
        reply.opened_at,
        "response.output_item.added",
        response_id=reply.id,
        output_index=0,
        item=item,
    )
    if reply.conversation_id:
        previous = call.append_item(reply.item_id)
        call.wire.server(
            reply.opened_at + TICK, "conversation.item.added", previous_item_id=previous, item=item
        )


def _close(
    call: Call, reply: Reply, at: float, status: str, item: dict[str, Any], output: Count
) -> float:
    """Write the end of an item and of its response, and return when the response is done."""
    wire = call.wire
    if reply.conversation_id:
        wire.server(at, "conversation.item.done", previous_item_id=None, item=item)
        call.ledger.put(reply.item_id, text=output.text, audio=output.audio)
    wire.server(
        at + TICK, "response.output_item.done", response_id=reply.id, output_index=0, item=item
    )
    bill = usage(reply.reading, output)
    at += 3 * TICK
    wire.server(at, "response.done", response=reply.resource(status, [item], bill))
    remaining, reset = call.ledger.remaining(at, bill["total_tokens"])
    limit = {"name": "tokens", "limit": RATE_LIMIT, "remaining": remaining, "reset_seconds": reset}
    wire.server(at + TICK, "rate_limits.updated", rate_limits=[limit])
    return at


def open_speech(call: Call, reply: Reply) -> float:
    """Write the appearance of a spoken item, and return when its first sound is due."""
    _open_item(call, reply, reply.message("in_progress", []))
    part = {"type": "audio", "transcript": ""}
    call.wire.server(
        reply.opened_at + 2 * TICK, "response.content_part.added", **reply.part, part=part
    )
    return reply.opened_at + FIRST_SOUND


def speak(
    call: Call, reply: Reply, audio_at: float, line: Line, clip: Pcm, until: float | None = None
) -> Spoken:
    """Write a spoken answer and its end.

    Args:
        call: the call.
        reply: the response.
        audio_at: when the first sound is sent.
        line: the words.
        clip: the sound.
        until: when the customer's next turn cancels the answer; None for a whole answer.
    """
    stop = until if until is not None else float("inf")
    text, text_at = _stream_text(call, reply, audio_at, line.text, clip, stop)
    sent_ms, sound_at = _stream_audio(call, reply, audio_at, clip, stop)
    at = (max(text_at, sound_at) if until is None else until) + 0.006
    status = "completed" if until is None else "incomplete"
    call.wire.server(at, "response.output_audio.done", **reply.part)
    call.wire.server(
        at + TICK, "response.output_audio_transcript.done", **reply.part, transcript=text
    )
    part = {"type": "audio", "transcript": text}
    call.wire.server(at + 2 * TICK, "response.content_part.done", **reply.part, part=part)
    item = reply.message(status, [{"type": "output_audio", "transcript": text}])
    output = Count(len(pieces(text)) + SPEECH_OVERHEAD, spoken(sent_ms))
    _close(
        call, reply, at + 3 * TICK, "cancelled" if until is not None else "completed", item, output
    )
    return Spoken(audio_at, sent_ms)


def _stream_text(
    call: Call, reply: Reply, audio_at: float, text: str, clip: Pcm, stop: float
) -> tuple[str, float]:
    """Write the transcript, ahead of the sound, and return the text sent and the time after it."""
    parts = pieces(text)
    step = milliseconds(clip) / 1000 / PACE * TEXT_SHARE / len(parts)
    at, sent = audio_at - 3.5 * step, ""
    for piece in parts:
        if at >= stop:
            break
        padding = call.wire.obfuscation(piece)
        call.wire.server(
            at,
            "response.output_audio_transcript.delta",
            **reply.part,
            delta=piece,
            obfuscation=padding,
        )
        sent += piece
        at += step * (0.6 + call.wire.jitter(0.8))
    return sent, at


def _stream_audio(
    call: Call, reply: Reply, at: float, clip: Pcm, stop: float
) -> tuple[float, float]:
    """Write the sound, faster than it plays, and return the milliseconds sent and the end time."""
    sent = 0.0
    for chunk in chunks(clip, DELTA_MS):
        if at >= stop:
            break
        call.wire.server(at, "response.output_audio.delta", **reply.part, delta=encode(chunk))
        sent += milliseconds(chunk)
        at += DELTA_MS / 1000 / PACE * (0.85 + call.wire.jitter(0.3))
    return sent, at


def call_function(call: Call, reply: Reply) -> tuple[str, float]:
    """Write a call of the tool, and return the call's id and when its response is done."""
    wire = call.wire
    call_id = wire.new_id("call", reply.opened_at, 16)
    item = {
        "id": reply.item_id,
        "type": "function_call",
        "status": "in_progress",
        "name": script.TOOL["name"],
    }
    item |= {"call_id": call_id, "arguments": ""}
    _open_item(call, reply, item)
    at, place = reply.opened_at + 0.03, reply.place | {"call_id": call_id}
    kind = "response.function_call_arguments."
    for piece in pieces(script.TOOL_ARGUMENTS):
        at += 0.006 + wire.jitter(0.012)
        wire.server(at, kind + "delta", **place, delta=piece, obfuscation=wire.obfuscation(piece))
    at += 0.01
    wire.server(
        at, kind + "done", **place, name=script.TOOL["name"], arguments=script.TOOL_ARGUMENTS
    )
    item |= {"status": "completed", "arguments": script.TOOL_ARGUMENTS}
    output = Count(len(pieces(script.TOOL_ARGUMENTS)) + CALL_OVERHEAD)
    return call_id, _close(call, reply, at + 0.004, "completed", item, output)


def answer_function(call: Call, at: float, call_id: str, output: str) -> None:
    """Write the tool's result, which the client sends and the server adds as an item."""
    item = {"type": "function_call_output", "call_id": call_id, "output": output}
    call.wire.client(at, "conversation.item.create", item=item)
    item_id = call.wire.new_id("item", at)
    previous = call.append_item(item_id)
    announce(call, at + ROUND_TRIP, {"id": item_id} | item, previous)
    call.ledger.put(item_id, text=len(pieces(output)))


def truncate(call: Call, at: float, reply: Reply, said: Spoken, **more: Any) -> int:
    """Write the truncation of an answer, and return how many milliseconds of it were heard.

    Args:
        call: the call.
        at: when the client stops playing the answer.
        reply: the answer's response.
        said: the sound that was sent.
        more: other fields of the client's event.
    """
    played = min(round((at - said.plays_at) * 1000), int(said.sent_ms))
    place = {"audio_end_ms": played, "content_index": 0, "item_id": reply.item_id}
    call.wire.client(at, "conversation.item.truncate", **place, **more)
    call.wire.server(at + ROUND_TRIP, "conversation.item.truncated", **place)
    # The server drops the transcript with the sound, as it cannot tell which words were heard.
    call.ledger.put(reply.item_id, audio=spoken(played))
    return played


def write(call: Call, reply: Reply, text: str) -> float:
    """Write an answer as text, and return when its response is done."""
    wire, at = call.wire, reply.opened_at + 2 * TICK
    _open_item(call, reply, reply.message("in_progress", []))
    wire.server(at, "response.content_part.added", **reply.part, part={"type": "text", "text": ""})
    for piece in pieces(text):
        at += 0.004 + wire.jitter(0.014)
        padding = wire.obfuscation(piece)
        wire.server(
            at, "response.output_text.delta", **reply.part, delta=piece, obfuscation=padding
        )
    at += 0.012
    wire.server(at, "response.output_text.done", **reply.part, text=text)
    part = {"type": "text", "text": text}
    wire.server(at + TICK, "response.content_part.done", **reply.part, part=part)
    item = reply.message("completed", [{"type": "output_text", "text": text}])
    return _close(
        call, reply, at + 2 * TICK, "completed", item, Count(len(pieces(text)) + TEXT_OVERHEAD)
    )
