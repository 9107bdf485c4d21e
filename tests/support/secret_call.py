"""Calls with words and sound that are found again wherever a byte of them is left."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

from support.events import SESSION, Call, message

PCM_BYTES = 4800


def words(name: str) -> dict[str, str]:
    """A call's own words, by where they stand."""
    places = (
        *("metadata", "typed", "said", "arguments", "instructions", "unreadable", "item", "tag"),
        *("label", "text", "why"),
    )
    return {place: f"quux{name}{place}zanzibar" for place in places}


def sound(name: str, number: int) -> bytes:
    """A call's own sound: noise, which nothing packs or resembles."""
    return random.Random(f"{name} {number}").randbytes(PCM_BYTES)


def loose(name: str) -> str:
    """Sound as base64 that is not canonical, so that it stays in its frame."""
    return base64.b64encode(sound(name, 9)[:300]).decode() + "\\n"


def secret_call(name: str) -> Call:
    """A call whose words and sound are its own, in every place that they can stand."""
    own = words(name)
    session = {"id": SESSION, "instructions": own["instructions"]}
    call = Call().server("session.created", session=session)
    call.store("metadata", metadata={"customer": name, "note": own["metadata"]})
    for number in range(3):
        call.client("input_audio_buffer.append", audio=_encoded(name, number))
    call.frame("client", '{"type":"input_audio_buffer.append","audio":"' + loose(name) + '"}')
    call.frame("client", sound(name, 8))
    call.frame("client", f"{own['unreadable']} is no JSON")
    parts = [_part(base64.b64encode(sound(name, n)).decode()) for n in (4, 5)]
    item = message("item_1", "user", *parts, _part(loose(name).replace("\\n", "\n")))
    call.client("conversation.item.create", item=item).added(item)
    call.typed(f"item_{own['item']}", own["typed"])
    call.created("resp_1", metadata={"tag": own["tag"]}).begins_speech("resp_1", "item_2")
    call.says("resp_1", "item_2", own["said"], " is what was said")
    for number in (6, 7):
        ids: dict[str, Any] = {"response_id": "resp_1", "item_id": "item_2", "content_index": 0}
        call.server("response.output_audio.delta", delta=_encoded(name, number), **ids)
    arguments = json.dumps({"audio": own["arguments"]})
    called = {"id": "item_3", "type": "function_call", "name": "f", "arguments": arguments}
    spoken = message("item_2", "assistant", {"type": "output_audio", "transcript": own["said"]})
    call.server("response.output_item.done", response_id="resp_1", item=spoken)
    call.server("response.output_item.done", response_id="resp_1", item=called)
    call.store("scored", score={"name": "topic", "value": own["label"], "reason": own["why"]})
    told = {"name": "told", "value": own["text"], "kind": "text", "by": "judge"}
    call.store("scored", score={**told, "target": {"response_id": "resp_1"}})
    call.frame("server", '{"type":"x.y","half":"\ud83d","audio":"' + loose(name) + '"}')
    return call.done("resp_1", metadata={"tag": own["tag"]}).store("closed", reason="done")


def _part(audio: str) -> dict[str, str]:
    return {"type": "input_audio", "audio": audio}


def _encoded(name: str, number: int) -> str:
    return base64.b64encode(sound(name, number)).decode()
