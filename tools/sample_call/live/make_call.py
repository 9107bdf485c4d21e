"""Composes the Live sample call and writes it into `eventstore/demo/`.

Run it by `python -m tools.sample_call.live.make_call`. It needs hibari-tts for the voices, and
openai for the check at its end. The same input gives the same call.
"""

import base64
import lzma
import random
from pathlib import Path
from typing import Any

import click

from eventstore import demo
from tools.sample_call import script as base
from tools.sample_call import voices
from tools.sample_call.live import script
from tools.sample_call.live.timeline import INPUT_MS, OUTPUT_MS, ZERO, Side, fragments, ulaw
from tools.sample_call.script import Line
from tools.sample_call.voices import Pcm
from tools.sample_call.wire import Wire

SEED = 4418
TOOL_SECONDS = 0.14
TARGET = Path(demo.__file__).with_name("live_call.jsonl.xz")
LINES_BY_AGENT = (script.MOMENT, script.ON_ITS_WAY, script.ANY_DAY, script.GOODBYE)
LINES_BY_CALLER = (script.WHERE, script.OKAY, script.PICKUP, script.THANKS)
_PER_MS = 8  # bytes of µ-law


def compose() -> list[str]:
    """Return the whole call as JSON lines."""
    tts = voices.voice()
    clips = {line: voices.agent(tts, line.spoken) for line in LINES_BY_AGENT}
    clips |= {line: voices.caller(tts, line.spoken) for line in LINES_BY_CALLER}
    wire = Wire(random.Random(SEED))
    session_id = wire.new_id("live", 0)
    wire.client(0.0, "session.start", event_id="client_start", session=script.session())
    resource = script.resource(session_id)
    wire.server(0.17, "session.started", session=resource, client_event_id="client_start")
    user, assistant = Side(), Side()
    end = _talk(wire, user, assistant, clips)
    fragments(wire, user, "input")
    fragments(wire, assistant, "output")
    _sound(wire, user, assistant, end)
    _close(wire, resource, end)
    return wire.envelopes()


def _talk(wire: Wire, user: Side, assistant: Side, clips: dict[Line, Pcm]) -> float:
    """Write who says what, and the work between; return the end of the timeline."""
    asked = user.say(0.7, script.WHERE, clips[script.WHERE])
    assistant.say(asked + 0.3, script.MOMENT, clips[script.MOMENT])
    known = _delegate(wire, asked + 0.15)
    begins = max(known + 0.25, asked + 1.9)
    whole = begins + len(clips[script.ON_ITS_WAY]) / base.RATE
    # The caller says a short word while the assistant goes on, and then speaks over its end.
    user.say(begins + 2.1, script.OKAY, clips[script.OKAY])
    pickup = whole - 1.2
    asked = user.say(pickup, script.PICKUP, clips[script.PICKUP])
    assistant.say(begins, script.ON_ITS_WAY, clips[script.ON_ITS_WAY], until=pickup + 0.7)
    _append(wire, asked)
    answered = assistant.say(asked + 0.4, script.ANY_DAY, clips[script.ANY_DAY])
    thanked = user.say(answered + 0.3, script.THANKS, clips[script.THANKS])
    return assistant.say(thanked + 0.3, script.GOODBYE, clips[script.GOODBYE]) + 0.4


def _append(wire: Wire, at: float) -> None:
    """Write what the app tells the model during the call."""
    asked = {"content": script.APPENDED, "delegation_id": None, "event_id": "client_name"}
    wire.client(ZERO + at, "session.instructions.append", **asked)
    ms = round(at * 1000) // 200 * 200
    place = {"start_ms": ms, "end_ms": ms + 200, "client_event_id": "client_name"}
    wire.server(ZERO + at + 0.08, "session.instructions.appended", **place)


def _delegate(wire: Wire, at: float) -> float:
    """Write the delegation: a tool call, its output, and the backend's answer; return its end."""
    moment = ZERO + at
    delegation = wire.new_id("item", moment)
    first, second = wire.new_id("resp", moment), wire.new_id("resp", moment + 1)
    wire.server(
        moment,
        "session.delegation.created",
        offset_ms=round(at * 1000),
        delegation={
            "id": delegation,
            "type": "delegation",
            "target": "responses",
            "response_id": first,
        },
    )
    done = _tool_call(wire, moment + 0.12, delegation, first)
    output = {
        "type": "function_call_output",
        "call_id": _CALL_ID,
        "output": base.TOOL_OUTPUT,
    }
    wire.client(done + TOOL_SECONDS, "response.item.create", item=output)
    wire.client(done + TOOL_SECONDS + 0.002, "response.create")
    return _answer(wire, done + TOOL_SECONDS + 0.1, delegation, second) - ZERO


_CALL_ID = "call_Demo4417"


def _nested(wire: Wire, at: float, delegation: str, kind: str, number: int, **fields: Any) -> None:
    event = {"type": f"response.{kind}", "sequence_number": number, **fields}
    wire.server(at, "response.event", delegation_id=delegation, event=event)


def _response(id_: str, at: float, **fields: Any) -> dict[str, Any]:
    created = int(base.STARTS_AT.timestamp() + at)
    return {
        "id": id_,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "model": script.BACKEND,
        "metadata": script.METADATA,
        "instructions": None,
        "output": [],
        "tools": [],
        **fields,
    }


def _usage(read: int, cached: int, written: int, thought: int) -> dict[str, Any]:
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": read + written,
    }


def _tool_call(wire: Wire, at: float, delegation: str, response_id: str) -> float:
    call = {
        "id": wire.new_id("fc", at),
        "type": "function_call",
        "call_id": _CALL_ID,
        "name": base.TOOL["name"],
    }
    place = {"output_index": 0}
    item = {"item_id": call["id"], **place}
    arguments = base.TOOL_ARGUMENTS
    begun = {**call, "arguments": "", "status": "in_progress"}
    _nested(wire, at, delegation, "created", 0, response=_response(response_id, at))
    at += 0.31
    _nested(wire, at, delegation, "output_item.added", 1, item=begun, **place)
    pieces = (arguments[:9], arguments[9:])
    for number, piece in enumerate(pieces, 2):
        at += 0.02
        _nested(wire, at, delegation, "function_call_arguments.delta", number, delta=piece, **item)
    at += 0.01
    _nested(wire, at, delegation, "function_call_arguments.done", 4, arguments=arguments, **item)
    whole = {**call, "arguments": arguments, "status": "completed"}
    _nested(wire, at + 0.001, delegation, "output_item.done", 5, item=whole, **place)
    usage = _usage(212, 0, 31, 8)
    done = _response(response_id, at, status="completed", usage=usage)
    _nested(wire, at + 0.004, delegation, "completed", 6, response=done)
    return at + 0.004


def _answer(wire: Wire, at: float, delegation: str, response_id: str) -> float:
    message = {"id": wire.new_id("msg", at), "type": "message", "role": "assistant"}
    place = {"output_index": 0}
    part = {"item_id": message["id"], "content_index": 0, **place}
    begun = {**message, "content": [], "status": "in_progress"}
    _nested(wire, at, delegation, "created", 0, response=_response(response_id, at))
    at += 0.24
    _nested(wire, at, delegation, "output_item.added", 1, item=begun, **place)
    empty = {"type": "output_text", "text": "", "annotations": []}
    _nested(wire, at + 0.001, delegation, "content_part.added", 2, part=empty, **part)
    words = script.ANSWER.split()
    number = 3
    for start in range(0, len(words), 4):
        at += 0.03
        piece = " ".join(words[start : start + 4])
        delta = piece if start == 0 else f" {piece}"
        _nested(wire, at, delegation, "output_text.delta", number, delta=delta, logprobs=[], **part)
        number += 1
    full = {**empty, "text": script.ANSWER}
    _nested(
        wire, at, delegation, "output_text.done", number, text=script.ANSWER, logprobs=[], **part
    )
    _nested(wire, at + 0.001, delegation, "content_part.done", number + 1, part=full, **part)
    whole = {**message, "content": [full], "status": "completed"}
    _nested(wire, at + 0.002, delegation, "output_item.done", number + 2, item=whole, **place)
    usage = _usage(371, 128, 27, 0)
    done = _response(response_id, at, status="completed", usage=usage)
    _nested(wire, at + 0.004, delegation, "completed", number + 3, response=done)
    return at + 0.004


def _sound(wire: Wire, user: Side, assistant: Side, seconds: float) -> None:
    """Write the sound of both sides, which goes on all the time."""
    heard, spoken = ulaw(user.track(seconds)), ulaw(assistant.track(seconds))
    size = INPUT_MS * _PER_MS
    for start in range(0, len(heard), size):
        at = ZERO + start / _PER_MS / 1000 + wire.jitter(0.003)
        wire.client(at, "session.input_audio.append", audio=_encoded(heard[start : start + size]))
    size = OUTPUT_MS * _PER_MS
    for start in range(0, len(spoken), size):
        at = ZERO + start / _PER_MS / 1000 + 0.05 + wire.jitter(0.01)
        wire.bare(at, "session.output_audio.delta", delta=_encoded(spoken[start : start + size]))


def _encoded(sound: bytes) -> str:
    return base64.b64encode(sound).decode("ascii")


def _close(wire: Wire, resource: dict[str, Any], end: float) -> None:
    window = {"usage_ratio": 0.0142}
    wire.server(ZERO + 15, "session.usage.updated", usage={"seconds": 15}, context_window=window)
    wire.client(ZERO + end + 0.1, "session.close", event_id="client_close")
    wire.server(
        ZERO + end + 0.3,
        "session.closed",
        reason="close_requested",
        session=resource,
        usage={"seconds": round(end)},
        client_event_id="client_close",
    )


@click.command()
def main() -> None:
    """Compose the Live sample call anew, check it, and write it into the package."""
    from tools.sample_call.live.check import check

    lines = compose()
    check(lines)
    text = "".join(line + "\n" for line in lines)
    TARGET.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{TARGET.name}: {len(lines)} frames, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
