"""Make the attributes of spans that hold content: messages, instructions, tools' data. Pure.

The content is JSON in the form of the conventions for generative AI. Called by session_spans.py and
transcription_spans.py if the caller asked for content.
"""

from __future__ import annotations

from typing import Any

from eventstore.exports.otel.spans import Attributes
from eventstore.projection.state import Item, Response, SessionState
from eventstore.projection.views import resources
from eventstore.realtime.resources.session_tools import ga_tools
from eventstore.realtime.values import dumps, loads, storable, storable_json, text

Json = dict[str, Any]


def inputs_of_responses(state: SessionState) -> dict[str, list[Item]]:
    """Return the new items for each response: those between it and the response before it."""
    found: dict[str, list[Item]] = {response_id: [] for response_id in state.responses}
    for conversation in state.conversations:
        waiting: list[Item] = []
        seen: set[str] = set()
        for item in (state.items[item_id] for item_id in conversation.order):
            if item.response_id is None:
                waiting.append(item)
            elif item.response_id in found and item.response_id not in seen:
                seen.add(item.response_id)
                found[item.response_id], waiting = waiting, []
    return found


def item_ids_of_inputs(state: SessionState) -> dict[str, list[str]]:
    """Return the ids of the new items for each response."""
    found = inputs_of_responses(state)
    return {id_: [item.id for item in items] for id_, items in found.items()}


def session_content(state: SessionState) -> Attributes:
    """Return the attributes of a session's span: instructions and tools."""
    attributes: Attributes = {}
    instructions = text(state.wire.get("instructions"))
    if instructions:
        parts = [{"type": "text", "content": instructions}]
        attributes["gen_ai.system_instructions"] = _json(parts)
    tools = ga_tools(state.wire)
    if tools:
        attributes["gen_ai.tool.definitions"] = _json(tools)
    return attributes


def response_content(
    state: SessionState, response: Response, asked: list[Item], reasons: list[str] | None
) -> Attributes:
    """Return the attributes of a response's span: its input and output messages.

    Args:
        asked: The items that were new for the response.
        reasons: Its finish reasons; None while it goes on.
    """
    attributes: Attributes = {}
    messages = [message for message in map(_message, asked) if message]
    if messages:
        attributes["gen_ai.input.messages"] = _json(messages)
    generated = (_message(state.items[item_id]) for item_id in response.output)
    parts = [part for message in generated if message for part in message["parts"]]
    if parts:
        finish = {"finish_reason": reasons[0]} if reasons else {}
        output = {"role": "assistant", "parts": parts, **finish}
        attributes["gen_ai.output.messages"] = _json([output])
    return attributes


def tool_content(call: Item, output: Item | None) -> Attributes:
    """Return the attributes of a tool call's span: its arguments and its result.

    Args:
        output: The item with the output of a function call, if it came.
    """
    attributes: Attributes = {"gen_ai.tool.call.arguments": storable(_arguments(call))}
    result = (output or call).wire.get("output")
    if isinstance(result, str):
        attributes["gen_ai.tool.call.result"] = storable(result)
    return attributes


def transcription_content(item: Item, index: int) -> Attributes:
    """Return the attributes of a transcription's span: the transcript of a content part."""
    part = item.parts.get(index)
    said = part.transcript if part is not None else None
    if not said:
        return {}
    message = {"role": "user", "parts": [{"type": "text", "content": said}]}
    return {"gen_ai.output.messages": _json([message])}


def _message(item: Item) -> Json | None:
    kind = item.wire.get("type", "message")
    call_id = text(item.wire.get("call_id")) or item.id
    if kind in ("function_call", "mcp_call"):
        name = text(item.wire.get("name")) or ""
        arguments = _parsed(_arguments(item))
        part: Json = {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
        return {"role": "assistant", "parts": [part]}
    if kind == "function_call_output":
        result = text(item.wire.get("output")) or ""
        part = {"type": "tool_call_response", "id": call_id, "response": result}
        return {"role": "tool", "parts": [part]}
    said = resources.item_text(item)
    if not said:
        return None
    role = text(item.wire.get("role")) or ("assistant" if item.response_id else "user")
    return {"role": role, "parts": [{"type": "text", "content": said}]}


def _arguments(call: Item) -> str:
    stated = text(call.wire.get("arguments")) or call.arguments
    return stated or "".join(call.argument_deltas)


def _parsed(arguments: str) -> Any:
    """Return arguments parsed from JSON, or their text if they are not JSON."""
    try:
        return loads(arguments)
    except (ValueError, RecursionError):
        return arguments


def _json(value: Any) -> str:
    return dumps(storable_json(value))
