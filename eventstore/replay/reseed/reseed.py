"""Make the client events that rebuild a session's conversation in a new session.

The items have no ids and no predecessors. The new session gives them both, since they are sent in
order. So one conversation can be seeded many times, and no server refuses an id as too long. Called
by `EventStore.reseed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import pybase64

from eventstore.common.arguments import check_whole
from eventstore.errors import InvalidInputError
from eventstore.projection.state import Item, SessionState
from eventstore.projection.views import resources
from eventstore.projection.views.heard import heard_text
from eventstore.realtime.masking.mask import mask_value
from eventstore.realtime.resources.session_config import (
    CLIENT_DIALECTS,
    ClientDialect,
    is_translation,
    session_update,
)
from eventstore.realtime.values import mapping, one_of, sequence, storable_json, text
from eventstore.replay.reseed.reseed_secrets import without_secrets

AssistantAs = Literal["text", "system"]
#: The user's audio, and the URLs of images, by item id and index of the content part.
UserAudio = Mapping[tuple[str, int], bytes]
Images = Mapping[tuple[str, int], str]

Json = dict[str, Any]

_DETAILS = frozenset({"auto", "low", "high"})


class Reseed(NamedTuple):
    """What rebuilds a conversation in a new session.

    Attributes:
        events: Client events, to be sent in this order: `session.update` if the session's
            configuration is known, then `conversation.item.create` for each item.
        skipped: What was left out: an `item_id` (None for the session itself) and a `reason` each.
    """

    events: list[dict[str, Any]]
    skipped: list[dict[str, str | None]]


class _Options(NamedTuple):
    """The arguments of `reseed` that matter for an item."""

    dialect: ClientDialect
    assistant_as: AssistantAs
    audio: UserAudio | None
    images: Images


class _Seed(NamedTuple):
    """What becomes of one item of the old conversation.

    Attributes:
        item_id: The item's id in the old session.
        item: The item to create; None if it is left out.
        lost: Why the item, or parts of it, are left out.
    """

    item_id: str
    item: Json | None
    lost: tuple[str, ...] = ()


def reseed(
    state: SessionState,
    dialect: ClientDialect = "ga",
    audio: UserAudio | None = None,
    max_items: int | None = None,
    assistant_as: AssistantAs = "text",
    images: Images | None = None,
) -> Reseed:
    """Return the client events that rebuild a session's current conversation.

    Args:
        state: The session's state.
        dialect: The dialect of the events, `beta` or `ga`; it need not be the server's.
        audio: The user's audio, which is sent if it is here. None sends transcripts.
        max_items: Create at most so many items: the last ones.
        assistant_as: Send the assistant's words as its own `text`, or as a note in a `system`
            message.
        images: The URLs of images that the client gave, for items in which the server left them
            out.

    Raises:
        InvalidInputError: An argument has a value that is not allowed.
    """
    _check(dialect, max_items, assistant_as)
    if is_translation(state.wire):
        reason = "a translation session has no conversation"
        return Reseed([], [{"item_id": None, "reason": reason}])
    options = _Options(dialect, assistant_as, audio, images or {})
    seeds = [_masked(_seed(state, item, options)) for item in _items(state)]
    seeds = _paired(seeds)
    if max_items is not None:
        seeds = _paired(_last(seeds, max_items), "a function's output cut off from its call")
    # If the server never described the session, the client's own request is the best source.
    update = session_update(state.wire or state.requested, dialect)
    asked: list[str] = []
    if update is not None:
        update, asked = without_secrets(update, state)
    events = [] if update is None else [update]
    for seed in seeds:
        if seed.item is not None:
            events.append({"type": "conversation.item.create", "item": seed.item})
    lost: list[tuple[str | None, str]] = [(None, reason) for reason in asked]
    lost += [(seed.item_id, reason) for seed in seeds for reason in seed.lost]
    return Reseed(
        [storable_json(event) for event in events],
        [{"item_id": item_id, "reason": reason} for item_id, reason in lost],
    )


def _check(dialect: str, max_items: int | None, assistant_as: str) -> None:
    if dialect not in CLIENT_DIALECTS:
        raise InvalidInputError(f"dialect {dialect!r}: use beta or ga")
    if max_items is not None:
        check_whole("max_items", max_items, least=1)
    if assistant_as not in get_args(AssistantAs):
        raise InvalidInputError(f"assistant_as {assistant_as!r}: use text or system")


def _items(state: SessionState) -> list[Item]:
    """Return the items of the last conversation that has items, in order."""
    for conversation in reversed(state.conversations):
        if conversation.order:
            return [state.items[item_id] for item_id in conversation.order]
    return []


def _masked(seed: _Seed) -> _Seed:
    """Return the seed with its secrets masked. The sender has to add them again."""
    clean = mask_value(seed.item)
    if clean == seed.item:
        return seed
    return seed._replace(item=clean, lost=(*seed.lost, "a secret in it, which is masked"))


# Which items are kept


def _paired(seeds: list[_Seed], why: str = "a function's output without its call") -> list[_Seed]:
    """Return the seeds without function calls that have no output, and outputs without a call.

    Args:
        why: The reason that is given for an output without its call.
    """
    waiting: dict[str, int] = {}
    paired: set[int] = set()
    for position, seed in enumerate(seeds):
        item = seed.item or {}
        if item.get("type") == "function_call":
            waiting[item["call_id"]] = position
        elif item.get("type") == "function_call_output":
            call = waiting.pop(item["call_id"], None)
            if call is not None:
                paired |= {call, position}
    return [
        seed if position in paired else _without_partner(seed, why)
        for position, seed in enumerate(seeds)
    ]


def _without_partner(seed: _Seed, why: str) -> _Seed:
    kind = (seed.item or {}).get("type")
    if kind == "function_call":
        return _Seed(seed.item_id, None, ("a function call without its output",))
    if kind == "function_call_output":
        return _Seed(seed.item_id, None, (why,))
    return seed


def _last(seeds: list[_Seed], count: int) -> list[_Seed]:
    created = [position for position, seed in enumerate(seeds) if seed.item is not None]
    return seeds[created[-count] :] if len(created) > count else seeds


# One item


def _seed(state: SessionState, item: Item, options: _Options) -> _Seed:
    resource = resources.item_resource(state, item)
    kind = text(resource.get("type")) or ""
    if kind == "message":
        # An item of a response is the assistant's, also if the event that states the role is
        # missing in the log.
        role = text(resource.get("role")) or ("assistant" if item.response_id else None)
        if role == "assistant":
            return _assistant_seed(state, item, options.dialect, options.assistant_as)
        if role == "user":
            return _user_seed(item, resource, options)
        if role == "system":
            return _system_seed(item, resource)
        return _Seed(item.id, None, (f"a message of the role {role or 'null'}",))
    if kind == "function_call":
        return _call_seed(item, resource)
    if kind == "function_call_output":
        return _output_seed(item, resource)
    if kind.startswith("mcp_"):
        return _Seed(item.id, None, (f"an item of an MCP server ({kind})",))
    return _Seed(item.id, None, (f"an item of an unknown type ({kind or 'null'})",))


def _assistant_seed(
    state: SessionState, item: Item, dialect: ClientDialect, assistant_as: AssistantAs
) -> _Seed:
    said = heard_text(item, state.responses.get(item.response_id or ""))
    if not said.strip():
        reason = "nothing of it was heard" if item.truncation else "it says nothing"
        return _Seed(item.id, None, (reason,))
    if assistant_as == "system":
        return _Seed(item.id, _message("system", [_input_text(f"The assistant said: {said}")]))
    part = {"type": "output_text" if dialect == "ga" else "text", "text": said}
    return _Seed(item.id, _message("assistant", [part]))


def _system_seed(item: Item, resource: Json) -> _Seed:
    said = [_said(part) for part in map(mapping, sequence(resource.get("content")))]
    content = [_input_text(words) for words in said if words]
    if not content:
        return _Seed(item.id, None, ("it says nothing",))
    return _Seed(item.id, _message("system", content))


def _user_seed(item: Item, resource: Json, options: _Options) -> _Seed:
    content: list[Json] = []
    lost: list[str] = []
    for index, part in enumerate(map(mapping, sequence(resource.get("content")))):
        sound = options.audio.get((item.id, index)) if options.audio is not None else None
        if part.get("type") == "input_image" and not text(part.get("image_url")):
            part = {**part, "image_url": options.images.get((item.id, index))}
        made = _user_part(part, options.dialect, sound)
        if made is not None:
            content.append(made)
        else:
            lost.append(_why_lost(part, options.dialect, options.audio is not None))
    if not content and not lost:
        lost.append("it says nothing")
    return _Seed(item.id, _message("user", content) if content else None, tuple(lost))


def _user_part(part: Json, dialect: ClientDialect, sound: bytes | None) -> Json | None:
    said = _said(part)
    if sound and part.get("type") == "input_audio":
        transcript = {"transcript": said} if said else {}
        audio = pybase64.b64encode_as_string(sound)
        return {"type": "input_audio", "audio": audio, **transcript}
    if part.get("type") != "input_image":
        return _input_text(said) if said else None
    url, detail = text(part.get("image_url")), one_of(part.get("detail"), _DETAILS)
    if dialect == "beta" or not url:
        return None
    return {"type": "input_image", "image_url": url} | ({"detail": detail} if detail else {})


def _why_lost(part: Json, dialect: ClientDialect, with_audio: bool) -> str:
    kind = part.get("type")
    if kind == "input_image" and dialect == "beta":
        return "an image, which beta has no shape for"
    if kind == "input_image":
        return "an image that the log does not hold"
    if kind != "input_audio":
        return "it says nothing"
    found = ", and its audio is not in the log" if with_audio else ""
    return f"speech without a transcript{found}"


def _call_seed(item: Item, resource: Json) -> _Seed:
    call_id, name = text(resource.get("call_id")), text(resource.get("name"))
    if not call_id or not name:
        return _Seed(item.id, None, ("a function call without a name or call_id",))
    arguments = text(resource.get("arguments")) or ""
    call = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    return _Seed(item.id, call)


def _output_seed(item: Item, resource: Json) -> _Seed:
    # An output without a call's id is left out later, since no call matches it.
    call_id, output = text(resource.get("call_id")) or "", text(resource.get("output")) or ""
    return _Seed(item.id, {"type": "function_call_output", "call_id": call_id, "output": output})


def _message(role: str, content: list[Json]) -> Json:
    return {"type": "message", "role": role, "content": content}


def _input_text(said: str) -> Json:
    return {"type": "input_text", "text": said}


def _said(part: Json) -> str | None:
    """Return the words of a content part, or None if it has none."""
    said = text(part.get("text")) or text(part.get("transcript"))
    return said if said and said.strip() else None
