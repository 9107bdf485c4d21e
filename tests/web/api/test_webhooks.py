"""Acceptance: webhooks that come over HTTP, and the calls that are recorded for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Queue
from typing import Any

import httpx
import pytest
from support.call_server import CAME, CallServer, call_server
from support.relaying import eventually
from support.taps import kept
from support.webhooks import SECRET, body_of, incoming, post, signed

from eventstore import EventStore
from eventstore.capture.calls.call_recordings import MAX_RECORDED_CALLS, CallRecordings, CallUpdate
from eventstore.capture.calls.incoming_calls import IncomingCalls
from eventstore.capture.calls.webhooks import MAX_WEBHOOK_BYTES, parse_secret
from eventstore.capture.recorder.recorder import Recorder
from eventstore.web.api.webhooks import WEBHOOK_PATH, make_webhook_app
from eventstore.web.app import make_app
from eventstore.web.running import Server, configuration
from eventstore.web.server.access import one_key
from eventstore.web.server.requests import Stores

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@dataclass
class Receiving:
    """A receiver of webhooks, and what it told."""

    base: str = ""
    news: list[CallUpdate] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.base + WEBHOOK_PATH

    def ended(self, number: int = 1) -> list[CallUpdate]:
        """Wait until so many calls are over."""

        def over() -> list[CallUpdate]:
            return [news for news in self.news if news.kind in ("ended", "failed")]

        eventually(lambda: len(over()) >= number)
        return over()


@contextmanager
def receiving(
    store: EventStore,
    upstream: CallServer,
    *,
    wait: float = 60.0,
    most: int = MAX_RECORDED_CALLS,
    headers: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    app: Callable[[IncomingCalls], Any] = lambda calls: make_webhook_app(calls, lambda: b"{}"),
) -> Iterator[Receiving]:
    """Receive webhooks on loopback; what was recorded is committed with the block's end."""
    told, ports = Receiving(), Queue[int]()
    with Recorder(store) as recorder:
        calls = IncomingCalls(
            parse_secret(SECRET),
            CallRecordings(recorder, most),
            upstream.url,
            wait,
            metadata or {},
            headers or {},
            told.news.append,
            told.refused.append,
        )
        server = Server(configuration(app(calls), "127.0.0.1", 0), ports.put)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        told.base = f"http://127.0.0.1:{ports.get(timeout=20)}"
        try:
            yield told
        finally:
            server.should_exit = True
            thread.join(20)


def test_a_call_is_recorded_once_it_is_accepted(store: EventStore) -> None:
    with call_server(accepted=set()) as server, receiving(store, server) as at:
        body = incoming("rtc_1", From='"Ann" <sip:+1555@a.example>;tag=1', To="sip:7@b.example")
        assert post(at.url, body) == 204
        eventually(lambda: server.asked["rtc_1"] >= 2)
        assert [news.kind for news in at.news] == ["incoming"]
        assert server.accepted is not None
        server.accepted.add("rtc_1")
        (ended,) = at.ended()
    [session] = kept(store)
    assert session.came == CAME
    assert (ended.kind, ended.session_id) == ("ended", session.id)
    assert session.ending == ended.ending == ("server", 1000, "over")
    assert session.opened["call_id"] == "rtc_1"
    assert session.opened["metadata"] == {
        "from": "sip:+1555@a.example",
        "to": "sip:7@b.example",
        "call_id": "rtc_1",
    }
    assert server.paths == ["/v1/realtime?call_id=rtc_1"] * server.asked["rtc_1"]
    assert {head["authorization"] for head in server.heads} == {f"Bearer {KEY}"}
    assert not any(KEY in str(event.text) for event in store.events(session.id))
    assert [news.kind for news in at.news] == ["incoming", "joined", "ended"]


def test_headers_that_are_asked_for_and_own_pairs_are_metadata(store: EventStore) -> None:
    options: dict[str, Any] = {"headers": {"x-customer": "customer"}, "metadata": {"to": "us"}}
    with call_server() as server, receiving(store, server, **options) as at:
        assert post(at.url, incoming(X_Customer="42\r\nx", X_More="no", To="sip:x@y")) == 204
        at.ended()
    [session] = kept(store)
    assert session.opened["metadata"] == {"customer": "42  x", "to": "us", "call_id": "rtc_1"}


def test_a_webhook_that_comes_again_is_ignored(store: EventStore) -> None:
    with call_server(over={"rtc_2"}) as server, receiving(store, server) as at:
        body = incoming()
        again = signed(body)
        assert [post(at.url, body, again) for _ in range(3)] == [204] * 3
        assert post(at.url, body, signed(body, again["webhook-id"], age=1)) == 204
        eventually(lambda: len(at.news) >= 2)
        assert post(at.url, body) == 204  # another webhook of a call that is being recorded
        assert post(at.url, incoming("rtc_2")) == 204
        at.ended()
        assert server.over is not None
        server.over.add("rtc_1")
        at.ended(2)
        assert post(at.url, body, again) == 204
    assert len(kept(store)) == 2
    assert server.asked == {"rtc_1": 1, "rtc_2": 1}


@pytest.mark.parametrize("kind", ["secret", "body", "age", "none", "type", "json"])
def test_what_is_not_genuine_is_refused(store: EventStore, kind: str) -> None:
    body = incoming()
    headers = {
        "secret": signed(body, secret=SECRET[:-4] + "AAA="),
        "body": signed(body + b" "),
        "age": signed(body, age=400),
        "none": {},
        "type": signed(body_of("response.completed")),
        "json": signed(b"{"),
    }[kind]
    sent = b"{" if kind == "json" else body
    with call_server() as server, receiving(store, server) as at:
        for _ in range(3):
            answer = httpx.post(at.url, content=sent, headers=headers)
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == "invalid_webhook"
        assert len(at.refused) == 1  # once a minute
        assert post(at.url, incoming("rtc_2")) == 204
        at.ended()
    assert server.asked == {"rtc_2": 1}


def test_other_events_are_answered_and_ignored(store: EventStore) -> None:
    with call_server() as server, receiving(store, server) as at:
        for body in (body_of("response.completed", data={"id": "resp_1"}), b"[]", b"null"):
            assert post(at.url, body) == 204
    assert server.asked == {} and at.news == [] and at.refused == []


@pytest.mark.parametrize("is_beside", [False, True])
def test_a_webhook_that_is_too_large_is_refused(store: EventStore, is_beside: bool) -> None:
    body = body_of(data={"call_id": "rtc_1", "more": "x" * MAX_WEBHOOK_BYTES})

    def pieces() -> Iterator[bytes]:
        yield body[:1000]
        yield body[1000:]

    def beside(calls: IncomingCalls) -> Any:
        return make_app(Stores(store, store, None), incoming_calls=calls)

    options: dict[str, Any] = {"app": beside} if is_beside else {}
    with call_server() as server, receiving(store, server, **options) as at:
        assert post(at.url, body) == 413
        assert httpx.post(at.url, content=pieces(), headers=signed(body)).status_code == 413
    assert server.asked == {}


def test_a_call_that_nobody_accepts_is_let_go_and_holds_no_other(store: EventStore) -> None:
    with call_server({"rtc_2"}) as server, receiving(store, server, wait=0.5) as at:
        assert post(at.url, incoming("rtc_1")) == 204
        assert post(at.url, incoming("rtc_2")) == 204
        ended = {news.call_id: news for news in at.ended(2)}
    assert ended["rtc_1"].kind == "failed"
    assert "cannot join rtc_1 within 0.5 s: 404" in ended["rtc_1"].why
    assert ended["rtc_2"].kind == "ended"
    assert [session.opened["call_id"] for session in kept(store)] == ["rtc_2"]


def test_calls_beyond_the_most_may_come_again_later(store: EventStore) -> None:
    with call_server(over=set()) as server, receiving(store, server, most=2) as at:
        for number in (1, 2):
            assert post(at.url, incoming(f"rtc_{number}")) == 204
        body = incoming("rtc_3")
        headers = signed(body)
        answer = httpx.post(at.url, content=body, headers=headers)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert server.over is not None
        server.over.add("rtc_1")
        at.ended()
        eventually(lambda: post(at.url, body, headers) == 204)
        server.over.update(("rtc_2", "rtc_3"))
        at.ended(3)
    assert len(kept(store)) == 3


def test_a_flood_of_webhooks_is_answered_and_a_call_gets_through(store: EventStore) -> None:
    with call_server() as server, receiving(store, server) as at, httpx.Client() as client:
        for number in range(300):
            forged = {**signed(b""), "webhook-id": f"wh_{number}"}
            assert client.post(at.url, content=b"x" * 2000, headers=forged).status_code == 400
        assert post(at.url, incoming()) == 204
        at.ended()
    assert len(kept(store)) == 1 and len(at.refused) == 1


def test_there_is_nothing_but_the_webhook_and_health(store: EventStore) -> None:
    with call_server() as server, receiving(store, server) as at:
        assert httpx.get(f"{at.base}/healthz").json() == {}
        for path in ("/", "/v1/realtime/sessions", "/docs", "/openapi.json"):
            answer = httpx.get(at.base + path)
            assert answer.status_code == 404 and json.loads(answer.text)["error"]
        assert httpx.get(at.url).status_code == 405


# Beside the API


def test_a_server_with_keys_takes_webhooks_by_any_name_and_nothing_else(store: EventStore) -> None:
    def app(keys: Any) -> Callable[[IncomingCalls], Any]:
        return lambda calls: make_app(Stores(store, store, keys), incoming_calls=calls)

    for keys, other in ((None, 403), (one_key("k" * 20), 401)):
        with call_server() as server, receiving(store, server, app=app(keys)) as at:
            body = incoming(f"rtc_{other}")
            through = {"Host": "tunnel.example", "Origin": "https://evil.example"}
            assert post(at.url, body, {**signed(body), **through}) == 204
            assert post(at.url, body, {**through}) == 400
            listed = httpx.get(f"{at.base}/v1/realtime/sessions", headers=through)
            assert listed.status_code == other
            at.ended()
    assert len(kept(store)) == 2


def test_a_server_without_them_takes_none(store: EventStore) -> None:
    def app(calls: IncomingCalls) -> Any:
        return make_app(Stores(store, store, None))

    with call_server() as server, receiving(store, server, app=app) as at:
        assert post(at.url, incoming()) == 404
