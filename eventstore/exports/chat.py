"""Export conversations in OpenAI's chat format, for evaluation and fine-tuning.

A line holds `messages`, `tools` and `metadata`, with all scores as JSON text in `scores`. An answer
that the user interrupted has only the words that were heard, because the model's next turn
continues from these. Of a GPT-Live session it
holds what was said, in the order of its timeline, what the app told the model as messages of the
developer, and the calls of its backend. Called by the command `export --format chat` and as
`eventstore.chat`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventstore.exports.live_words import by_timeline, is_live, kind_of
from eventstore.exports.speakers import has_several_speakers, speaker_passages
from eventstore.realtime.resources.session_tools import ga_tools
from eventstore.realtime.values import dumps, mapping, one_of, sequence, storable_json, text

Json = dict[str, Any]

SILENT = "items that say nothing"
UNANSWERED = "function calls without an output"
ORPHANS = "function outputs without a call"
FOREIGN = "items that chat has no shape for"
BACKCHANNELS = "backchannels"
UNSAID = "messages that a backend read or wrote"
WORK = "delegations and decisions"
REFUSED = "instructions that the server refused"

# The characters that the chat format does not allow in a speaker's `name`, and the longest name.
_NO_NAME, _NAME = re.compile(r"[^A-Za-z0-9_-]"), 64
#: What of a score the metadata of a line have.
_SCORE = ("name", "value", "by", "reason", "at", "response_id", "item_id")
_DETAILS = frozenset({"auto", "low", "high"})


class Chat(NamedTuple):
    """A session in the chat format.

    Attributes:
        conversations: An object for each conversation in which something is said.
        left_out: How many items were left out, by reason.
    """

    conversations: list[dict[str, Any]]
    left_out: Counter[str]


@dataclass
class _ChatTurn:
    """A message that is being made, to which calls and their outputs can still be added.

    Attributes:
        message: The message, without its calls.
        response_id: The response that it belongs to.
        calls: The assistant's function calls.
        outputs: The outputs of these calls, by the index of the call.
    """

    message: Json
    response_id: str | None = None
    calls: list[Json] = field(default_factory=list)
    outputs: dict[int, str] = field(default_factory=dict)


def chat(shown: Mapping[str, Any]) -> Chat:
    """Return the conversations of a session in chat format.

    Args:
        shown: The whole session, as `EventStore.state` returns it.
    """
    session = mapping(shown.get("session"))
    left_out: Counter[str] = Counter()
    named = has_several_speakers(shown)
    lines = []
    for conversation in shown["conversations"]:
        items = conversation["items"]
        if is_live(session):
            items = _live_items(items, left_out)
        turns = _turns(items, left_out, named)
        messages = [message for turn in turns for message in _messages_of(turn)]
        if messages:
            scores = _scores(shown, conversation["items"])
            made = _line(session, conversation["id"], messages, scores)
            lines.append(storable_json(made))
    return Chat(lines, +left_out)


def _scores(shown: Mapping[str, Any], items: list[Json]) -> list[Json]:
    """Return the scores of a session, and of the items and responses of one conversation of it."""
    of_items = {item["eventstore"].get("response_id") for item in items}
    responses = (one for one in shown["responses"] if text(one.get("id")) in of_items)
    scored = (shown["session"], *responses, *items)
    return [
        {key: score[key] for key in _SCORE if score[key] is not None}
        for one in scored
        for score in one["eventstore"].get("scores", ())
    ]


def _line(
    session: Json, conversation_id: str | None, messages: list[Json], scores: list[Json]
) -> Json:
    instructions = text(session.get("instructions"))
    if instructions and instructions.strip():
        messages = [{"role": "system", "content": instructions}, *messages]
    notes = session["eventstore"]
    ours = {
        "session_id": notes["session_id"],
        "conversation_id": conversation_id,
        "model": text(session.get("model")),
    }
    line: Json = {"messages": messages}
    # The tools of a GPT-Live session are those of its backend.
    backend = mapping(mapping(session.get("delegation")).get("responses"))
    told = backend if is_live(session) else session
    tools = [_tool(tool) for tool in ga_tools(told) if tool["type"] == "function"]
    if tools:
        line["tools"] = tools
        parallel = told.get("parallel_tool_calls")
        if isinstance(parallel, bool):
            line["parallel_tool_calls"] = parallel
    stated = {key: value for key, value in ours.items() if value}
    if scores:
        stated["scores"] = dumps(scores)  # metadata are texts
    return line | {"metadata": {**notes["metadata"], **stated}}


def _tool(tool: Json) -> Json:
    return {
        "type": "function",
        "function": {key: value for key, value in tool.items() if key != "type"},
    }


# GPT-Live


def _live_items(items: list[Json], left_out: Counter[str]) -> list[Json]:
    """Return the items of a GPT-Live session that chat has, in the order of its timeline.

    What was said, told by the app, and called by a backend stays. What a backend wrote was not
    said: the assistant says it in its own words.
    """
    kept = []
    for item in by_timeline(items):
        reason = _unsaid(item)
        if reason is None:
            kept.append(item)
        else:
            left_out[reason] += 1
    return kept


def _unsaid(item: Json) -> str | None:
    """Return why an item is left out, or None if it stays."""
    kind, notes = kind_of(item), item["eventstore"]
    if notes.get("backchannel"):
        return BACKCHANNELS
    if kind == "work":
        return WORK
    if kind == "context" and item.get("status") == "incomplete":
        return REFUSED
    return UNSAID if kind == "backend" and item.get("type") == "message" else None


# Turns


def _turns(items: list[Json], left_out: Counter[str], named: bool) -> list[_ChatTurn]:
    turns: list[_ChatTurn] = []
    waiting: dict[str, deque[tuple[_ChatTurn, int]]] = defaultdict(deque)
    previous = None
    for item in items:
        kind = text(item.get("type"))
        if kind == "function_call":
            _add_call(turns, waiting, item, previous == "function_call", left_out)
        elif kind == "function_call_output":
            call_id = text(item.get("call_id"))
            if call_id and waiting[call_id]:
                turn, index = waiting[call_id].popleft()
                turn.outputs[index] = text(item.get("output")) or ""
            else:
                left_out[ORPHANS] += 1
        elif kind == "message":
            _add_message(turns, item, left_out, named)
        else:
            left_out[FOREIGN] += 1
        previous = kind
    for turn in turns[:-1]:
        _drop_unanswered(turn, left_out)
    if turns and turns[-1].outputs:
        _drop_unanswered(turns[-1], left_out)
    return [turn for turn in turns if turn.message.get("content") or turn.calls]


def _add_message(turns: list[_ChatTurn], item: Json, left_out: Counter[str], named: bool) -> None:
    response_id = item["eventstore"].get("response_id")
    # A message of a response is the assistant's, also if the event that states the role is missing
    # in the log.
    role = text(item.get("role")) or ("assistant" if response_id else None)
    if role not in ("user", "assistant", "system", "developer"):
        left_out[FOREIGN] += 1
        return
    content = _user_content(item) if role == "user" else heard_words(item)
    speakers = list(speaker_passages(item)) if named and isinstance(content, str) else []
    if len(speakers) == 1:
        speakers = [(speakers[0][0], str(content))]
    if speakers:
        turns += [_ChatTurn(_spoken_by(*told, role)) for told in speakers if told[1]]
    elif content:
        turns.append(_ChatTurn({"role": role, "content": content}, response_id))
    else:
        left_out[SILENT] += 1


def _spoken_by(speaker: str | None, said: str, role: str) -> Json:
    """Return the message of one of several speakers, with a `name` that the format allows."""
    name = _NO_NAME.sub("_", speaker or "")[:_NAME]
    return {"role": role, "content": said} | ({"name": name} if name else {})


def _add_call(
    turns: list[_ChatTurn],
    waiting: dict[str, deque[tuple[_ChatTurn, int]]],
    item: Json,
    adjacent: bool,
    left_out: Counter[str],
) -> None:
    """Add a call to the assistant's message of the same response, or as a message of its own."""
    call_id, name = text(item.get("call_id")), text(item.get("name"))
    if not call_id or not name:
        left_out[FOREIGN] += 1
        return
    response_id = item["eventstore"].get("response_id")
    last = turns[-1] if turns and turns[-1].message["role"] == "assistant" else None
    same = last is not None and last.response_id == response_id
    if last is None or not same or (response_id is None and not adjacent):
        last = _ChatTurn({"role": "assistant"}, response_id)
        turns.append(last)
    function = {"name": name, "arguments": text(item.get("arguments")) or "{}"}
    waiting[call_id].append((last, len(last.calls)))
    last.calls.append({"id": call_id, "type": "function", "function": function})


def _drop_unanswered(turn: _ChatTurn, left_out: Counter[str]) -> None:
    """Remove calls without an output: in the chat format an output must follow each call."""
    answered = sorted(turn.outputs)
    left_out[UNANSWERED] += len(turn.calls) - len(answered)
    turn.calls = [turn.calls[index] for index in answered]
    turn.outputs = dict(enumerate(turn.outputs[index] for index in answered))


def _messages_of(turn: _ChatTurn) -> list[Json]:
    if not turn.calls:
        return [turn.message]
    tools = [
        {"role": "tool", "tool_call_id": call["id"], "content": turn.outputs[index]}
        for index, call in enumerate(turn.calls)
        if index in turn.outputs
    ]
    return [{**turn.message, "tool_calls": turn.calls}, *tools]


# Words


def heard_words(item: Json) -> str:
    """Return the words of an item, as far as they were heard."""
    heard = mapping(item.get("eventstore")).get("heard")
    if isinstance(heard, str):
        return heard if heard.strip() else ""
    parts = map(mapping, sequence(item.get("content")))
    return " ".join(said for said in map(_said, parts) if said)


def _said(part: Json) -> str:
    said = text(part.get("text")) or text(part.get("transcript")) or ""
    return said if said.strip() else ""


def _user_content(item: Json) -> str | list[Json]:
    """Return the content of a user's message: a text, or a list of parts if there is an image."""
    parts: list[Json] = []
    for part in map(mapping, sequence(item.get("content"))):
        url = text(part.get("image_url")) if part.get("type") == "input_image" else None
        if url:
            detail = one_of(part.get("detail"), _DETAILS)
            image = {"url": url} | ({"detail": detail} if detail else {})
            parts.append({"type": "image_url", "image_url": image})
        elif _said(part):
            parts.append({"type": "text", "text": _said(part)})
    if any(part["type"] == "image_url" for part in parts):
        return parts
    return " ".join(part["text"] for part in parts)
