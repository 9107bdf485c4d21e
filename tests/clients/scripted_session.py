"""A Realtime server's side of one session, without any I/O: what it answers a client's events.

It says what OpenAI's says, in its order, and echoes a request's metadata. Its words depend on the
conversation alone, its turns on the samples that came: who does the same is told the same.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
from clients.answers import Event, Speaking, answer_to, flat
from clients.hearing import Hearing
from clients.settings import Settings

from eventstore.sound.audio_formats import G711

#: What users say, turn after turn, to servers that are told nothing else.
UTTERANCES = ("Hello there.", "Tell me a story.", "What is the weather?", "Goodbye.")


class ScriptedSession:
    """One session.

    Args:
        utterances: what the user's turns are written down as, one after the other.
        is_flat: whether it has the shape and the names from before the GA, as Azure's Voice Live.
    """

    def __init__(
        self, model: str, utterances: Sequence[str] = UTTERANCES, is_flat: bool = False
    ) -> None:
        # Sessions of one store have different ids, as they would.
        self._salt, self._numbers = secrets.token_hex(4), count(1)
        self._conversation = self._id("conv")
        self._settings = Settings(self._id("sess"), model, is_flat)
        self._is_flat, self._utterances = is_flat, iter(utterances)
        self._items: list[Event] = []
        self._speaking: Speaking | None = None
        self._hearing = Hearing()
        self._turn = ""
        self._answers: dict[str, Callable[[Event], list[Event]]] = {
            "session.update": self._update,
            "conversation.item.create": self._create,
            "conversation.item.delete": self._delete,
            "conversation.item.truncate": self._truncate,
            "conversation.item.retrieve": self._retrieve,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "response.create": self._respond,
            "response.cancel": self._cancel,
        }

    def greet(self) -> list[Event]:
        """What it says first."""
        return self._told([{"type": "session.created", "session": self._settings.told}])

    def receive(self, event: Event) -> list[Event]:
        """What it answers a client's event."""
        answering = self._answers.get(event["type"])
        if answering is None:
            return self._told(_error("unknown_event", f"no event is {event['type']}", event))
        return self._told(answering(event))

    def _told(self, events: list[Event]) -> list[Event]:
        told = [flat(event) for event in events] if self._is_flat else events
        return [{"event_id": self._id("event"), **event} for event in told if event is not None]

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self._salt}{next(self._numbers):06d}"

    def _update(self, event: Event) -> list[Event]:
        self._settings.update(event["session"])
        self._hearing.rate = self._settings.rate
        return [{"type": "session.updated", "session": self._settings.told}]

    def _create(self, event: Event) -> list[Event]:
        item = {"id": self._id("item"), "object": "realtime.item", "status": "completed"}
        item.update({key: value for key, value in event["item"].items() if value is not None})
        if self._find(item["id"]) is not None:
            return _error("item_already_exists", "there is such an item", event)
        after = event.get("previous_item_id")
        if after not in (None, "root") and self._find(after) is None:
            return _error("item_not_found", f"there is no item {after}", event)
        return self._add(item, after)

    def _add(self, item: Event, after: str | None = None) -> list[Event]:
        ids = [one["id"] for one in self._items]
        place = 0 if after == "root" else ids.index(after) + 1 if after else len(ids)
        self._items.insert(place, item)
        previous = self._items[place - 1]["id"] if place else None
        told = {"previous_item_id": previous, "item": _without_sound(item)}
        kinds = ("conversation.item.added", "conversation.item.done")
        return [{"type": kind, **told} for kind in kinds]

    def _find(self, item_id: str | None) -> Event | None:
        return next((item for item in self._items if item["id"] == item_id), None)

    def _delete(self, event: Event) -> list[Event]:
        item = self._find(event["item_id"])
        if item is None:
            return _error("item_not_found", f"there is no item {event['item_id']}", event)
        self._items.remove(item)
        return [{"type": "conversation.item.deleted", "item_id": item["id"]}]

    def _truncate(self, event: Event) -> list[Event]:
        if self._find(event["item_id"]) is None:
            return _error("item_not_found", f"there is no item {event['item_id']}", event)
        told = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        return [{"type": "conversation.item.truncated", **told}]

    def _retrieve(self, event: Event) -> list[Event]:
        item = self._find(event["item_id"])
        if item is None:
            return _error("item_not_found", f"there is no item {event['item_id']}", event)
        return [{"type": "conversation.item.retrieved", "item": item}]

    def _append(self, event: Event) -> list[Event]:
        audio = base64.b64decode(event["audio"])
        if self._settings.is_ulaw("input"):
            audio = G711["audio/pcmu"][np.frombuffer(audio, np.uint8)].tobytes()
        found = self._hearing.hear(audio)
        if self._settings.detection is None:
            return []
        events = []
        for what, at in found:
            events += self._started(at) if what == "started" else self._stopped(at)
        return events

    def _started(self, at: int) -> list[Event]:
        self._turn = self._id("item")
        kind = "input_audio_buffer.speech_started"
        started = {"type": kind, "audio_start_ms": at, "item_id": self._turn}
        detection = self._settings.detection or {}
        if self._speaking is None or detection.get("interrupt_response") is False:
            return [started]
        return [started, *self._finish("cancelled", "turn_detected")]

    def _stopped(self, at: int) -> list[Event]:
        kind = "input_audio_buffer.speech_stopped"
        events = [{"type": kind, "audio_end_ms": at, "item_id": self._turn}, *self._committed()]
        detection = self._settings.detection or {}
        if detection.get("create_response") is not False:
            events += self._answer({})
        return events

    def _commit(self, event: Event) -> list[Event]:
        self._turn = self._id("item")
        return self._committed()

    def _committed(self) -> list[Event]:
        words = next(self._utterances, "Nothing.")
        previous = self._items[-1]["id"] if self._items else None
        kind = "input_audio_buffer.committed"
        committed = {"type": kind, "previous_item_id": previous, "item_id": self._turn}
        content: list[Event] = [{"type": "input_audio", "transcript": None}]
        item = {"id": self._turn, "type": "message", "status": "completed", "role": "user"}
        events = [committed, *self._add({**item, "content": content})]
        # What was heard is known at once, and written down where the client asked for that.
        self._items[-1] = {**item, "content": [{"type": "input_audio", "transcript": words}]}
        if self._settings.transcribes:
            kind = "conversation.item.input_audio_transcription.completed"
            usage = {"type": "duration", "seconds": 1}
            told = {"item_id": self._turn, "content_index": 0, "transcript": words}
            events.append({"type": kind, **told, "usage": usage})
        return events

    def _clear(self, event: Event) -> list[Event]:
        return [{"type": "input_audio_buffer.cleared"}]

    def _respond(self, event: Event) -> list[Event]:
        if self._speaking is not None:
            told = "Conversation already has an active response in progress"
            return _error("conversation_already_has_active_response", told, event)
        return self._answer(event.get("response") or {})

    def _answer(self, request: Event) -> list[Event]:
        answer = answer_to(self._items, request, self._settings.tools)
        spoken = self._settings.speaks(request)
        response = {
            "object": "realtime.response",
            "id": self._id("resp"),
            "status_details": None,
            "conversation_id": self._conversation,
            "output_modalities": ["audio" if spoken else "text"],
            "max_output_tokens": "inf",
            "metadata": request.get("metadata"),
        }
        item: Event = {"id": self._id("item"), "object": "realtime.item"}
        if answer.function is None:
            item |= {"type": "message", "role": "assistant", "content": []}
        else:
            call = {"name": answer.function, "call_id": self._id("call"), "arguments": ""}
            item |= {"type": "function_call", **call}
        previous = self._items[-1]["id"] if self._items else None
        ulaw = self._settings.is_ulaw("output")
        self._speaking = Speaking(response, item, previous, answer, spoken, ulaw)
        self._items.append(self._speaking.item_done())
        events = self._speaking.begin()
        return events + self._finish() if answer.ends else events

    def _finish(self, status: str = "completed", reason: str | None = None) -> list[Event]:
        assert self._speaking is not None
        events, self._speaking = self._speaking.end(status, reason), None
        return events

    def _cancel(self, event: Event) -> list[Event]:
        if self._speaking is None:
            told = "Cancellation failed: no active response found"
            return _error("response_cancel_not_active", told, event)
        return self._finish("cancelled", "client_cancelled")


def _without_sound(item: Event) -> Event:
    """An item as a server tells it: audio that it holds is not sent back."""
    if not item.get("content"):
        return item
    parts = [{key: one for key, one in p.items() if key != "audio"} for p in item["content"]]
    return {**item, "content": parts}


def _error(code: str, message: str, cause: Event) -> list[Event]:
    named = {"message": message, "param": None, "event_id": cause.get("event_id")}
    return [{"type": "error", "error": {"type": "invalid_request_error", "code": code, **named}}]
