"""Strategies of hostile sessions: streams whose fields, ids, times and depths fit nowhere.

The events are those of `support.strategies`, with values replaced by any JSON, and whole calls and
recordings that were taken apart. What one stream lacks another has: both the test and the long run
draw from here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any, NamedTuple

from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS, SHORT_STREAMS, beta_tool_call, voice_call
from support.gpt_live import client_call, decisions_call, responses_call
from support.live_strategies import live_events, live_frames, live_streams
from support.strategies import START, any_text, events, frames, json_values, mutated

from eventstore.demo import call_lines
from eventstore.realtime.catalogue import direction_of
from eventstore.realtime.frames import DIRECTIONS, Frame
from eventstore.times import MAX_AT, MIN_AT

Draw = st.DrawFn

#: Ids as users, servers and attackers choose them; some are no session's.
SESSION_IDS = (
    "sess_1",
    "sess_2",
    "a/b",
    "..",
    "sess é 日",
    "%2F%00",
    "-x",
    "--json",
    "<b>'\"&",
    "?#",
)
#: Values that fit nearly nowhere, each of a kind that has broken a reader somewhere.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**31, 2**53, 2**63, 10**400, -(10**400), 0.1, 1e308, -1e-300),
    *("", " ", "a\0b", "\ud83d", "\udc00\ud83d", "\u2028\u202e", "x" * 200, "é" * 200, "<script>"),
    *("NaN", "1e9999999", "9999-12-31T23:59:59.999999Z", "0001-01-01", "1970-01-01T00:00:00Z"),
    *('{"a":[1,{"b":null}]}', '{"a":', "[" * 300, "[" * 5000, '"', "data:image/png;base64,AAAA"),
    *("AAAA", "AAA=", "A" * 4000, "sess_1", "resp_1", "item_1", "conv_1", "root", "none", "inf"),
    *([], {}, [[]], [None], [{}], {"": ""}, {"type": []}, {"id": {}}, {"type": "object", "id": 1}),
    *({"text": ["a"]}, {"a" * 300: "b" * 3000}, {str(n): "v" * 600 for n in range(40)}),
    *(
        {"input_tokens": 10**30},
        {"type": "audio/pcm", "rate": 0},
        {"type": "audio/pcm", "rate": -1},
    ),
)
#: Those that stand most often where a reader wants something else.
_OFTEN_ODD: tuple[Any, ...] = (
    None,
    0,
    1.5,
    True,
    "",
    "x",
    "a\0b",
    "\ud83d",
    [],
    {},
    [None],
    {"a": []},
)
#: Fields that much is made of; one in two replaced values is one of theirs.
_TELLING = frozenset(
    {
        *("id", "type", "object", "status", "role", "content", "output", "usage", "metadata"),
        *("text", "transcript", "delta", "item_id", "response_id", "conversation_id", "voice"),
        *("item", "response", "session", "part", "error", "format", "audio", "model", "name"),
        *("call_id", "arguments", "content_index", "audio_start_ms", "audio_end_ms", "tools"),
        *("status_details", "reason", "seconds", "input_tokens", "output_tokens", "total_tokens"),
        *("previous_item_id", "max_output_tokens", "temperature", "modalities"),
        *("delegation", "delegation_id", "target", "offset_ms", "start_ms", "end_ms", "event"),
        *("input", "triggers", "decision", "answers", "client_event_id", "event_id"),
    }
)
#: How deep a value may be nested: about each limit that a reader has, and far beyond.
DEPTHS = (190, 199, 200, 201, 253, 254, 255, 990, 1000, 1024, 5000)
_DEEP = re.compile(r'"\\u0001deep ([0-9]+)([\[{])"')
_MOMENTS = (
    START,
    START + 10**12,
    0,
    500_000,
    10**6,
    MIN_AT,
    MIN_AT + 1,
    MAX_AT,
    MAX_AT - 1,
    -(10**12),
)
_MOST = 18
#: The key of metadata that names a session's tenant, and who they are.
TENANT, TENANTS = "tenant", ("anna", "berta")
#: How many sessions of a short call with one odd value a store has at most.
SWARM = 8


class Session(NamedTuple):
    """A session to be written.

    Attributes:
        batches: its frames, in as many appends.
        closed: whether its last append says that no more will come.
        metadata: that was set on it at first.
    """

    session_id: str
    batches: list[list[Frame]]
    closed: bool
    metadata: dict[str, str]


class Form(NamedTuple):
    """How a store keeps sessions.

    Attributes:
        shared: whether they are of two tenants, in turns.
    """

    deferred: bool
    sealed: bool
    encrypted: bool
    shared: bool = False


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _paths(value[key], (*path, key))


def _replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    copied = value.copy()
    copied[path[0]] = _replaced(value[path[0]], path[1:], odd)
    return copied


@st.composite
def _odd(draw: Draw) -> Any:
    if draw(st.integers(1, 12)) == 12:
        return f"\1deep {draw(st.sampled_from(DEPTHS))}{draw(st.sampled_from('[{'))}"
    return draw(st.sampled_from(_OFTEN_ODD) | st.sampled_from(ODD) | json_values(surrogates=True))


def _spelled(event: Any, ascii_only: bool) -> str:
    """The text of an event, in which marks of depth became what they stand for."""

    def nested(match: re.Match[str]) -> str:
        levels = int(match[1])
        return (
            "[" * levels + "]" * levels
            if match[2] == "["
            else '{"a":' * levels + "1" + "}" * levels
        )

    return _DEEP.sub(nested, json.dumps(event, ensure_ascii=ascii_only))


#: Objects of events, and where their ids stand beside them.
_BESIDE = {"response": "response_id", "item": "item_id", "session": "session_id"}


@st.composite
def _with_odd_id(draw: Draw, event: dict[str, Any]) -> dict[str, Any]:
    """An event whose object has an odd id, while the id that it should have stands beside it."""
    for name, beside in _BESIDE.items():
        inner = event.get(name)
        if isinstance(inner, dict):
            id_ = event.get(beside) or inner.get("id") or f"{name}_1"
            return {**event, beside: id_, name: {**inner, "id": draw(_odd())}}
    return event


@st.composite
def hostile_frames(draw: Draw) -> Frame:
    """A frame of an event, one in four of GPT-Live, in which some values fit nowhere."""
    is_live = draw(st.integers(1, 4)) == 4
    if draw(st.integers(1, 4)) == 4:
        return draw(live_frames() if is_live else frames())
    event = draw(live_events() if is_live else events())
    if draw(st.integers(1, 4)) == 4:
        event = draw(_with_odd_id(event))
    for _ in range(draw(st.integers(0, 2))):
        found = list(_paths(event))
        telling = [path for path in found if path[-1] in _TELLING]
        if telling and draw(st.booleans()):
            found = telling
        event = _replaced(event, draw(st.sampled_from(found)), draw(_odd()))
    direction = direction_of(event)
    if draw(st.integers(1, 20)) == 20:
        direction = draw(st.sampled_from(DIRECTIONS))
    return Frame(direction, _spelled(event, draw(st.booleans())), None)


def _demo() -> list[Frame]:
    entries = [json.loads(line) for line in call_lines()]
    made = [Frame(e["direction"], e.get("frame") or json.dumps(e["event"]), None) for e in entries]
    return [frame for frame in made if len(frame.text) < 20_000]


#: GPT-Live sessions, each of which gives its work to another backend.
LIVE_CALLS = [make().frames for make in (client_call, responses_call, decisions_call)]
_CALLS = [*SAMPLE_STREAMS, _demo(), *LIVE_CALLS]
#: Short enough for several sessions of one store.
SHORT_CALLS = [*SHORT_STREAMS, voice_call().frames, beta_tool_call().frames]


@st.composite
def _live(draw: Draw) -> list[Frame]:
    """Frames of a GPT-Live session, with a few hostile ones in it."""
    stream = draw(live_streams(_MOST))
    for _ in range(draw(st.integers(0, 3))):
        stream.insert(draw(st.integers(0, len(stream))), draw(hostile_frames()))
    return stream


@st.composite
def _of_a_call(draw: Draw) -> list[Frame]:
    """A stretch of a real call, taken apart, with a few hostile frames in it."""
    stream = draw(mutated(_CALLS))
    start = draw(st.integers(0, max(0, len(stream) - _MOST)))
    taken = stream[start : start + _MOST]
    for _ in range(draw(st.integers(0, 3))):
        taken.insert(draw(st.integers(0, len(taken))), draw(hostile_frames()))
    return taken


@st.composite
def _timed(draw: Draw, stream: list[Frame]) -> list[Frame]:
    """The frames at times that rise, jump, fall, lie at the calendar's ends, or are not known."""
    at = draw(st.sampled_from((START, START, START, START, *_MOMENTS)))
    how = draw(st.sampled_from(("rise", "rise", "rise", "none", "jump")))
    made = []
    for number, frame in enumerate(stream):
        if how == "none":
            made.append(frame._replace(at=None))
            continue
        if how == "jump":
            at = draw(st.sampled_from((*_MOMENTS, at - 10**7)))
        made.append(frame._replace(at=max(MIN_AT, min(MAX_AT, at + number * 20_000))))
    return made


@st.composite
def sessions(draw: Draw, session_id: str) -> Session:
    """A hostile session."""
    drawn = st.lists(hostile_frames(), min_size=1, max_size=_MOST) | _of_a_call() | _live()
    stream = draw(_timed(draw(drawn)))
    cut = draw(st.integers(0, len(stream)))
    pairs = st.dictionaries(st.sampled_from(("customer", "k\u202e", "é")), any_text(5), max_size=2)
    metadata = {k: v for k, v in draw(pairs).items() if "\0" not in v}
    batches = [batch for batch in (stream[:cut], stream[cut:]) if batch]
    return Session(session_id, batches, draw(st.booleans()), metadata)


@st.composite
def _with_one_odd_value(draw: Draw, session_id: str) -> Session:
    """A short call as servers send it, but for one value, or one more."""
    call = [frame for frame in draw(st.sampled_from(SHORT_CALLS)) if isinstance(frame.text, str)]
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.integers(0, len(call) - 1))
        frame = call[place]
        try:
            event = json.loads(frame.text)
        except RecursionError:  # the first odd value made it deep
            continue
        telling = [path for path in _paths(event) if path[-1] in _TELLING]
        if draw(st.integers(1, 4)) == 4:
            odd = draw(_with_odd_id(event))
        else:
            odd = _replaced(event, draw(st.sampled_from(telling)), draw(_odd()))
        call[place] = frame._replace(text=_spelled(odd, draw(st.booleans())))
    return Session(session_id, [draw(_timed(call))], draw(st.booleans()), {})


@st.composite
def stores(draw: Draw) -> tuple[Form, list[Session]]:
    """A store: how it keeps sessions, and one or two of them, which share ids, or a swarm.

    One in five that have several is shared by two tenants.
    """
    form = Form(draw(st.booleans()), draw(st.booleans()), draw(st.booleans()))
    if draw(st.integers(1, 3)) == 3:
        swarm = range(draw(st.integers(2, SWARM)))
        made = [draw(_with_one_odd_value(f"sess_{number}")) for number in swarm]
    else:
        ids = draw(st.lists(st.sampled_from(SESSION_IDS), min_size=1, max_size=2, unique=True))
        made = [draw(sessions(id_)) for id_ in ids]
    if len(made) > 1 and draw(st.integers(1, 5)) == 5:
        return shared(form, made)
    return form, made


def shared(form: Form, made: list[Session]) -> tuple[Form, list[Session]]:
    """The same store, of whose sessions each second one is the other tenant's."""
    whose = cycle(TENANTS)
    owned = [s._replace(metadata={**s.metadata, TENANT: next(whose)}) for s in made]
    return form._replace(shared=True), owned
