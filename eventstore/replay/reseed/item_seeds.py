"""Make of each item of a Realtime session the item that rebuilds it in a new session.

Items are in the shape of Realtime, also if they become messages of a Live session's history
(live_history.py). Called by reseed.py and live_seeds.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import pybase64

from eventstore.projection.state import Item, SessionState
from eventstore.projection.views import resources
from eventstore.projection.views.heard import heard_text
from eventstore.realtime.protocols import LIVE, REALTIME, Protocol
from eventstore.realtime.resources.session_config import ClientDialect
from eventstore.realtime.values import mapping, one_of, sequence, text

AssistantAs = Literal["text", "system"]
#: The user's audio, and the URLs of images, by item id and index of the content part.
UserAudio = Mapping[tuple[str, int], bytes]
Images = Mapping[tuple[str, int], str]

Json = dict[str, Any]

_DETAILS = frozenset({"auto", "low", "high"})


class SeedOptions(NamedTuple):
    """The arguments of `reseed` that matter for an item.

    Attributes:
        protocol: The protocol of the new session. The history of a Live session is text alone.
        has_client: False if only the server's side of a Live session was recorded.
    """

    dialect: ClientDialect = "ga"
    assistant_as: AssistantAs = "text"
    audio: UserAudio | None = None
    images: Images | None = None
    protocol: Protocol = REALTIME
    has_client: bool = True


class Seed(NamedTuple):
    """What becomes of one item of the old conversation.

    Attributes:
        item_id: The item's id in the old session.
        item: The item to create; None if it is left out.
        lost: Why the item, or parts of it, are left out.
    """

    item_id: str
    item: Json | None
    lost: tuple[str, ...] = ()


def item_seed(state: SessionState, item: Item, options: SeedOptions) -> Seed:
    """Return what becomes of an item of a Realtime session."""
    resource = resources.item_resource(state, item)
    kind = text(resource.get("type")) or ""
    if kind == "message":
        # An item of a response is the assistant's, also if the event that states the role is
        # missing in the log.
        role = text(resource.get("role")) or ("assistant" if item.response_id else None)
        if role == "assistant":
            return assistant_seed(state, item, options)
        if role == "user":
            return _user_seed(item, resource, options)
        if role == "system":
            return _system_seed(item, resource)
        return Seed(item.id, None, (f"a message of the role {role or 'null'}",))
    if kind == "function_call":
        return call_seed(item, resource)
    if kind == "function_call_output":
        return output_seed(item, resource)
    if kind == "mcp_call" and options.protocol == LIVE:
        return mcp_seed(item, resource)
    if kind.startswith("mcp_"):
        return Seed(item.id, None, (f"an item of an MCP server ({kind})",))
    return Seed(item.id, None, (f"an item of an unknown type ({kind or 'null'})",))


def assistant_seed(state: SessionState, item: Item, options: SeedOptions) -> Seed:
    """Return what becomes of what the assistant said: what was heard of it."""
    said = heard_text(item, state.responses.get(item.response_id or ""))
    if not said.strip():
        reason = "nothing of it was heard" if item.truncation else "it says nothing"
        return Seed(item.id, None, (reason,))
    if options.assistant_as == "system":
        return Seed(item.id, message("system", [input_text(f"The assistant said: {said}")]))
    part = {"type": "output_text" if options.dialect == "ga" else "text", "text": said}
    return Seed(item.id, message("assistant", [part]))


def _system_seed(item: Item, resource: Json) -> Seed:
    said = [_said(part) for part in map(mapping, sequence(resource.get("content")))]
    content = [input_text(words) for words in said if words]
    if not content:
        return Seed(item.id, None, ("it says nothing",))
    return Seed(item.id, message("system", content))


def _user_seed(item: Item, resource: Json, options: SeedOptions) -> Seed:
    content: list[Json] = []
    lost: list[str] = []
    for index, part in enumerate(map(mapping, sequence(resource.get("content")))):
        sound = options.audio.get((item.id, index)) if options.audio is not None else None
        if part.get("type") == "input_image" and not text(part.get("image_url")):
            part = {**part, "image_url": (options.images or {}).get((item.id, index))}
        made = _user_part(part, options, sound)
        if made is not None:
            content.append(made)
        else:
            lost.append(_why_lost(part, options))
    if not content and not lost:
        lost.append("it says nothing")
    return Seed(item.id, message("user", content) if content else None, tuple(lost))


def _user_part(part: Json, options: SeedOptions, sound: bytes | None) -> Json | None:
    said = _said(part)
    if sound and part.get("type") == "input_audio":
        transcript = {"transcript": said} if said else {}
        audio = pybase64.b64encode_as_string(sound)
        return {"type": "input_audio", "audio": audio, **transcript}
    if part.get("type") != "input_image":
        return input_text(said) if said else None
    url, detail = text(part.get("image_url")), one_of(part.get("detail"), _DETAILS)
    if options.dialect == "beta" or options.protocol == LIVE or not url:
        return None
    return {"type": "input_image", "image_url": url} | ({"detail": detail} if detail else {})


def _why_lost(part: Json, options: SeedOptions) -> str:
    kind = part.get("type")
    if kind == "input_image" and options.protocol == LIVE:
        return "an image: a Live session begins with text alone"
    if kind == "input_image" and options.dialect == "beta":
        return "an image, which beta has no shape for"
    if kind == "input_image":
        return "an image that the log does not hold"
    if kind != "input_audio":
        return "it says nothing"
    found = ", and its audio is not in the log" if options.audio is not None else ""
    return f"speech without a transcript{found}"


def call_seed(item: Item, resource: Json) -> Seed:
    """Return what becomes of a function call."""
    call_id, name = text(resource.get("call_id")), text(resource.get("name"))
    if not call_id or not name:
        return Seed(item.id, None, ("a function call without a name or call_id",))
    arguments = text(resource.get("arguments")) or ""
    call = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    return Seed(item.id, call)


def output_seed(item: Item, resource: Json) -> Seed:
    """Return what becomes of a function's output."""
    # An output without a call's id is left out later, since no call matches it.
    call_id, output = text(resource.get("call_id")) or "", _output_of(resource)
    return Seed(item.id, {"type": "function_call_output", "call_id": call_id, "output": output})


def _output_of(resource: Json) -> str:
    """Return an output, which the Responses API may tell in several parts."""
    output = resource.get("output")
    if isinstance(output, list):
        return " ".join(filter(None, (text(mapping(part).get("text")) for part in output)))
    return text(output) or ""


def mcp_seed(item: Item, resource: Json) -> Seed:
    """Return what becomes of an MCP server's tool that was called, in words."""
    name, output = text(resource.get("name")), _output_of(resource)
    if not name or not output:
        return Seed(item.id, None, ("a call of an MCP server's tool without its output",))
    arguments = text(resource.get("arguments")) or ""
    return Seed(item.id, noted(in_words(name, arguments, output)))


def in_words(name: str, arguments: str, output: str) -> str:
    """Return a tool's call and its output as a sentence."""
    given = f" with {arguments}" if arguments.strip() else ""
    return f"The tool {name} was called{given}. Its output: {output}"


def noted(said: str) -> Json:
    """Return a note to the model, as a message of the system."""
    return message("system", [input_text(said)])


def message(role: str, content: list[Json]) -> Json:
    """Return a message."""
    return {"type": "message", "role": role, "content": content}


def input_text(said: str) -> Json:
    """Return a content part of text."""
    return {"type": "input_text", "text": said}


def _said(part: Json) -> str | None:
    """Return the words of a content part, or None if it has none."""
    said = text(part.get("text")) or text(part.get("transcript"))
    return said if said and said.strip() else None
