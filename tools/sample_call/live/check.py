"""Checks the finished Live sample call against the types of the openai package.

Called by `make_call.py`.
"""

import json
from typing import Any, get_args

from openai.types.live import ClientEvent, ServerEvent
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter


def check(lines: list[str]) -> None:
    """Check that frames fit their types, and that lines are in the order of time.

    Raises:
        AssertionError: Times go back.
        pydantic.ValidationError: A frame does not fit its type.
    """
    adapters = {"server": _adapters(ServerEvent), "client": _adapters(ClientEvent)}
    nested = _adapters(ResponseStreamEvent)
    last = ""
    for line in lines:
        envelope = json.loads(line)
        if envelope["at"] < last:
            raise AssertionError(f"times go back: {line[:300]}")
        last = envelope["at"]
        event = json.loads(envelope["frame"])
        adapters[envelope["direction"]][event["type"]].validate_python(event)
        if event["type"] == "response.event":
            inner = event["event"]
            if "response" in inner:
                # Live clears members of these that the type requires.
                inner = {**inner, "response": {"parallel_tool_calls": True, **inner["response"]}}
                inner["response"].setdefault("tool_choice", "auto")
            nested[inner["type"]].validate_python(inner)


def _adapters(union: Any) -> dict[str, TypeAdapter[Any]]:
    """Return the member classes of an annotated union by their `type`, as validators."""
    return {
        get_args(member.model_fields["type"].annotation)[0]: TypeAdapter(member)
        for member in get_args(get_args(union)[0])
    }
