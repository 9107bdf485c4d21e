"""Hypothesis strategies: streams of GPT-Live sessions, whose events share small pools of ids.

Most streams begin as sessions do. Their events have the fields that their types are read for,
mostly with values that fit; places on the timeline overlap. A few events are of Realtime, or of no
type at all, and a few come twice.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from eventstore.realtime.catalogue import direction_of
from eventstore.realtime.frames import CLIENT, DIRECTIONS, SERVER, STORE, Frame
from eventstore.realtime.live_catalogue import LIVE_FOLDED, LIVE_NO_EFFECT
from support.json_strategies import ANY, Draw, Json, any_text, mostly, object_of, one
from support.strategies import EVENTS_BY_TYPE, START, items, responses, usages
from support.strategies import TYPES as REALTIME_TYPES

LIVE_TYPES = sorted(LIVE_FOLDED | LIVE_NO_EFFECT.keys())

_DELEGATION_ID = one("dlg_1", "dlg_2", "dlg_1", "item_1", None)
_RESPONSE_ID = one("resp_1", "resp_2", "resp_3")
_EVENT_ID = one("event_1", "event_2", "event_3", None)
_SAID = one(
    *("Hello", " there", " how are", " you?", "mhm", " Yes.", "Okay,", " now", "日本", "語。"),
    *("", " ", "a\0b", "\ud83d", "one two three"),
)
_AUDIO = one("", "AAAA", "A" * 400, "AAA=", "no audio")
#: Long strides, so that some fragments continue an item, and some begin one.
_START_MS = st.integers(0, 40).map(lambda step: step * 200)
_KEY = one("1", "#", "")
_REASON = one("close_requested", "expired", "connection_lost")
_SECONDS = one(0, 1, 7, 7.5, 61, -1)


def _messages() -> st.SearchStrategy[list[Json]]:
    """What the model was told before the start."""
    part = object_of({"type": one("input_text", "output_text"), "text": _SAID})
    fields = {
        "id": one("hist_1", "item_1"),
        "type": one("message"),
        "role": one("developer", "user", "assistant"),
        "content": st.lists(mostly(part), max_size=2),
    }
    return st.lists(mostly(object_of(fields, lacks_one_in=8)), max_size=3)


def _delegations() -> st.SearchStrategy[Json]:
    """Who works for a session."""
    mcp = {"type": "mcp", "server_label": "shop", "authorization": "Bearer of-a-secret-1234"}
    tool = one({"type": "function", "name": "weather"}, mcp, {"type": "web_search"})
    backend = object_of(
        {"model": one("gpt-5.5", "gpt-5-mini"), "tools": st.lists(tool, max_size=2)}
    )
    return object_of(
        {"type": one("client", "responses", "decisions"), "responses": backend}, lacks_one_in=8
    )


def live_sessions() -> st.SearchStrategy[Json]:
    """A Live session's configuration."""
    voice = one("marin", {"id": "voice_1"}, None)
    format_ = one(
        *({"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcm", "rate": 16000}),
        *({"type": "audio/pcmu", "rate": 8000}, None),
    )
    return object_of(
        {
            "id": one("live_1", "live_2"),
            "model": one("gpt-live-1", "gpt-live-1.1"),
            "instructions": _SAID,
            "audio": object_of({"format": format_, "output": object_of({"voice": voice})}),
            "delegation": _delegations() | st.none(),
            "status": one("active"),
            "input": _messages(),
            "store": st.booleans(),
            "expires_at": one(1_700_003_600),
        },
        lacks_one_in=8,
    )


_NESTED_ENDS = ("response.completed", "response.failed", "response.incomplete")
_NESTED = (
    *("response.created", "response.created", "response.in_progress", "response.queued"),
    *(*_NESTED_ENDS, "response.completed", "error", "response.mcp_call.completed"),
    *("response.output_item.added", "response.output_item.added", "response.output_item.done"),
    *("response.content_part.added", "response.content_part.done"),
    *("response.output_text.delta", "response.output_text.delta", "response.output_text.done"),
    *("response.function_call_arguments.delta", "response.function_call_arguments.done"),
    "response.unheard_of",
)


@st.composite
def _backend_events(draw: Draw) -> Json:
    """An event of a backend's stream."""
    kind = draw(st.sampled_from(_NESTED))
    known: Json = dict(draw(EVENTS_BY_TYPE[kind])) if kind in EVENTS_BY_TYPE else {}
    if kind.rpartition(".")[2] in ("created", "queued", "in_progress") or kind in _NESTED_ENDS:
        known["response"] = draw(mostly(responses()))
    known["type"] = kind
    if draw(st.integers(1, 3)) < 3:
        known.pop("response_id", None)  # only events of whole responses name theirs
    return known


def _decisions() -> st.SearchStrategy[Json]:
    decision = object_of(
        {
            "id": one("dec_1", "dec_2"),
            "model": one("gpt-decide-1"),
            "answers": st.lists(object_of({"value": one(True, "yes", 3)}), max_size=2),
            "usage": usages(),
        }
    )
    return object_of({"type": one("decision.completed"), "decision": decision})


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "event_id": _EVENT_ID,
    "client_event_id": _EVENT_ID,
    "session": live_sessions(),
    "delta": _SAID,
    "content": _SAID,
    "audio": _AUDIO,
    "sound": _AUDIO,
    "delegation_id": _DELEGATION_ID,
    "delegation": object_of(
        {
            "id": one("dlg_1", "dlg_2", "item_1"),
            "type": one("delegation"),
            "target": one("client", "responses", "decisions"),
            "response_id": _RESPONSE_ID,
        },
        lacks_one_in=8,
    ),
    "offset_ms": _START_MS,
    "nested": _backend_events(),
    "decided": _decisions(),
    "item": items(),
    "item_id": one("item_1", "item_2", "hist_1"),
    "usage": object_of({"seconds": _SECONDS, "paused_seconds": _SECONDS}),
    "context_window": object_of({"usage_ratio": one(0.01, 0.5, 1)}),
    "reason": _REASON,
    "key": _KEY,
    "error": object_of(
        {"type": one("invalid_request_error"), "code": one("no", None), "message": _SAID}
        | {"client_event_id": _EVENT_ID}
    ),
    "code": one("notice", None),
    "message": _SAID,
    "source_event_id": _EVENT_ID,
    "trigger_id": one("trg_1", None),
}
#: Values that are called otherwise here than on the wire, where one name means several things.
_ON_THE_WIRE = {"sound": "delta", "nested": "event", "decided": "event", "key": "event"}

#: What each type is read for, by the first prefix that fits.
_FIELDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("session.start", ("session", "event_id")),
    ("session.updat", ("session", "event_id")),
    ("session.closed", ("session", "reason", "usage", "event_id")),
    ("session.usage", ("usage", "context_window", "event_id")),
    ("session.input_transcript", ("delta", "event_id")),
    ("session.output_transcript", ("delta", "event_id")),
    ("session.output_audio.delta", ("sound",)),
    ("session.input_audio.append", ("audio",)),
    ("session.output_audio.fixture.play", ("audio", "event_id")),
    ("session.delegation", ("delegation", "offset_ms", "event_id")),
    ("response.event", ("delegation_id", "nested", "event_id")),
    ("response.item.create", ("item", "event_id")),
    ("decision.event", ("decided", "delegation_id", "trigger_id", "source_event_id", "event_id")),
    ("decision.item.delete", ("item_id", "event_id")),
    ("decision.item.create", ("item", "event_id")),
    ("transport.dtmf", ("key", "event_id")),
    ("transport.failed", ("error",)),
    ("error", ("error", "client_event_id", "event_id")),
    ("info", ("code", "message", "event_id")),
    ("", ("event_id", "client_event_id")),
)
_APPENDS = ("content", "delegation_id", "event_id")
_TIMED = (".appended", "transcript.delta")

#: What most of a stream is made of, so that its events meet.
OFTEN = (
    *("session.input_transcript.delta", "session.output_transcript.delta") * 5,
    *("session.output_audio.delta", "session.input_audio.append"),
    *("session.delegation.created",) * 2,
    *("response.event",) * 5,
    *("session.thinking.append", "session.thinking.appended"),
    *("session.commentary.append", "session.commentary.appended"),
    *("session.instructions.append", "session.instructions.appended"),
    *("response.item.create", "decision.event", "session.usage.updated", "error"),
)


@st.composite
def _event_of(draw: Draw, type_: str) -> Json:
    fields = next(fields for prefix, fields in _FIELDS if type_.startswith(prefix))
    if type_.endswith(".append") and "audio" not in type_:
        fields = _APPENDS
    body: Json = draw(object_of({name: _VALUES[name] for name in fields}, lacks_one_in=12))
    body = {_ON_THE_WIRE.get(name, name): value for name, value in body.items()}
    if type_.endswith(_TIMED) and draw(st.integers(1, 12)) < 12:
        start = draw(_START_MS)
        body |= {"start_ms": start, "end_ms": draw(mostly(st.integers(start, start + 1200)))}
    return {"type": type_, **body}


_EVENTS = {type_: _event_of(type_) for type_ in LIVE_TYPES}


@st.composite
def live_events(draw: Draw) -> Json:
    """An event of any type of Live, and now and then one of Realtime or of the store."""
    if draw(st.integers(1, 12)) == 12:
        event: Json = draw(EVENTS_BY_TYPE[draw(st.sampled_from(REALTIME_TYPES))])
    else:
        types = LIVE_TYPES if draw(st.integers(1, 4)) == 4 else OFTEN
        event = draw(_EVENTS[draw(st.sampled_from(types))])
    if draw(st.integers(1, 25)) == 25:
        odd = draw(ANY)
        event = {**event, **odd} if isinstance(odd, dict) else {**event, "event": odd, "item": odd}
    return event


def _frame(draw: Draw, event: Json) -> Frame:
    at = draw(st.none() | st.integers(START, START + 10**9))
    direction = direction_of(event)
    if event.get("type") in ("session.input_audio.append", "transport.dtmf.send"):
        direction = draw(st.sampled_from((CLIENT, CLIENT, SERVER)))  # sidebands are told of them
    if draw(st.integers(1, 25)) == 25:
        direction = draw(st.sampled_from(DIRECTIONS))
    return Frame(direction, json.dumps(event, ensure_ascii=draw(st.booleans())), at)


@st.composite
def live_frames(draw: Draw) -> Frame:
    """A frame of a Live session: nearly always an event's, sent by whoever sends such."""
    if draw(st.integers(1, 30)) == 30:
        at = draw(st.none() | st.integers(START, START + 10**9))
        return Frame(draw(st.sampled_from(DIRECTIONS)), draw(any_text(20) | st.binary()), at)
    return _frame(draw, draw(live_events()))


@st.composite
def _beginnings(draw: Draw) -> list[Frame]:
    """How a session begins: mostly with its start, and now and then in the middle."""
    opened = {"type": "eventstore.session.opened", "url": "wss://api.openai.com/v1/live/sessions"}
    begun = [_frame(draw, draw(_EVENTS[type_])) for type_ in ("session.start", "session.started")]
    how = draw(st.integers(1, 8))
    if how == 1:
        return []
    if how == 4:  # something of Realtime comes before the session is known to be Live
        event = draw(EVENTS_BY_TYPE[draw(st.sampled_from(REALTIME_TYPES))])
        return [_frame(draw, event), *begun]
    if how == 2:
        return [Frame(STORE, json.dumps(opened), begun[0].at), *begun]
    return begun[1:] if how == 3 else begun


def _in_time(draw: Draw, frames: list[Frame]) -> list[Frame]:
    """The frames with places on the timeline that go on, as in a conversation, and overlap."""
    here, made = 0, []
    for frame in frames:
        if isinstance(frame.text, str) and '"start_ms"' in frame.text:
            here += draw(st.sampled_from((0, 0, 200, 200, 400, 600, 2400)))
            start = max(0, here - draw(st.sampled_from((0, 0, 0, 400))))
            end = start + draw(st.sampled_from((200, 200, 400, 1800)))
            told = {**json.loads(frame.text), "start_ms": start, "end_ms": end}
            frame = frame._replace(text=json.dumps(told))
        made.append(frame)
    return made


@st.composite
def live_streams(draw: Draw, max_size: int = 30) -> list[Frame]:
    """Frames of a Live session."""
    begun = draw(_beginnings())[:max_size]
    rest = draw(st.lists(live_frames(), min_size=1, max_size=max(1, max_size - len(begun))))
    if draw(st.integers(1, 3)) > 1:
        rest = _in_time(draw, rest)
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 3)))):
        place = draw(st.integers(0, len(rest) - 1))
        rest.insert(draw(st.integers(place, len(rest))), rest[place])  # delivered twice
    return [*begun, *rest][: max(max_size, 1)]
