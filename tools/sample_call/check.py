"""Checks the finished sample call against the types of the openai package, and its sums.

Called by `make_call.py`.
"""

import base64
import json
from typing import Any, get_args

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

from tools.sample_call.turns import APPEND_MS

APPEND_BYTES = APPEND_MS * 48
# Fields that OpenAI's server sends, but that the types of its package do not name.
UNNAMED = {"obfuscation", "id", "object", "expires_at"}


def check(lines: list[str]) -> None:
    """Check that frames fit their types, sums add up, and lines are in the order of time.

    Raises:
        AssertionError: a line is wrong.
        pydantic.ValidationError: a frame does not fit its type.
    """
    adapters = {"server": _adapters(RealtimeServerEvent), "client": _adapters(RealtimeClientEvent)}
    last = ""
    for line in lines:
        envelope = json.loads(line)
        _require(envelope["at"] >= last, "times go back", line)
        last = envelope["at"]
        event = json.loads(envelope["frame"])
        model = adapters[envelope["direction"]][event["type"]].validate_json(
            envelope["frame"], strict=True
        )
        _require(_unnamed(model) <= UNNAMED, f"unknown fields {_unnamed(model)}", line)
        _require(envelope["direction"] == "client" or bool(event["event_id"]), "no event_id", line)
        _check_event(event, line)


def _adapters(union: Any) -> dict[str, TypeAdapter[Any]]:
    """Return the member classes of an annotated union by their `type`, as validators."""
    members = get_args(get_args(union)[0])
    return {
        get_args(member.model_fields["type"].annotation)[0]: TypeAdapter(member)
        for member in members
    }


def _unnamed(value: Any) -> set[str]:
    """Return the names of fields, at any depth, that the types accept but do not define."""
    if isinstance(value, BaseModel):
        own = set(value.model_extra or {})
        return own.union(*(_unnamed(getattr(value, name)) for name in type(value).model_fields))
    if isinstance(value, list):
        return set().union(*(_unnamed(entry) for entry in value))
    return set()


def _check_event(event: dict[str, Any], line: str) -> None:
    """Check what the types cannot: lengths of audio, and sums of usage."""
    if event["type"] == "input_audio_buffer.append":
        _require(
            len(base64.b64decode(event["audio"], validate=True)) == APPEND_BYTES, "odd frame", line
        )
    if event["type"] == "response.output_audio.delta":
        _require(
            len(base64.b64decode(event["delta"], validate=True)) % 2 == 0, "half a sample", line
        )
    if event["type"] == "response.done":
        _require(_adds_up(event["response"]["usage"]), "usage does not add up", line)


def _adds_up(usage: dict[str, Any]) -> bool:
    """Return True if totals are the sums of their parts, and no more is cached than was read."""
    read, written = usage["input_token_details"], usage["output_token_details"]
    cached = read["cached_tokens_details"]
    kinds = ("text_tokens", "audio_tokens", "image_tokens")
    return bool(
        usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        and usage["input_tokens"] == sum(read[kind] for kind in kinds)
        and usage["output_tokens"] == written["text_tokens"] + written["audio_tokens"]
        and read["cached_tokens"] == sum(cached[kind] for kind in kinds)
        and all(cached[kind] <= read[kind] for kind in kinds)
    )


def _require(holds: bool, what: str, line: str) -> None:
    if not holds:
        raise AssertionError(f"{what}: {line[:300]}")
