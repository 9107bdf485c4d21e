"""Convert a Realtime item to the shape of OpenAI's Conversations API (`/v1/conversations`).

Called by the HTTP API. The Conversations API has no audio, so that a part of speech becomes its
transcript. The item as Realtime has it is kept in `eventstore`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventstore.realtime.values import dumps, mapping, one_of, sequence, text

Json = dict[str, Any]

_STATUSES = frozenset({"in_progress", "completed", "incomplete"})
# The fields that tool calls and their outputs must have, as texts.
_CALLS = {
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
}
_ROLES = frozenset({"user", "assistant", "system", "developer"})
_DETAILS = frozenset({"low", "high", "auto", "original"})


def conversation_item(item: Mapping[str, Any]) -> Json:
    """Return a Realtime item as `/v1/conversations/{id}/items` has it.

    Args:
        item: The item's resource, with its `id` and `type`.
    """
    kept = {"eventstore": mapping(item.get("eventstore")) | {"item": _bare(item)}}
    status = one_of(item.get("status"), _STATUSES) or "completed"
    id_, type_ = text(item.get("id")) or "", text(item.get("type"))
    if type_ in _CALLS:
        texts = {name: text(item.get(name)) or "" for name in _CALLS[type_]}
        return {"id": id_, "type": type_, "status": status, **texts, **kept}
    if type_ == "mcp_call":
        return {
            "id": id_,
            "type": "mcp_call",
            "name": text(item.get("name")) or "",
            "arguments": text(item.get("arguments")) or "",
            "server_label": text(item.get("server_label")) or "",
            "output": text(item.get("output")),
            **kept,
        }
    role = one_of(item.get("role"), _ROLES) or "unknown"
    parts = [_part(mapping(part), role) for part in sequence(item.get("content"))]
    if type_ not in ("message", None):
        # The Conversations API has no such type. The whole item becomes a text of JSON.
        parts = [_said(dumps(_bare(item)), role)]
    return {
        "id": id_,
        "type": "message",
        "status": status,
        "role": role,
        "content": parts,
        **kept,
    }


def _bare(item: Mapping[str, Any]) -> Json:
    return {name: value for name, value in item.items() if name != "eventstore"}


def _part(part: Json, role: str) -> Json:
    if part.get("type") == "input_image":
        detail = one_of(part.get("detail"), _DETAILS) or "auto"
        return {"type": "input_image", "detail": detail, "image_url": text(part.get("image_url"))}
    return _said(text(part.get("text")) or text(part.get("transcript")) or "", role)


def _said(words: str, role: str) -> Json:
    if role == "assistant":
        return {"type": "output_text", "text": words, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": words}
