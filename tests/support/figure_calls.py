"""Calls that lists are chosen and sorted by, and what plain Python finds in their resources."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from typing import Any, NamedTuple

from eventstore import EventStore
from eventstore.projection import figures as steps
from eventstore.realtime.resources.outcomes import reason_of
from eventstore.times import parse_time
from support.calls import SESSION_CONFIG, USAGE
from support.events import Call, Json, audio_part, message, text_part
from support.filled import filled
from support.live_speech import SESSION, say

TOOLS = ("weather", "cancel_order", "möchte_%'\"")
LANGUAGES = ("en", "de", "pt-BR", "en-US")
CODES = ("rate_limit_exceeded", "turn_detected", "server_error")
MODELS = ("gpt-realtime", "unheard-of", "gpt-realtime-mini")
ORDERS = ("asc", "desc")
UNKNOWN = -1.0


def figure_calls(count: int = 24) -> dict[str, tuple[Call, bool]]:
    """Calls by session id, each with whether it is closed; the same at each run.

    Many are alike in what they are sorted by, and some begin at the same moment.
    """
    chance = random.Random(5)
    made = {}
    for number in range(count):
        call = _call(chance, number)
        made[f"sess_{(number * 7) % count:02d}"] = (call, chance.random() < 0.6)
    for number in range(count // 4):
        made[f"live_{number:02d}"] = (_live_call(number), number % 2 == 0)
    return made


def _live_call(number: int) -> Call:
    """A GPT-Live session, of which each third has a backend that calls a tool."""
    call = Call()
    call.ms = number * 60_000
    call.server("session.started", session=SESSION | {"id": f"live_{number:02d}"})
    say(call, "user", 0, "Is", "it", "open?")
    if number % 3 == 0:
        work = {"id": "deleg_1", "target": "responses", "response_id": f"resp_{number}"}
        call.server("session.delegation.created", delegation=work, offset_ms=700)
        called = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": TOOLS[0]}
        for event in (
            {"type": "response.created", "response": {"id": f"resp_{number}"}},
            {"type": "response.output_item.done", "item": called | {"arguments": "{}"}},
            {"type": "response.completed", "response": {"id": f"resp_{number}"}},
        ):
            call.server("response.event", delegation_id="deleg_1", event=event)
    say(call, "assistant", 900 + 100 * number, "It", "is.")
    if number % 2 == 0:
        call.server("session.closed", session=SESSION, usage={"seconds": 3600 * number})
    return call


def record(store: EventStore, calls: dict[str, tuple[Call, bool]]) -> None:
    """Append the calls, as tenants' in turns."""

    def fill(store: EventStore) -> None:
        for number, (id_, (call, closes)) in enumerate(calls.items()):
            # In pieces, so that figures change from one append to the next.
            for start in range(0, len(call.frames), 5):
                store.append(id_, call.frames[start : start + 5])
            store.append(id_, [], close=closes)
            store.set_metadata(id_, {"tenant": "anna" if number % 3 else "berta"})

    frames = [(id_, call.frames, closes) for id_, (call, closes) in calls.items()]
    filled(store, "figure_calls", fill, frames, steps._LEAST_BITS)


def _call(chance: random.Random, number: int) -> Call:
    call = Call(timed=number % 8 != 5)
    call.ms = number // 3 * 60_000
    call.server("session.created", session=SESSION_CONFIG | {"model": chance.choice(MODELS)})
    for turn in range(chance.choice((0, 1, 1, 2, 3))):
        _turn(call, chance, f"{number}_{turn}")
    if chance.random() < 0.3:
        error = {"type": "invalid_request_error", "code": chance.choice(CODES), "message": "oh"}
        call.server("error", error=error)
    for number_ in range(chance.choice((0, 0, 1, 2))):
        answer = f"cut_{number}_{number_}"
        call.answers(f"resp_{answer}", answer, "so it is").truncated(answer, 100)
    if chance.random() < 0.3:
        call.client("input_audio_buffer.append", after=chance.choice((20, 1000)), audio="")
    return call


def _turn(call: Call, chance: random.Random, name: str) -> None:
    response, item, asked = f"resp_{name}", f"item_{name}", f"asked_{name}"
    if chance.random() < 0.7:
        call.spoken(asked, 0, 100)
        codes = chance.sample(LANGUAGES, chance.randint(0, 2))
        call.transcribed(asked, "hello", languages=[{"code": code} for code in codes])
    else:
        call.typed(asked, "hello")
    call.created(response)
    status, fields, output = "completed", {}, []
    called = chance.random() < 0.3
    if called:
        output = [_tool_call(chance, name)]
        call.server(
            "response.output_item.added", response_id=response, output_index=0, item=output[0]
        )
    elif chance.random() < 0.5:
        call.ms += chance.choice((10, 10, 500))
        call.begins_speech(response, item).sounds(response, item, 100)
        output = [message(item, "assistant", audio_part("hi"))]
    else:
        output = [message(item, "assistant", text_part("hi"))]
    if chance.random() < 0.4:
        status, output = "cancelled", output if called else []
        fields["status_details"] = {"type": "cancelled", "reason": chance.choice(CODES)}
    if chance.random() < 0.8:
        fields["usage"] = USAGE | {"total_tokens": 120} if chance.random() < 0.5 else _half()
    if chance.random() < 0.9:
        call.ms += chance.choice((5, 5, 800))
        call.done(response, status=status, output=output, **fields)
    if chance.random() < 0.2:
        call.server("conversation.item.deleted", item_id=asked)


def _tool_call(chance: random.Random, name: str) -> Json:
    shape = {"id": f"item_{name}", "type": "function_call", "call_id": f"call_{name}"}
    return shape | {"name": chance.choice(TOOLS), "arguments": "{}"}


def _half() -> Json:
    text = {"text_tokens": 60, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0}
    told = {"input_token_details": text, "output_token_details": {"text_tokens": 5}}
    return {"total_tokens": 65, "input_tokens": 60, "output_tokens": 5, **told}


class Figures(NamedTuple):
    """What plain Python finds of a session or a response, by the names of filters and sorts."""

    at: int
    key: tuple[str, ...]
    resource: Json
    facets: dict[str, set[str]]
    figures: dict[str, float]

    def holds(self, filters: Json) -> bool:
        """Whether all filters hold."""
        return all(self._holds(name, value) for name, value in filters.items())

    def _holds(self, name: str, value: Any) -> bool:
        if name in self.facets:
            return value in self.facets[name]
        if name == "model":
            resource = self.resource
            return bool(value == (resource.get("model") or resource["eventstore"].get("model")))
        if name == "status":
            return bool(self.resource["status"] == value)
        if name == "metadata":
            return self.resource["tenant"] == value[0].partition("=")[2]
        side, _, figure = name.partition("_")
        known = self.figures[figure]
        return known >= value if side == "min" else 0 <= known <= value


def in_order(found: Iterable[Figures], sort: str, order: str) -> list[Figures]:
    """Sessions or responses as a list has them."""
    figure = {"started": "at", "created": "at"}.get(sort, sort)

    def place(one: Figures) -> tuple[Any, ...]:
        return (one.at if figure == "at" else one.figures[figure], one.at, one.key)

    return sorted(found, key=place, reverse=order == "desc")


def known_sessions(store: EventStore, ids: Iterable[str]) -> list[Figures]:
    """All sessions as their resources, summaries and events tell them."""
    listed = {one["id"]: one for one in store.sessions(limit=100, summary=True).data}
    return [_session(store, id_, listed[id_]) for id_ in ids]


def _session(store: EventStore, id_: str, listed: Json) -> Figures:
    shown, notes = store.state(id_), listed["eventstore"]
    summary = notes["summary"]
    errors = [json.loads(event.text)["error"] for event in store.events(id_, type="error")]
    reasons = {reason for r in shown["responses"] if (reason := reason_of(r))}
    items = [item for c in shown["conversations"] for item in c["items"]]
    items += [item for r in shown["responses"] for item in r["output"]]
    facets = {
        "tool": {item["name"] for item in items if item.get("type") == "function_call"},
        "reason": reasons | {error["code"] for error in errors},
        "language": _languages(_all_items(store, id_)),
        "protocol": {notes["protocol"]},
    }
    figures = {
        "duration": _seconds(notes["duration_ms"]),
        "latency": _seconds(summary["slowest_ms"]),
        "cost": UNKNOWN if summary["cost_usd"] is None else summary["cost_usd"],
        "turns": summary["turns"],
        "interruptions": notes["interruptions"],
    }
    tenant = {"tenant": notes["metadata"]["tenant"]}
    return Figures(_at(store, id_), (id_,), listed | tenant, facets, figures)


def _at(store: EventStore, id_: str) -> int:
    at = next(store.events(id_)).at
    if at is None:
        with store.engine.connect() as connection:
            sql = f"SELECT opened_at FROM streams WHERE session_id = '{id_}'"
            at = connection.exec_driver_sql(sql).scalar_one()
    return at


def _all_items(store: EventStore, id_: str) -> list[Json]:
    """A session's items, those that were deleted as well, which stay what they were.

    None of an encrypted store, where nothing is found by what this is for.
    """
    with store.engine.connect() as connection:
        sql = f"SELECT resource FROM items WHERE session_id = '{id_}'"
        found = connection.exec_driver_sql(sql).scalars().all()
    readable = (one for one in found if not isinstance(one, str) or one.startswith("{"))
    return [json.loads(one) if isinstance(one, str) else one for one in readable]


def _languages(items: Iterable[Json]) -> set[str]:
    found = (item.get("eventstore", {}).get("languages", ()) for item in items)
    codes = {code for codes in found for code in codes}
    return codes | {code.partition("-")[0] for code in codes}


def _seconds(ms: float | None) -> float:
    return UNKNOWN if ms is None else ms / 1000


def known_responses(store: EventStore, ids: Iterable[str]) -> list[Figures]:
    """All responses as their resources tell them."""
    return [found for id_ in ids for found in _responses(store, id_)]


def _responses(store: EventStore, id_: str) -> Iterable[Figures]:
    shown = store.state(id_)
    tenant = {"tenant": shown["session"]["eventstore"]["metadata"]["tenant"]}
    items = _all_items(store, id_)
    opened, seen = _at(store, id_), {event.seq: event.at for event in store.events(id_)}
    for response in shown["responses"]:
        notes = response["eventstore"]
        asked = [i for i in items if i["eventstore"].get("answered_by") == response["id"]]
        output = response["output"]
        facets = {
            "tool": {item["name"] for item in output if item.get("type") == "function_call"},
            "language": _languages(asked),
            "reason": {reason_of(response) or ""},
            "kind": {notes.get("kind") or ""},
        }
        figures = {
            "duration": _seconds(notes["duration_ms"]),
            "latency": _seconds(waited_ms(response)),
            "tokens": (response["usage"] or {}).get("total_tokens", 0),
        }
        at = seen[notes["seq"]]
        key = (id_, response["id"])
        at = opened if at is None else at
        yield Figures(at, key, response | tenant, facets, figures)


def waited_ms(response: Json) -> float | None:
    """How long a response was waited for, in milliseconds."""
    notes = response["eventstore"]
    if notes["speech_to_first_audio_ms"] is not None:
        return float(notes["speech_to_first_audio_ms"])
    first = parse_time(notes["first_audio_at"] or notes["first_text_at"])
    created = parse_time(notes["created_at"])
    return None if first is None or created is None else (first - created) / 1000
