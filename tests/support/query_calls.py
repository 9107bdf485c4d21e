"""The calls that queries are asked about, and what plain Python finds in them.

`recorded` fills a store; `everything` reads all responses out of it by folding each session's
events anew, so that no query is measured by another one. `holds` is the filter in plain Python.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from hypothesis import strategies as st

from eventstore import EventStore, Frame
from eventstore.realtime.resources.outcomes import reason_of
from support.events import START, Call, audio_part, message, text_part
from support.filled import filled

Json = dict[str, Any]

SESSIONS = 12
#: Two sessions begin each eight hours.
SLOT_MS = 8 * 3_600_000
#: A response of this id is in several sessions.
SAME = "resp_same"

MODELS = ("gpt-realtime", "gpt-4o-realtime-preview", "unheard-of-1", None)
TRANSCRIBERS = ("gpt-4o-mini-transcribe", "whisper-1", "unheard-of-2", None)
VOICES = ("marin", "cedar", "ash")
MODALITIES = (["audio"], ["text"], ["text", "audio"])
#: Why responses of a status ended.
DETAILS: dict[str, Json] = {
    "cancelled": {"type": "cancelled", "reason": "client_cancelled"},
    "failed": {"type": "failed", "error": {"type": "server_error", "code": "insufficient_quota"}},
    "incomplete": {"type": "incomplete", "reason": "content_filter"},
}
STATUSES = ("completed", "completed", "cancelled", "failed", "incomplete", "in_progress")
KEYS = ("customer", "topic", "tier", "a=b", "é ключ")
VALUES = (
    "42",
    "420",
    "4",
    "5",
    "",
    "delivery",
    "delay",
    "a=b",
    "é",
    "\ud7ffx",
    "\U0010ffff1",
    "%_'\"\\",
)
SENTENCES = (
    "Where is my order?",
    "My order has not arrived.",
    "Your order is on its way, it arrives on Monday.",
    "The saddle of my bicycle is broken",
    "We open at nine; on Sunday we are closed.",
    "Ich möchte ein Fahrrad kaufen",
    "Monday or Sunday?",
)


class Known(NamedTuple):
    """A response, and what filters look at beside its resource."""

    at: int
    session_id: str
    id: str
    resource: Json
    session_metadata: dict[str, str]
    said: list[str]


@cache
def calls() -> dict[str, tuple[Frame, ...]]:
    """Sessions with two to five responses each, the same at each run; frames by session id."""
    chance = random.Random(7)
    return {f"sess_{n:02d}": tuple(_call(chance, n).frames) for n in range(SESSIONS)}


def _call(chance: random.Random, number: int) -> Call:
    call = Call()
    # Some sessions run at the same time as another one, to the microsecond.
    call.ms = number // 2 * SLOT_MS
    call.store("opened", metadata=_metadata(chance) or {})
    call.server("session.created", session=_session(chance, number))
    # Of two sessions at the same time, the ids of responses and of sessions go opposite ways.
    for turn in range(chance.randint(2, 5)):
        _turn(
            call,
            chance,
            f"{SESSIONS - number}_{turn}",
            SAME if turn == 1 and number % 3 == 0 else None,
        )
    if chance.random() < 0.5:
        call.store("metadata", metadata=_metadata(chance) or {})
    return call


def _session(chance: random.Random, number: int) -> Json:
    transcriber = chance.choice(TRANSCRIBERS)
    session: Json = {"id": f"server_{number}", "object": "realtime.session"}
    session["audio"] = {
        "input": {"transcription": {"model": transcriber} if transcriber else {}},
        "output": {"voice": chance.choice(VOICES)},
    }
    model = chance.choice(MODELS)
    return session | ({"model": model} if model else {})


def _metadata(chance: random.Random) -> dict[str, str] | None:
    if chance.random() < 0.15:
        return None
    keys = chance.sample(KEYS, chance.randint(0, 3))
    return {key: chance.choice(VALUES) for key in keys}


def _turn(call: Call, chance: random.Random, name: str, id_: str | None) -> None:
    response, item, asked = id_ or f"resp_{name}", f"item_{name}", f"item_{name}_user"
    call.spoken(asked, call.ms, call.ms + 40)
    usage = _transcription_usage(chance, transcriber_of(call.frames))
    fields = {} if usage is None else {"usage": usage}
    call.transcribed(asked, chance.choice(SENTENCES), **fields)
    conversation = chance.choice(("conv_1", "conv_1", f"conv_{name}", None))
    modalities = chance.choice(MODALITIES)
    shape: Json = {
        "conversation": conversation,
        "metadata": _metadata(chance),
        "output_modalities": modalities,
    }
    if chance.random() < 0.5:
        shape["audio"] = {"output": {"voice": chance.choice(VOICES)}}
    status = chance.choice(STATUSES)
    call.created(response, **shape)
    if status == "in_progress":
        return
    words = chance.choice(SENTENCES)
    part = text_part(words) if modalities == ["text"] else audio_part(words)
    output = [message(item, "assistant", part)] if status == "completed" else []
    for whole in output:
        call.server("response.output_item.done", response_id=response, item=whole)
    usage = _usage(chance)
    shape["status_details"] = DETAILS.get(status)
    call.done(response, status=status, output=output, usage=usage, **shape)


def _usage(chance: random.Random) -> Json | None:
    if chance.random() < 0.2:
        return None
    text, audio, image = (chance.randint(0, 900) for _ in range(3))
    cached_text, cached_audio = chance.randint(0, text), chance.randint(0, audio)
    out_text, out_audio = chance.randint(1, 300), chance.randint(0, 300)
    return {
        "total_tokens": text + audio + image + out_text + out_audio,
        "input_tokens": text + audio + image,
        "output_tokens": out_text + out_audio,
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": audio,
            "image_tokens": image,
            "cached_tokens": cached_text + cached_audio,
            "cached_tokens_details": {
                "text_tokens": cached_text,
                "audio_tokens": cached_audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": out_text, "audio_tokens": out_audio},
    }


def transcriber_of(frames: Iterable[Frame]) -> str | None:
    """The model that transcribes the input of a call."""
    created = next(e for e in map(_event, frames) if e["type"] == "session.created")
    model: str | None = created["session"]["audio"]["input"]["transcription"].get("model")
    return model


def _event(frame: Frame) -> Json:
    event: Json = json.loads(frame.text)
    return event


def _transcription_usage(chance: random.Random, model: str | None) -> Json | None:
    if chance.random() < 0.2:
        return None
    if model == "whisper-1" or (model is None and chance.random() < 0.5):
        return {"type": "duration", "seconds": chance.randint(1, 90) / 4}
    audio = chance.randint(1, 200)
    return {
        "type": "tokens",
        "total_tokens": audio + 9,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": 9,
    }


def moments() -> st.SearchStrategy[str]:
    """Times around those of the calls, as seconds since 1970."""
    slot, ms = st.integers(0, SESSIONS // 2), st.integers(-1, 120)
    at = st.builds(lambda slot, ms: START + (slot * SLOT_MS + ms) * 1000, slot, ms)
    return at.map(seconds)


def seconds(at: int) -> str:
    """A time as seconds since 1970."""
    return f"{at // 10**6}.{at % 10**6:06d}"


def recorded(store: EventStore) -> EventStore:
    """The store, with all of the calls."""

    def fill(store: EventStore) -> None:
        for session_id, frames in calls().items():
            store.append(session_id, frames)

    return filled(store, "recorded", fill)


def everything(store: EventStore, order: str = "desc") -> list[Known]:
    """All responses of all calls, by time."""
    found = [known for session_id in calls() for known in _known(store, session_id)]
    return sorted(found, key=lambda known: known[:3], reverse=order == "desc")


def _known(store: EventStore, session_id: str) -> Iterator[Known]:
    shown = store.state(session_id)
    metadata = shown["session"]["eventstore"]["metadata"]
    items = [item for conversation in shown["conversations"] for item in conversation["items"]]
    for resource in shown["responses"]:
        notes, id_ = resource["eventstore"], resource["id"]
        answered = [item for item in items if item["eventstore"].get("answered_by") == id_]
        at = calls()[session_id][notes["seq"] - 1].at
        assert at is not None
        said = [_words(item) for item in [*answered, *resource["output"]]]
        yield Known(at, session_id, id_, resource, metadata, said)


def _words(item: Json) -> str:
    parts = (part.get("text") or part.get("transcript") or "" for part in item["content"])
    return " ".join(parts)


def holds(known: Known, filters: Mapping[str, Any]) -> bool:
    """Whether a response passes filters, in plain Python."""
    return all(_TESTS[name](known, value) for name, value in filters.items())


def _at(value: str) -> int:
    return round(float(value) * 1_000_000)


def _has_metadata(known: Known, conditions: list[str]) -> bool:
    return all(metadata_holds(pairs_of(known), condition) for condition in conditions)


def pairs_of(known: Known) -> list[tuple[str, str]]:
    own: dict[str, str] = known.resource["metadata"] or {}
    return [*own.items(), *known.session_metadata.items()]


def metadata_holds(pairs: list[tuple[str, str]], condition: str) -> bool:
    """Whether pairs pass `K=V`, `K`, `K^=PREFIX` or `K!=V`."""
    key, operator, value = re.match(r"([^=]*?)([!^]?=|$)(.*)", condition, re.DOTALL).groups()  # type: ignore[union-attr]
    values = [pair[1] for pair in pairs if pair[0] == key]
    if operator == "!=":
        return value not in values
    if operator == "^=":
        return any(found.startswith(value) for found in values)
    return bool(values) if not operator else value in values


def says(texts: list[str], query: str) -> bool:
    """Whether one of the texts has all words and "phrases" of a query; `word*` is a prefix."""
    terms = [phrase or word for phrase, word in re.findall(r'"([^"]*)"|(\S+)', query)]
    return any(all(_occurs(text, term) for term in terms) for text in texts)


def _occurs(text: str, term: str) -> bool:
    words, wanted = (re.findall(r"\w+", value.casefold()) for value in (text, term))
    places = range(len(words) - len(wanted) + 1)
    if term.endswith("*"):
        return any(word.startswith(wanted[0]) for word in words)
    return any(words[place : place + len(wanted)] == wanted for place in places)


def _total(known: Known) -> int:
    return int((known.resource["usage"] or {}).get("total_tokens", 0))


_TESTS = {
    "metadata": _has_metadata,
    "status": lambda known, value: known.resource["status"] == value,
    "model": lambda known, value: known.resource["eventstore"]["model"] == value,
    "reason": lambda known, value: reason_of(known.resource) == value,
    "voice": lambda known, value: known.resource["eventstore"]["config"]["voice"] == value,
    "modality": lambda known, v: v in (known.resource["eventstore"]["config"]["modalities"] or []),
    "conversation": lambda known, value: known.resource["conversation_id"] == value,
    "session": lambda known, value: known.session_id == value,
    "text": lambda known, value: says(known.said, value),
    "min_tokens": lambda known, value: _total(known) >= value,
    "since": lambda known, value: known.at >= _at(value),
    "until": lambda known, value: known.at < _at(value),
}


def events_named(session_id: str, type_: str) -> list[tuple[int, Json]]:
    """Times and events of a type in a call."""
    found = [(frame.at, _event(frame)) for frame in calls()[session_id]]
    return [(at, event) for at, event in found if at is not None and event["type"] == type_]
