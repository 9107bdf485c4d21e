"""What a scripted server answers, and the events in which an answer comes."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

Event = dict[str, Any]

#: Words of a user for an answer that goes on until it is interrupted, and for a call of a tool.
LONG, CALLS = "story", "weather"
#: What the pages of docs/clients ask, and the answer.
ORDER, LEFT = "4417", "It left our shop this morning."
#: What a tool is called with.
ARGUMENTS = {"city": "Paris"}
_MS_OF_A_WORD = 100
_TALE = " ".join(f"There was a house number {number}." for number in range(1, 13))


class Answer(NamedTuple):
    """One answer.

    Attributes:
        text: what it says; empty where it calls a function.
        function: the function's name.
        ends: False for one that is under way until it is interrupted.
    """

    text: str
    function: str | None = None
    ends: bool = True


def said(item: dict[str, Any]) -> str:
    """The words of an item's parts."""
    parts = item.get("content") or []
    return " ".join(filter(None, (part.get("text") or part.get("transcript") for part in parts)))


def answer_to(items: Sequence[dict[str, Any]], request: Event, tools: Sequence[Any]) -> Answer:
    """The answer to a conversation, which depends on nothing else."""
    if request.get("instructions"):
        return Answer(f"As you wish: {request['instructions']}")
    last = items[-1] if items else {}
    if last.get("type") == "function_call_output":
        return Answer(f"It is so: {last['output']}")
    words = said(last)
    if tools and CALLS in words:
        return Answer("", function=str(tools[0]["name"]))
    if ORDER in words:
        return Answer(LEFT)
    if LONG in words:
        return Answer(_TALE, ends=False)
    return Answer(f"You said: {words}")


def _sound(words: str, ulaw: bool) -> str:
    """A tone as long as it takes to say this, as base64 of PCM, or of mu-law on a telephone."""
    ms = _MS_OF_A_WORD * len(words.split())
    if ulaw:
        return base64.b64encode(bytes((0x1C, 0x1C, 0x9C, 0x9C)) * (2 * ms)).decode()
    count = 24 * ms
    wave = array("h", (3000 if place // 55 % 2 else -3000 for place in range(count)))
    return base64.b64encode(wave.tobytes()).decode()


class Speaking:
    """The events of one answer, from its `response.created` to its `response.done`.

    Args:
        response: the resource, with the request's metadata.
        item: the item that the answer makes, without content.
        previous: the id of the item before it.
        spoken: whether it comes as audio.
        ulaw: whether that is G.711's mu-law.
    """

    def __init__(
        self,
        response: Event,
        item: Event,
        previous: str | None,
        answer: Answer,
        spoken: bool,
        ulaw: bool = False,
    ) -> None:
        self.response, self.item, self._previous = response, item, previous
        self._answer, self._spoken, self._ulaw = answer, spoken, ulaw

    def begin(self) -> list[Event]:
        """Up to the answer's last delta."""
        response_id, answer = self.response["id"], self._answer
        item = {**self.item, "status": "in_progress"}
        events: list[Event] = [
            {"type": "response.created", "response": self._resource("in_progress")},
            {
                "type": "response.output_item.added",
                "response_id": response_id,
                "output_index": 0,
                "item": item,
            },
            {
                "type": "conversation.item.added",
                "previous_item_id": self._previous,
                "item": item,
            },
        ]
        if answer.function is not None:
            call = self._named("response.function_call_arguments.delta", part=False)
            return [*events, {**call, "delta": self.item_done()["arguments"]}]
        kind = self._kind
        part = {"type": kind.removeprefix("output_"), self._field: ""}
        events.append({**self._named("response.content_part.added"), "part": part})
        pieces = [f"{words} " for words in answer.text.split(" ")]
        pieces[-1] = pieces[-1].rstrip()
        for start in range(0, len(pieces), 4):
            words = "".join(pieces[start : start + 4])
            events.append({**self._named(f"response.{self._stream}.delta"), "delta": words})
            if self._spoken:
                sound = {"delta": _sound(words, self._ulaw)}
                events.append({**self._named("response.output_audio.delta"), **sound})
        return events

    def end(self, status: str = "completed", reason: str | None = None) -> list[Event]:
        """From there to its end."""
        answer, events = self._answer, []
        done = {**self.item_done(), "status": "completed" if reason is None else "incomplete"}
        if answer.function is not None:
            call = self._named("response.function_call_arguments.done", part=False)
            events.append({**call, "name": answer.function, "arguments": done["arguments"]})
        else:
            if self._spoken:
                events.append(self._named("response.output_audio.done"))
            whole = {self._field: answer.text}
            part = {"type": self._kind.removeprefix("output_"), **whole}
            events.append({**self._named(f"response.{self._stream}.done"), **whole})
            events.append({**self._named("response.content_part.done"), "part": part})
        resource = self._resource(status, [done])
        if reason is not None:
            resource["status_details"] = {"type": status, "reason": reason}
        return [
            *events,
            {"type": "conversation.item.done", "previous_item_id": self._previous, "item": done},
            {
                "type": "response.output_item.done",
                "response_id": self.response["id"],
                "output_index": 0,
                "item": done,
            },
            {"type": "response.done", "response": resource},
        ]

    def item_done(self) -> Event:
        """The item with all that the answer puts into it."""
        if self._answer.function is not None:
            return {**self.item, "arguments": json.dumps(ARGUMENTS)}
        return {**self.item, "content": [{"type": self._kind, self._field: self._answer.text}]}

    @property
    def _kind(self) -> str:
        return "output_audio" if self._spoken else "output_text"

    @property
    def _field(self) -> str:
        return "transcript" if self._spoken else "text"

    @property
    def _stream(self) -> str:
        return "output_audio_transcript" if self._spoken else "output_text"

    def _named(self, type_: str, part: bool = True) -> Event:
        named = {"response_id": self.response["id"], "item_id": self.item["id"], "output_index": 0}
        more = {"content_index": 0} if part else {"call_id": self.item["call_id"]}
        return {"type": type_, **named, **more}

    def _resource(self, status: str, output: Sequence[Event] = ()) -> Event:
        usage = None if status == "in_progress" else self._usage()
        return {**self.response, "status": status, "output": list(output), "usage": usage}

    def _usage(self) -> Event:
        words = len(self._answer.text.split()) or 1
        sound = 4 * words if self._spoken else 0
        return {
            "total_tokens": 20 + words + sound,
            "input_tokens": 20,
            "output_tokens": words + sound,
            "input_token_details": {
                "text_tokens": 20,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": 0,
                "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": words, "audio_tokens": sound},
        }


_FLAT_NAMES: tuple[tuple[str, str], ...] = (
    ("response.output_audio", "response.audio"),
    ("response.output_text", "response.text"),
    ("conversation.item.added", "conversation.item.created"),
)


def flat(event: Event) -> Event | None:
    """A GA event as servers of the flat shape say it; None for what they do not say."""
    if event["type"] == "conversation.item.done":
        return None
    for new, old in _FLAT_NAMES:
        if event["type"].startswith(new):
            event = {**event, "type": event["type"].replace(new, old)}
    return _renamed(event)


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(one) for one in value]
    if not isinstance(value, dict):
        return value
    told = {key: _renamed(one) for key, one in value.items() if key != "output_modalities"}
    if "output_modalities" in value:
        told["modalities"] = value["output_modalities"]
    if value.get("type") in ("output_audio", "output_text"):
        told["type"] = value["type"].removeprefix("output_")
    return told
