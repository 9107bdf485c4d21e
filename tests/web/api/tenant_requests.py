"""Requests of a fuzzed client, drawn from the OpenAPI document and from what two tenants have."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hypothesis import strategies as st
from support.events import START
from support.tenants import MARKS, TENANTS, seeds

from eventstore.times import to_iso

Json = dict[str, Any]
_NAMES = ("shared", *MARKS.values(), "made_up")
_SEEDS = list(seeds())
CLOSED = {seed.session_id for seed in _SEEDS if seed.closed}
SESSIONS = [*(seed.session_id for seed in _SEEDS), "made_up_1", "made_up_2"]
RESPONSES = [f"resp_{name}{late}" for name in _NAMES for late in ("", "_late")]
CONVERSATIONS = [f"conv_{name}" for name in _NAMES]
ITEMS = [f"{kind}_{name}" for name in _NAMES for kind in ("item", "answer")]
CURSORS = [f"{session}/{response}" for session in SESSIONS for response in RESPONSES[:6]]
TEXTS = ["saddle", '"a saddle"', "sad*", "zan*", "hello", *MARKS.values()]
MODELS = ["gpt-realtime", *(f"model_{mark}" for mark in MARKS.values())]
KEYS = ["tenant", "queue", "secret", "topic", *(f"key_{mark}" for mark in MARKS.values())]
VALUES = [*TENANTS, "vip", "set", *MARKS.values()]
TIMES = [to_iso(START + second * 1_000_000) for second in (-1, 1, 2, 5)]

_POOLS: dict[str, list[Any]] = {
    "session_id": SESSIONS,
    "session": SESSIONS,
    "response_id": RESPONSES,
    "response": RESPONSES,
    "conversation_id": CONVERSATIONS,
    "conversation": CONVERSATIONS,
    "dead_letter_id": ["dead_WyJhIiwid2ViaG9va3MiLDEsInNlc3Npb24iXQ", "dead_W10", "x"],
    "item_id": ITEMS,
    "item": ITEMS,
    "model": MODELS,
    "at": ["1", "5", "+0", "+1"],
    "name": ["mine"],
    "by": ["session", "model", "day", *(f"metadata:{key}" for key in KEYS)],
}


class Request(NamedTuple):
    """A request, and every text of ours that is in it."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: Json | None
    session_id: str | None

    @property
    def said(self) -> list[str]:
        """The texts that an answer may repeat, the longest first."""
        texts = [self.path, *self.path.split("/"), *(v for pair in self.query for v in pair)]
        texts += [name.partition("[")[2].rstrip("]") for name, _ in self.query]
        return sorted(filter(None, texts), key=len, reverse=True)

    @property
    def written(self) -> str:
        """What it writes."""
        return json.dumps(self.body)


def requests(document: Json) -> st.SearchStrategy[Request]:
    """Any request that the document knows, reads more often than others."""
    operations = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            kinds = set(operation["responses"]["200"]["content"])
            if kinds == {"text/event-stream"}:
                continue  # it has no end
            weight = {"get": 3, "post": 6}.get(method, 1)
            operations += [_requests(method.upper(), path, operation)] * weight
    return st.one_of(operations)


@st.composite
def _requests(draw: st.DrawFn, method: str, path: str, operation: Json) -> Request:
    query: list[tuple[str, str]] = []
    session_id = None
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        if parameter["in"] == "path":
            value = draw(st.sampled_from(_POOLS[name]))
            path = path.replace(f"{{{name}}}", value)
            session_id = value if name == "session_id" else session_id
        elif draw(st.integers(0, 3)) == 0:
            query += draw(_query(parameter))
    if session_id not in CLOSED:
        query = [pair for pair in query if pair[0] != "stream"]  # it would have no end
    bodies = _SCORES if path.endswith("/scores") else _BODIES
    body = draw(bodies) if "requestBody" in operation else None
    return Request(method, path, query, body, session_id)


def _query(parameter: Json) -> st.SearchStrategy[list[tuple[str, str]]]:
    name, schema = parameter["name"], parameter["schema"]
    if name == "metadata":
        return _PAIRS.map(lambda found: [(f"metadata[{k}]", v) for k, v in found.items()])
    if parameter.get("style") == "deepObject":
        operators = st.sampled_from(list(schema.get("properties", {"gte": None})))
        return st.tuples(operators, st.sampled_from(TIMES)).map(
            lambda found: [(f"{name}[{found[0]}]", found[1])]
        )
    return _value(name, schema).map(lambda value: [(name, str(value))])


def _value(name: str, schema: Json) -> st.SearchStrategy[Any]:
    if name in _POOLS:
        return st.sampled_from(_POOLS[name])
    schema = schema.get("anyOf", [schema])[0]
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "boolean":
        return st.sampled_from(["true", "false"])
    if kind in ("integer", "number"):
        return st.integers(0, 30)
    if name in ("after", "before"):
        return st.sampled_from([*SESSIONS, *RESPONSES, *CURSORS, *ITEMS])
    return st.sampled_from(TEXTS)


_PAIRS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=2)


@st.composite
def _events(draw: st.DrawFn) -> Json:
    at = to_iso(START + 10_000_000)
    if draw(st.integers(0, 15)) == 0:
        return {"direction": "store", "frame": "{}", "at": at}
    conversation, response = draw(st.sampled_from(CONVERSATIONS)), draw(st.sampled_from(RESPONSES))
    part = {"type": "input_text", "text": draw(st.sampled_from(TEXTS))}
    item = {"id": draw(st.sampled_from(ITEMS)), "type": "message", "role": "user"}
    resource = {"id": response, "conversation_id": conversation, "metadata": draw(_PAIRS)}
    event = draw(
        st.sampled_from(
            [
                {"type": "conversation.created", "conversation": {"id": conversation}},
                {"type": "conversation.item.added", "item": {**item, "content": [part]}},
                {"type": "response.created", "response": resource},
                {"type": "response.done", "response": {**resource, "status": "completed"}},
            ]
        )
    )
    return {"direction": "server", "frame": json.dumps(event), "at": at}


_SCORES = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["helpful", *MARKS.values()]),
        "value": st.sampled_from([0.5, True, "refund", *MARKS.values(), None]),
    },
    optional={
        "response_id": st.sampled_from(RESPONSES),
        "item_id": st.sampled_from(ITEMS),
        "by": st.sampled_from([*MARKS.values()]),
        "reason": st.sampled_from(TEXTS),
    },
)
_BODIES = st.fixed_dictionaries(
    {"events": st.lists(_events(), max_size=3)},
    optional={
        "metadata": _PAIRS,
        "expected_seq": st.integers(0, 30),
        "close": st.booleans(),
    },
)
