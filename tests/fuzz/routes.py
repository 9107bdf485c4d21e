"""Every route of the web application, called with the ids that a store has, and with odd ones.

Routes and their parameters are read from the application itself: a new route is called like the
others, and one whose parameters are not known here fails `test_every_route_can_be_called`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import quote, urlencode

import httpx
from fastapi import FastAPI
from fuzz.opened import Ids
from fuzz.pages import check_page
from fuzz.streams import Session
from fuzz.tally import Tally, strict_json
from starlette.routing import Mount
from starlette.testclient import TestClient

from eventstore import EventStore
from eventstore.realtime.values import dumps
from eventstore.web.api import events, live
from eventstore.web.app import make_app
from eventstore.web.server import errors
from eventstore.web.server.access import AccessKeys
from eventstore.web.server.errors import flat_routes
from eventstore.web.server.requests import Stores

ODD = ("nothing", "a\0b", "\ud83d", "a/b", "..", "x" * 400)
#: Values of a query's parameters by their names; an id's are those of the store.
VALUES: dict[str, tuple[str, ...]] = {
    "q": ("Hello", '"one two"', "pre*", "\0", '"', "天気"),
    "dialect": ("wire", "beta", "ga", "x"),
    "of": ("endings", "x"),
    "from": ("now", "start", "\0"),
    "limit": ("1", "100", "0", "1e3", "9" * 30),
    "order": ("asc", "desc"),
    "at": ("0", "2", "+0.02", "+999999999", "9" * 18, "x"),
    "by": (
        "session",
        "model",
        "day",
        "name",
        "giver",
        "day,model",
        "metadata:customer",
        "metadata:\0",
        "x",
    ),
    "status": ("live", "ended", "interrupted", "errors", "failed", "in_progress", "x"),
    "model": ("gpt-realtime", "\0", "é"),
    "voice": ("alloy", "\0"),
    "modality": ("text", "audio"),
    "min_tokens": ("0", "100", "-1", "9" * 30),
    "tool": ("weather", "\0", "x" * 400),
    "language": ("en", "\0"),
    "protocol": ("live", "realtime", "x"),
    "kind": ("spoken", "delegated", "x"),
    **dict.fromkeys(
        ("min_latency", "min_duration", "max_duration", "min_cost"),
        ("0", "0.5", "1e12", "1e400", "-1", "nan", "x"),
    ),
    **dict.fromkeys(("min_turns", "min_interruptions"), ("0", "1", "-1", "9" * 30)),
    "sort": (
        "score",
        "duration",
        "latency",
        "cost",
        "turns",
        "interruptions",
        "tokens",
        "created",
        "x",
    ),
    "live": ("true", "false", "2"),
    "summary": ("true", "x"),
    "type": ("response.*", "[", "*", "\0", "eventstore.unreadable"),
    "format": ("json", "jsonl", "wav", "flac", "ogg"),
    "stream": ("true", "false"),
    "side": ("user", "assistant"),
    "start": ("0", "0.5", "1e6", "nan"),
    "end": ("0", "0.5", "5", "inf"),
    "assistant_as": ("text", "system"),
    "to": ("realtime", "live", "x"),
    "score": ("helpful<0.5", "topic=refund", "solved=true", "helpful", "<", "a<b", "\0"),
    "label": ("refund", "\0", "", "x" * 400),
    "name": ("helpful", "\0"),
    "giver": ("judge", "\ud83d"),
    "prefix": ("", "c", "\0", "\ud83d"),
    "key": ("customer", "k\u202e", "\0"),
    "include[]": ("message.input_image.image_url",),
    "audio_only": ("true",),
    "reason": ("asked for", "\0", ""),
}
#: Beside what routes declare: deep objects, and what pages read of their own accord.
EXTRA: dict[str, tuple[dict[str, str], ...]] = {
    "/v1/realtime/responses": (
        {"metadata[customer]": "a"},
        {"metadata[\0]": "a"},
        {"created[gte]": "1970-01-01T00:00:00Z", "created[lt]": "9999-12-31T23:59:59Z"},
        {"created[gte]": "1e9999999"},
        {"created[lte]": "9999-12-31T23:59:59.999999Z"},
        {"created[x]": "1"},
    ),
    "/": (
        {"key": "customer", "op": "=", "value": "a"},
        {"from": "0001-01-01", "to": "9999-12-31"},
        {"from": "1e9999999"},
        {"status": "errors", "q": "Hello"},
        {"sort": "cost", "order": "asc", "min_turns": "1", "tool": "weather"},
        {"sort": "x", "min_cost": "nan"},
        {"q": "\0"},
        {"after": "nothing"},
    ),
    "/responses": (
        {"key": "customer", "op": "!=", "value": "\0"},
        {"status": "failed", "q": "Hello", "model": "gpt-realtime"},
        {"before": "nothing"},
        {"min_tokens": "9" * 40},
        {"score": "helpful<0.5", "label": "refund"},
        {"score": "<"},
    ),
    "/usage": (
        *({"span": span} for span in ("7", "365", "all", "٣", "x")),
        {"by": "customer"},
        {"by": "\0"},
        {"from": "0001-01-01", "to": "9999-12-31"},
        {"from": "1970-01-01", "to": "1970-01-02"},
        {"from": "-1", "to": "1e9999999"},
        {"key": "customer", "op": "has"},
    ),
    "/sign-in": ({"next": "/usage"}, {"next": "//elsewhere"}, {"next": "\0"}),
}
_SENT = "text/event-stream"


class Route(NamedTuple):
    """A route of the application.

    Attributes:
        parameters: of its path, and of its query.
    """

    method: str
    path: str
    parameters: tuple[str, ...]


def routes_of(app: FastAPI) -> list[Route]:
    """Every route of the application, one for each of its methods."""
    found = []
    for route in flat_routes(app.routes):
        if isinstance(route, Mount):
            found.append(Route("GET", f"{route.path}/app.css", ()))
            continue
        dependant = getattr(route, "dependant", None)
        names = tuple(dict.fromkeys(_declared(dependant))) if dependant is not None else ()
        found += [Route(m, route.path, names) for m in sorted(getattr(route, "methods", ()))]
    return found


def _declared(dependant: Any) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for other in dependant.dependencies:
        yield from _declared(other)


def _ids_by_name(ids: Ids) -> dict[str, tuple[str, ...]]:
    """Ids for parameters of their names, odd ones behind them."""
    sessions, responses = (*ids.sessions[:3], *ODD), (*ids.responses[:3], *ODD)
    named = {
        "session_id": sessions,
        "session": sessions,
        "response_id": responses,
        "response": responses,
        "item_id": (*ids.items[:2], *ODD),
        "item": (*ids.items[:2], *ODD),
        "dead_letter_id": ("dead_W10", "dead_", "dead_WyJhIiwiYiIsMSwiYyJd", *ODD),
        "conversation_id": (*ids.conversations[:2], *ODD),
        "conversation": (*ids.conversations[:2], *ODD),
        "name": ("mine", *ODD),
    }
    behind = (*ids.responses[:1], *ids.sessions[:1], *ids.items[:1], "0", *ODD)
    return {**named, "after": behind, "before": behind}


def requests_of(route: Route, ids: Ids) -> Iterator[str]:
    """The addresses to call a route at.

    Raises:
        KeyError: it has a parameter that nothing is known of.
    """
    named = _ids_by_name(ids)
    parts = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    values = {part: named[part] for part in parts}
    paths = []
    for number in range(max((len(some) for some in values.values()), default=1)):
        path = route.path
        for part, some in values.items():
            path = path.replace(f"{{{part}}}", _quoted(some[min(number, len(some) - 1)]))
        paths.append(path)
    yield from paths
    for name in route.parameters:
        for value in VALUES[name] if name in VALUES else named[name]:
            query = _query({name: value})
            if not (
                route.path == "/v1/realtime/sessions/{session_id}" and route.method == "DELETE"
            ):
                yield f"{paths[0]}?{query}"
    for query_of in EXTRA.get(route.path, ()):
        yield f"{paths[0]}?{_query(query_of)}"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def _query(given: dict[str, str]) -> str:
    return urlencode(given, quote_via=quote, safe="", errors="surrogatepass")


class Soon:
    """`app.state.stopping` for streams without an end: they look a few times, and then end."""

    def __init__(self, looks: int = 3) -> None:
        self._left = looks

    def __bool__(self) -> bool:
        self._left -= 1
        return self._left < 0


@contextmanager
def client_of(store: EventStore, keys: AccessKeys | None = None) -> Iterator[TestClient]:
    """The application of a store, called in this process; what it fails of is raised.

    Args:
        keys: that requests come with; None where all are let in.
    """
    app = make_app(Stores(store, store, keys))
    with (
        mock.patch.object(live, "_SECOND", 0.0),
        mock.patch.object(live, "_SILENCE", 0.0),
        mock.patch.object(events, "_POLL", 0.0),
        mock.patch.dict(errors.PRIVATE, {500: errors.PRIVATE[500]}, clear=True),  # why it was 503
        TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as client,
    ):
        try:
            yield client
        finally:
            app.state.sounds.close()
            app.state.changes.close()


def ask_routes(tally: Tally, client: TestClient, ids: Ids) -> None:
    """Call every route that reads."""
    for route in routes_of(client.app):  # type: ignore[arg-type]
        if route.method == "GET":
            for address in requests_of(route, ids):
                _call(tally, client, route, address)
        elif route.path in ("/sign-in", "/sign-out"):
            for body in (b"", b"key=a&next=/", b"key=%00&next=%2F%2Fx", b"\xff\0"):
                _call(tally, client, route, route.path, body)


def ask_to_append(tally: Tally, client: TestClient, ids: Ids, written: list[Session]) -> None:
    """Send the sessions' own frames again by HTTP: as envelopes, and as bare events."""
    route = Route("POST", "/v1/realtime/sessions/{session_id}/events", ())
    for number, session in enumerate(written):
        frames = [frame for batch in session.batches for frame in batch]
        texts = [frame.text for frame in frames if isinstance(frame.text, str)]
        envelopes = [{"direction": "server", "frame": text} for text in texts]
        bodies = [dumps({"events": envelopes, "expected_seq": number})]
        bodies += [dumps({"events": envelopes, "metadata": {"customer": "a"}, "close": True})]
        bodies += [f'{{"events":[{text}]}}' for text in texts]
        bodies += [f'{{"events":[{{"direction":"client","event":{text}}}]}}' for text in texts]
        bodies += ["", "[]", '{"events":1}', '{"events":[1]}', '{"events":[{"at":1e999}]}']
        for to, body in enumerate(bodies):
            address = f"/v1/realtime/sessions/{_quoted(f'sent {number} {to % 3}')}/events"
            _call(tally, client, route, address, body.encode("utf-8", "replace"))
    for path in [*requests_of(Route("POST", route.path, ()), ids)]:
        _call(tally, client, route, path, b'{"events":[{"type":"response.create"}]}')


def ask_to_score(tally: Tally, client: TestClient, ids: Ids) -> None:
    """Score sessions, responses and items by HTTP, and send what is no score."""
    route = Route("POST", "/v1/realtime/sessions/{session_id}/scores", ())
    bodies: list[Any] = [{"name": "helpful", "value": v} for v in (0.5, True, "refund", None, [1])]
    for field, some in (("response_id", ids.responses), ("item_id", ids.items)):
        bodies += [{"name": "helpful", "value": 1, field: id_} for id_ in (*some[:2], *ODD, 7)]
    bodies += [{"name": "a\ud83d", "value": "\0"}, {"name": 1}, {"value": 1}, [], 1, {"at": "x"}]
    bodies += [{"name": "n", "value": 1, "at": at} for at in ("2026-05-04", 1e300, True, "x")]
    for address in requests_of(route, ids):
        for body in bodies:
            _call(tally, client, route, address, json.dumps(body).encode())
        for sent in (b"", b"{", b'{"name":"n","value":1e999}', b'{"x":1}'):
            _call(tally, client, route, address, sent)


def ask_to_score_on_pages(tally: Tally, client: TestClient, ids: Ids) -> None:
    """Send forms of a session's page, and what is none."""
    route = Route("POST", "/sessions/{session_id}/scores", ())
    forms: list[dict[str, str]] = [{"thumb": thumb} for thumb in ("up", "down", "none", "x")]
    forms += [{"label": label} for label in ("refund", "", "\0", "x" * 400, "\u202e")]
    forms += [{"thumb": "up", "response": id_} for id_ in (*ids.responses[:2], *ODD)]
    for address in requests_of(route, ids):
        for form in forms:
            _call(tally, client, route, address, _query(form).encode())
        for sent in (b"", b"%", b"thumb=up&" * 20, b"\xff=\xfe"):
            _call(tally, client, route, address, sent)


def ask_to_send_again(tally: Tally, client: TestClient, ids: Ids) -> None:
    """Have webhooks sent again by HTTP and by the page's forms, though none was given up."""
    for path in ("/{dead_letter_id}/send_again", "/send_again"):
        route = Route("POST", f"/v1/realtime/webhooks/dead_letters{path}", ())
        for address in requests_of(route, ids):
            _call(tally, client, route, address)
    route = Route("POST", "/webhooks", ())
    forms = [{"all": "yes"}, {"id": "dead_W10"}, {"x": "y"}, *({"id": odd} for odd in ODD)]
    for sent in (*(_query(form).encode() for form in forms), b"", b"%", b"id=a&" * 9, b"\xff"):
        _call(tally, client, route, "/webhooks", sent)


def ask_to_erase(tally: Tally, client: TestClient, ids: Ids) -> None:
    """Erase sessions by HTTP, their audio first, and ask for them again."""
    route = Route("DELETE", "/v1/realtime/sessions/{session_id}", ())
    for query in ("?audio_only=true&reason=%00", "?reason=", "?reason=asked%20for", ""):
        for address in requests_of(route, ids):
            _call(tally, client, route, f"{address}{query}")
    for after in ("", "/events", "/state", "/audio", "/transcript", "/waveform", "/reseed"):
        asked = Route("GET", route.path + after, ())
        for address in requests_of(asked, ids):
            _call(tally, client, asked, address)


def _call(
    tally: Tally, client: TestClient, route: Route, address: str, body: bytes | None = None
) -> None:
    if tally.takes(f"{route.method} {route.path}"):
        call(tally, client, route, address, body)


def call(
    tally: Tally,
    client: TestClient,
    route: Route,
    address: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response | None:
    """Call a route, and look whether its answer is one; None where there is none, or a failure."""
    what = f"{route.method} {route.path}"
    client.app.state.stopping = Soon()  # type: ignore[attr-defined]
    told = f"{route.method} {address}\n{(body or b'')[:3000]!r}"
    answer = tally.ask(
        "requests",
        what,
        lambda: client.request(route.method, address, content=body, headers=headers),
        told,
    )
    if answer is None:
        return None
    if answer.status_code >= 500:
        tally.fail(what, f"{answer.status_code}: {answer.text[:80]}", f"{told}\n{answer.text}")
        return None
    tally.ask("checks", what, lambda: _check(answer), told)
    return answer


def _check(answer: httpx.Response) -> None:
    """Raises ValueError where an answer is none of its kind."""
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind == "application/json":
        strict_json(answer.content.decode())
    elif kind == "application/x-ndjson":
        for line in answer.content.decode().split("\n")[:-1]:
            strict_json(line)
    elif kind == "text/html":
        check_page(answer.content.decode())
    elif kind == _SENT:
        for line in answer.content.decode().split("\n"):
            if line.startswith("data: "):
                json.loads(line.removeprefix("data: "))
