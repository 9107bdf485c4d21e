"""Convert resources to the beta or the GA shape, whichever of them the server spoke.

Called by the verbs that show responses and items in a dialect (verbs/queries.py). The inputs are
untrusted objects of the wire. A value that a shape cannot express becomes null; the dialect `wire`
keeps it. The results are valid by the types of the `openai` package: `openai.types.realtime` (GA)
and `openai.types.beta.realtime` (beta).
"""

from __future__ import annotations

from typing import Any, Literal

from eventstore.realtime.audio import BETA_NAMES_BY_FORMAT, ga_format, output_format
from eventstore.realtime.values import integer, mapping, number, one_of, sequence, text

Dialect = Literal["wire", "beta", "ga"]
DIALECTS: tuple[Dialect, ...] = ("wire", "beta", "ga")

_STATUSES = frozenset({"completed", "cancelled", "failed", "incomplete", "in_progress"})
_ITEM_STATUSES = frozenset({"completed", "incomplete", "in_progress"})
_REASONS = frozenset({"turn_detected", "client_cancelled", "max_output_tokens", "content_filter"})
# The Responses API, which makes the delegated responses of GPT-Live, has other names for these.
_DETAILS = {
    "input_tokens_details": "input_token_details",
    "output_tokens_details": "output_token_details",
}
_GA_CONTENT = {"text": "output_text", "audio": "output_audio"}
_BETA_CONTENT = {ga: beta for beta, ga in _GA_CONTENT.items()}


def voice_of(value: Any) -> str | None:
    """Return the name of a voice from a name, or from an object with a `name` or an `id`."""
    return text(value) or text(mapping(value).get("name")) or text(mapping(value).get("id"))


def response_config(*sources: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with which a response was made.

    Args:
        sources: The response, its `response.create` and its session, in either shape. The first
            one that has a setting counts.

    Returns:
        `modalities`, `voice`, `audio_format` (GA shape), `temperature` and `max_output_tokens`.
        Each is None if no source has it.
    """
    modalities = voice = audio_format = temperature = limit = None
    for source in filter(None, sources):
        output = mapping(mapping(source.get("audio")).get("output"))
        if modalities is None:
            modalities = _modalities(source)
        if voice is None:
            voice = voice_of(output.get("voice")) or voice_of(source.get("voice"))
        if audio_format is None:
            audio_format = output_format(source)
        if temperature is None:
            temperature = number(source.get("temperature"))
        if limit is None:
            limit = source.get("max_output_tokens", source.get("max_response_output_tokens"))
            limit = limit if limit == "inf" else integer(limit)
    return {
        "modalities": modalities,
        "voice": voice,
        "audio_format": audio_format,
        "temperature": temperature,
        "max_output_tokens": limit,
    }


def _modalities(source: dict[str, Any]) -> list[str] | None:
    stated = sequence(source.get("output_modalities")) or sequence(source.get("modalities"))
    return [modality for modality in ("text", "audio") if modality in stated] or None


def render_response(resource: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the resource of a response in a dialect. Its `eventstore` stays as it is."""
    if dialect == "wire":
        return resource
    config = mapping(mapping(resource.get("eventstore")).get("config"))
    modalities = sequence(config.get("modalities"))
    common = {
        "object": "realtime.response",
        "id": text(resource.get("id")),
        "status": one_of(resource.get("status"), _STATUSES),
        "status_details": _status_details(resource.get("status_details")),
        "output": render_items(sequence(resource.get("output")), dialect),
        "conversation_id": text(resource.get("conversation_id")),
        "metadata": _metadata(resource.get("metadata")),
        "usage": _usage(resource.get("usage")),
        "max_output_tokens": config.get("max_output_tokens"),
    }
    format_ = ga_format(config.get("audio_format"))
    if dialect == "beta":
        shape: dict[str, Any] = {
            "modalities": ["text", "audio"] if "audio" in modalities else modalities or None,
            "voice": config.get("voice"),
            "output_audio_format": BETA_NAMES_BY_FORMAT[format_["type"]] if format_ else None,
            "temperature": config.get("temperature"),
        }
    else:
        if format_ is not None and format_["type"] == "audio/pcm":
            format_ = {"type": "audio/pcm", "rate": 24000 if format_["rate"] == 24000 else None}
        shape = {
            "output_modalities": ["audio"] if "audio" in modalities else modalities or None,
            "audio": {"output": {"format": format_, "voice": config.get("voice")}},
        }
    return common | shape | {"eventstore": resource.get("eventstore")}


def render_items(items: list[Any], dialect: Dialect) -> list[dict[str, Any]]:
    """Return items in a dialect, without those that the dialect cannot express."""
    if dialect == "wire":
        return items
    rendered = (render_item(item, dialect) for item in items if isinstance(item, dict))
    return [item for item in rendered if item is not None]


def render_item(item: dict[str, Any], dialect: Dialect) -> dict[str, Any] | None:
    """Return one item in a dialect, or None if the dialect cannot express it."""
    kind = text(item.get("type"))
    common = {"id": text(item.get("id")), "object": "realtime.item", "type": kind}
    if status := one_of(item.get("status"), _ITEM_STATUSES):
        common["status"] = status
    extra = {"eventstore": item["eventstore"]} if "eventstore" in item else {}
    if kind == "message":
        # Realtime has no developers: what they say is the system's there.
        told = "system" if item.get("role") == "developer" else item.get("role")
        role = one_of(told, frozenset({"user", "assistant", "system"}))
        if role is None:
            return None
        content = [
            _content(part, role, dialect)
            for part in sequence(item.get("content"))
            if isinstance(part, dict)
        ]
        return common | {"role": role, "content": content} | extra
    if kind in ("function_call", "mcp_call") and (kind == "function_call" or dialect == "beta"):
        return (
            common
            | {
                "type": "function_call",
                "name": text(item.get("name")) or "",
                "call_id": text(item.get("call_id")) or text(item.get("id")),
                "arguments": text(item.get("arguments")) or "",
            }
            | extra
        )
    if kind == "function_call_output":
        call = {
            "call_id": text(item.get("call_id")) or "",
            "output": text(item.get("output")) or "",
        }
        return common | call | extra
    if dialect == "beta":
        return None
    return _mcp_item(item, extra)


def _mcp_item(item: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any] | None:
    shape: dict[str, Any] = {"id": text(item.get("id")) or "", "type": item.get("type")}
    label = text(item.get("server_label")) or ""
    named = {"name": text(item.get("name")) or "", "arguments": text(item.get("arguments")) or ""}
    match item.get("type"):
        case "mcp_list_tools":
            tools = [
                {
                    **tool,
                    "name": text(tool.get("name")) or "",
                    "input_schema": tool.get("input_schema"),
                }
                for tool in sequence(item.get("tools"))
                if isinstance(tool, dict)
            ]
            return shape | {"server_label": label, "tools": tools} | extra
        case "mcp_call":
            optional = {
                "approval_request_id": text(item.get("approval_request_id")),
                "error": _mcp_error(item.get("error")),
                "output": text(item.get("output")),
            }
            return shape | {"server_label": label} | named | optional | extra
        case "mcp_approval_request":
            return shape | {"server_label": label} | named | extra
        case "mcp_approval_response":
            answer = {
                "approval_request_id": text(item.get("approval_request_id")) or "",
                "approve": item.get("approve") is True,
                "reason": text(item.get("reason")),
            }
            return shape | answer | extra
    return None


def _mcp_error(value: Any) -> dict[str, Any] | None:
    error = mapping(value)
    if error.get("type") not in ("protocol_error", "tool_execution_error", "http_error"):
        return None
    shape: dict[str, Any] = {"type": error["type"], "message": text(error.get("message")) or ""}
    if error["type"] != "tool_execution_error":
        shape["code"] = integer(error.get("code")) or 0
    return shape


def _content(part: dict[str, Any], role: str, dialect: Dialect) -> dict[str, Any]:
    kind = text(part.get("type"))
    if role == "assistant":
        kind = (_GA_CONTENT if dialect == "ga" else _BETA_CONTENT).get(kind or "", kind)
        known = {"output_text", "output_audio"} if dialect == "ga" else {"text", "audio"}
        fallback = "output_text" if dialect == "ga" else "text"
    else:
        known = {"input_text"}
        if role == "user":
            known |= {"input_audio", "input_image"} if dialect == "ga" else {"input_audio"}
        fallback = "input_text"
    rendered: dict[str, Any] = {"type": kind if kind in known else fallback}
    for key in ("text", "transcript", "audio", "image_url"):
        if (value := text(part.get(key))) is not None:
            rendered[key] = value
    return rendered


def _status_details(value: Any) -> dict[str, Any] | None:
    details = mapping(value)
    if not details:
        return None
    error = mapping(details.get("error"))
    shape: dict[str, Any] = {
        "type": one_of(details.get("type"), _STATUSES - {"in_progress"}),
        "reason": one_of(details.get("reason"), _REASONS),
    }
    if error:
        shape["error"] = {key: text(error.get(key)) for key in ("type", "code", "message")}
    return shape


def _usage(value: Any) -> dict[str, Any] | None:
    usage = mapping(value)
    if not usage:
        return None
    rendered: dict[str, Any] = {}
    for told, item in usage.items():
        key = _DETAILS.get(told, told)
        if key.endswith("_details"):
            rendered[key] = _usage(item)
        elif key.endswith("_tokens"):
            rendered[key] = integer(item)
        else:
            rendered[key] = item
    return rendered


def _metadata(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {key: item for key, item in value.items() if isinstance(item, str)}
