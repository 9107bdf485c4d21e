"""Acceptance: calls over WebRTC that the relay sees created, which it joins and records."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import openai
import pytest
from support.call_server import CAME, call_server
from support.relaying import (
    Relayed,
    bare_client,
    eventually,
    read_all,
    relaying,
)
from support.taps import kept
from support.webrtc import CREATED, SDP, webrtc_server

from eventstore import EventStore
from eventstore.capture.relay.relay_calls import created_call, sideband_address
from eventstore.capture.relay.relay_request import AnswerReader, HttpRequest, parse_upstream

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
KEY = "sk-very-secret"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def create(relayed: Relayed, key: str = KEY, query: str = "", **headers: str) -> httpx.Response:
    """Ask for a call, as a browser does."""
    return httpx.post(
        f"http://127.0.0.1:{relayed.port}/v1/realtime/calls{query}",
        content=b"v=0",
        headers={"Content-Type": "application/sdp", "Authorization": f"Bearer {key}", **headers},
        timeout=20,
    )


def test_a_call_that_the_openai_package_creates_is_recorded(store: EventStore) -> None:
    with (
        call_server() as server,
        webrtc_server(server, "rtc_1") as upstream,
        relaying(store, upstream.url, metadata={"env": "prod"}) as relayed,
    ):
        client = openai.OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{relayed.port}/v1")
        answer = client.realtime.calls.create(
            sdp="v=0",
            session={"type": "realtime", "model": "gpt-realtime"},
            extra_headers={
                "X-Eventstore-Metadata": "customer=42",
                "OpenAI-Project": "proj_1",
                "traceparent": PARENT,
            },
        )
        assert answer.content == SDP
        assert answer.response.headers["Location"] == "/v1/realtime/calls/rtc_1"
        (ended,) = relayed.ended()
    [session] = kept(store)
    assert session.came == CAME
    assert session.ending == ("server", 1000, "over")
    opened = session.opened
    assert opened["metadata"] == {"env": "prod", "customer": "42", "call_id": "rtc_1"}
    assert (opened["by"], opened["call_id"]) == ("sideband", "rtc_1")
    assert opened["user_agent"].startswith("OpenAI/Python")
    assert opened["traceparent"] == PARENT
    assert opened["url"] == f"{upstream.url}/v1/realtime?call_id=rtc_1"
    [head] = server.heads
    assert (head["authorization"], head["openai-project"]) == (f"Bearer {KEY}", "proj_1")
    assert server.paths == ["/v1/realtime?call_id=rtc_1"]
    assert not any(b"eventstore" in asked.lower() for asked in upstream.heads)
    assert not any(KEY in str(event.text) for event in store.events(session.id))
    assert relayed.told == [f"1: begins: {opened['url']}", ended]
    assert ended.endswith("ends: rtc_1, closed by the server with 1000 'over'")


def test_metadata_may_stand_in_the_query_and_is_taken_off(store: EventStore) -> None:
    with (
        call_server() as server,
        webrtc_server(server, "rtc_1") as upstream,
        relaying(store, upstream.url, metadata={"env": "prod"}) as relayed,
    ):
        create(relayed, query="?metadata[customer]=42&model=m&metadata[env]=test")
        relayed.ended()
    [session] = kept(store)
    assert session.opened["metadata"] == {"env": "prod", "customer": "42", "call_id": "rtc_1"}
    assert session.opened["metadata_refused"] == "a key is set by the relay"
    assert upstream.heads[0].startswith(b"POST /v1/realtime/calls?model=m HTTP/1.1\r\n")


def test_a_client_secret_that_joins_no_call_is_told_once(store: EventStore) -> None:
    with (
        call_server(accepted=set(), status=401) as server,
        webrtc_server(server, "rtc_1", "rtc_2") as upstream,
        relaying(store, upstream.url) as relayed,
    ):
        for number in (1, 2):
            assert create(relayed, "ek_123").content == SDP
            eventually(lambda number=number: len(relayed.told) == number)
    assert [head["authorization"] for head in server.heads] == ["Bearer ek_123"] * 2
    first, second = relayed.told
    assert first.startswith("1: rtc_1 is not recorded: cannot join rtc_1: 401 Unauthorized")
    assert "set OPENAI_API_KEY for the relay" in first
    assert "OPENAI_API_KEY" not in second
    assert kept(store) == []


def address(upstream: str, target: str = "/v1/realtime/calls", **headers: str) -> Any:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = HttpRequest("POST", target, "1.1", sent)
    return sideband_address(parse_upstream(upstream), request, "rtc_1", None)


def test_the_relays_own_key_stands_in_for_a_client_secret_at_its_provider(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "own")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure")
    secret, azure = {"Authorization": "Bearer ek_1"}, "wss://a.openai.azure.com/openai"
    own = address("wss://api.openai.com", **secret, OpenAI_Project="p").headers
    assert own == {"Authorization": "Bearer own"}
    assert address(azure, **secret).headers == {"api-key": "azure"}
    assert address("wss://api.x.ai", **secret).headers == {"authorization": "Bearer ek_1"}
    given = address("wss://api.openai.com", Authorization="Bearer sk-1", OpenAI_Project="p").headers
    assert given == {"authorization": "Bearer sk-1", "openai-project": "p"}
    assert address(azure, api_key="k").headers == {"api-key": "k"}


@pytest.mark.parametrize(
    ("upstream", "target", "url"),
    [
        ("wss://api.openai.com", "/v1/realtime/calls", "wss://api.openai.com/v1/realtime"),
        ("wss://api.openai.com/v1", "/v1/realtime/calls/", "wss://api.openai.com/v1/realtime"),
        ("ws://h:8", "/v1/realtime/calls?model=m&x", "ws://h:8/v1/realtime"),
        ("wss://a.b/openai", "/v1/realtime/calls", "wss://a.b/openai/v1/realtime"),
    ],
)
def test_where_a_created_call_is_joined(
    store: EventStore, upstream: str, target: str, url: str
) -> None:
    assert address(upstream, target).url == f"{url}?call_id=rtc_1"


def test_what_says_who_asks_is_kept_of_the_query_and_of_the_upstream(store: EventStore) -> None:
    found = address("wss://u:p@h?k=1", "/v1/realtime/calls?api-version=2&model=m&api-key=3")
    assert found.url == "wss://h/v1/realtime?k=1&api-version=2&api-key=3&call_id=rtc_1"
    assert found.headers == {"authorization": "Basic dTpw"}


@pytest.mark.parametrize(
    ("status", "location", "call_id"),
    [
        (201, "/v1/realtime/calls/rtc_1", "rtc_1"),
        (200, "https://elsewhere.example/openai/v1/realtime/calls/rtc_1/?x=y#z", "rtc_1"),
        (201, "/v1/realtime/calls/", None),
        (201, "/v1/realtime/calls/rtc_1/accept", None),
        (201, "/v1/realtime/calls/a%26b", None),
        (201, f"/v1/realtime/calls/{'x' * 129}", None),
        (201, "/v1/chat/rtc_1", None),
        (201, "https://[", None),
        (201, "", None),
        (302, "/v1/realtime/calls/rtc_1", None),
        (400, "/v1/realtime/calls/rtc_1", None),
    ],
)
def test_which_answers_name_a_call(
    store: EventStore, status: int, location: str, call_id: str | None
) -> None:
    reader = AnswerReader()
    reader.feed(f"HTTP/1.1 {status} X\r\nLocation: {location}\r\n\r\n".encode())
    assert created_call(reader) == call_id


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno",
        b"HTTP/1.1 201 Created\r\n\r\nsdp",
        b"this is no HTTP\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nX: " + b"x" * 600_000 + b"\r\n\r\nsdp",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + CREATED % (b"rtc_1", 0),
        b"HTTP/1.1 201 Created\r\nLocation: /v1/realtime/calls/rtc_1",
    ],
)
def test_whatever_the_answer_is_it_passes(store: EventStore, answer: bytes) -> None:
    request = b"POST /v1/realtime/calls HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nv=0"
    with (
        call_server() as server,
        webrtc_server(server, answer=answer) as upstream,
        relaying(store, upstream.url) as relayed,
        bare_client(relayed.port, request) as client,
    ):
        assert read_all(client) == answer
    assert server.asked == {} and kept(store) == []


def test_a_joined_call_takes_a_place_of_the_relays(store: EventStore) -> None:
    with (
        call_server(over=set()) as server,
        webrtc_server(server, "rtc_1", "rtc_2") as upstream,
        relaying(store, upstream.url, max_calls=1) as relayed,
    ):
        assert create(relayed).status_code == 201
        eventually(lambda: relayed.relay.live == 1)
        assert create(relayed).status_code == 503
        assert server.over is not None
        server.over.add("rtc_1")
        relayed.ended()
        eventually(lambda: create(relayed).status_code == 201)
        server.over.add("rtc_2")
        relayed.ended(2)
    assert len(kept(store)) == 2


def test_a_relay_that_is_stopped_leaves_the_calls_that_it_joined(store: EventStore) -> None:
    with (
        call_server(over=set()) as server,
        webrtc_server(server, "rtc_1") as upstream,
        relaying(store, upstream.url) as relayed,
    ):
        create(relayed)
        eventually(lambda: relayed.relay.live == 1)
        relayed.drain()
        eventually(lambda: server.codes == [1000])
        assert relayed.told[-1].endswith("ends: rtc_1, closed by the recorder with 1000")
    [session] = kept(store)
    assert session.ending == ("recorder", 1000, "")


def test_a_joined_call_may_end_by_itself_while_the_relay_stops(store: EventStore) -> None:
    with (
        call_server(over=set()) as server,
        webrtc_server(server, "rtc_1") as upstream,
        relaying(store, upstream.url) as relayed,
    ):
        create(relayed)
        eventually(lambda: relayed.relay.live == 1)
        assert server.over is not None
        threading.Timer(0.3, server.over.add, ("rtc_1",)).start()
        relayed.drain(60)
    [session] = kept(store)
    assert session.ending == ("server", 1000, "over")
