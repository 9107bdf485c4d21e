"""Acceptance: GPT-Live sessions, sidebands and forks go through the relay and are recorded."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from support.live_calls import sideband, start
from support.live_clients import (
    ROLES,
    connecting,
    converse,
    converse_async,
    events,
    live_client,
    sent_in,
)
from support.live_server import live_server
from support.live_usage import seconds_by_session
from support.relaying import relaying
from support.taps import kept
from support.webrtc import webrtc_server

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.relay.relay_calls import created_session, sideband_address
from eventstore.capture.relay.relay_request import AnswerReader, HttpRequest, parse_upstream

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
KEY = "sk-very-secret"
SECRET = "tok-Ab3dEf6hIj9kLm2n"
PATHS = {
    "connect": "/v1/live/sessions",
    "forks": "/v1/live/sessions/live_x1/fork",
    "sideband": "/v1/live/sessions/live_x1/attach",
}
SDP_ANSWER = "v=0 answer"


def http_answer(body: bytes, status: bytes = b"201 Created") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def created(session_id: str) -> bytes:
    """How a server answers that a session was created."""
    transport = {"type": "webrtc", "sdp": SDP_ANSWER}
    return http_answer(json.dumps({"session": {"id": session_id}, "transport": transport}).encode())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("role", ROLES)
def test_every_connection_is_relayed_and_recorded(
    store: EventStore, role: str, is_async: bool
) -> None:
    with live_server() as server, relaying(store, server.url) as relayed:
        manager = connecting(live_client(relayed.url, is_async), role)
        hears = len(sideband()) if role == "sideband" else 0
        if is_async:
            came = asyncio.run(converse_async(manager, role, hears))
        else:
            came = converse(manager, role, hears)
        relayed.ended()
    [session] = kept(store)
    assert server.paths == [PATHS[role]]
    assert session.came == came and events(session.sent) == sent_in(role)
    assert session.opened["url"] == f"{server.url.removesuffix('/v1')}{PATHS[role]}"
    assert session.id == ("live_x1" if role == "sideband" else "live_1")
    assert store.state(session.id)["session"]["eventstore"]["protocol"] == "live"


@pytest.mark.parametrize("role", ROLES)
def test_metadata_are_taken_out_wherever_they_stand(store: EventStore, role: str) -> None:
    with live_server() as server, relaying(store, server.url, metadata={"env": "prod"}) as relayed:
        url = relayed.url.replace("/v1", "/metadata/customer=42/plan=gold/v1")
        more: dict[str, Any] = {
            "extra_query": {"metadata[order]": "7", "graceful_close": "true"},
            "extra_headers": {"X-Eventstore-Metadata": "agent=a"},
        }
        hears = len(sideband()) if role == "sideband" else 0
        converse(connecting(live_client(url), role, **more), role, hears)
        relayed.ended()
    [session] = kept(store)
    pairs = {"env": "prod", "agent": "a", "customer": "42", "plan": "gold", "order": "7"}
    assert session.opened["metadata"] == pairs
    assert server.paths == [f"{PATHS[role]}?graceful_close=true"]
    assert not any("eventstore" in name for name in server.heads[0])


def test_the_protocol_is_known_before_the_server_says_anything(store: EventStore) -> None:
    with live_server() as server, relaying(store, server.url) as relayed:
        with live_client(relayed.url).live.connect():
            pass
        relayed.ended()
    [session] = kept(store)
    assert session.sent == session.came == []
    assert store.state(session.id)["session"]["eventstore"]["protocol"] == "live"


def test_a_session_and_its_sideband_are_billed_once(store: EventStore) -> None:
    with live_server() as server, relaying(store, server.url) as relayed:
        client = live_client(relayed.url)
        with client.live.connect() as own:
            own.send(start())
            own.recv_bytes()
            converse(connecting(client, "sideband", "live_1"), "sideband", len(sideband()))
            for event in sent_in("connect")[1:]:
                own.send(event)
            for _ in range(5):
                own.recv_bytes()
        relayed.ended(2)
    assert len(store.sessions().data) == 2
    assert seconds_by_session(store) == {"live_1": 2}


def test_secrets_are_taken_out_of_what_an_app_configures(store: EventStore) -> None:
    tool = {
        "type": "mcp",
        "server_label": "crm",
        "server_url": f"https://crm.example/mcp?token={SECRET}",
        "authorization": SECRET,
        "headers": {"X-Tenant": SECRET},
    }
    delegation = {"type": "responses", "responses": {"model": "gpt-5", "tools": [tool]}}
    asked = {"type": "session.start", "session": {"model": "gpt-live-1", "delegation": delegation}}
    recorder = Recorder(store, redact=True)
    with live_server() as server, relaying(recorder, server.url) as relayed:
        with live_client(relayed.url).live.connect() as connection:
            connection.send(asked)
            connection.recv_bytes()
        relayed.ended()
    [sent] = server.got.values()
    assert events(sent) == [asked]
    assert not any(SECRET in str(event.text) for event in store.events("live_1"))
    [frame] = [event.text for event in store.events("live_1") if event.type == "session.start"]
    [masked] = json.loads(frame)["session"]["delegation"]["responses"]["tools"]
    assert masked == {
        **tool,
        "server_url": "https://crm.example/mcp?token=[removed]",
        "authorization": "[removed]",
        "headers": {"X-Tenant": "[removed]"},
    }


# Sessions over WebRTC


@pytest.mark.parametrize("forks", [False, True], ids=["created", "forked"])
def test_a_session_that_the_openai_package_creates_is_joined(
    store: EventStore, forks: bool
) -> None:
    with (
        live_server() as server,
        webrtc_server(server, answer=created("live_9")) as upstream,
        relaying(store, upstream.url, metadata={"env": "prod"}) as relayed,
    ):
        base = f"http://127.0.0.1:{relayed.port}/metadata/plan=gold/v1"
        live: Any = openai.OpenAI(api_key=KEY, base_url=base).live
        more: dict[str, Any] = {
            "transport": {"type": "webrtc", "sdp": "v=0"},
            "session": {"model": "gpt-live-1"},
            "extra_headers": {"X-Eventstore-Metadata": "customer=42", "OpenAI-Project": "proj_1"},
        }
        answer = live.sessions.fork("live_old", **more) if forks else live.create(**more)
        assert (answer.session.id, answer.transport.sdp) == ("live_9", SDP_ANSWER)
        (ended,) = relayed.ended()
    [session] = kept(store)
    assert session.id == "live_9"
    assert events(session.came) == sideband("live_9")
    metadata = {"env": "prod", "customer": "42", "plan": "gold", "call_id": "live_9"}
    assert session.opened["metadata"] == metadata
    assert server.paths == ["/v1/live/sessions/live_9/attach"]
    [head] = server.heads
    assert (head["authorization"], head["openai-project"]) == (f"Bearer {KEY}", "proj_1")
    path = b"/v1/live/sessions/live_old/fork" if forks else b"/v1/live/sessions"
    assert upstream.heads[0].startswith(b"POST %s HTTP/1.1\r\n" % path)
    # The relay must be able to read the answer.
    assert b"accept-encoding" not in upstream.heads[0].lower()
    assert ended.endswith("ends: live_9, closed by the server with 1000")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (created("live_9"), "live_9"),
        (http_answer(b'{"session": {"id": "live/../9"}}'), None),
        (http_answer(b'{"session": {"id": 9}}'), None),
        (http_answer(b'{"session": 9}'), None),
        (http_answer(b"[" * 100_000), None),
        (http_answer(b'{"session": {"id": "live_9"}}' + b" " * 600_000 + b"}"), None),
        (http_answer(b"\xff{}"), None),
        (http_answer(b""), None),
    ],
)
@pytest.mark.parametrize("size", [7, 1_000_000])
def test_whatever_the_answer_is_only_an_id_counts(
    store: EventStore, answer: bytes, found: str | None, size: int
) -> None:
    size = size if len(answer) < 10_000 else max(size, 5000)
    reader = AnswerReader(keeps_body=True)
    for start_ in range(0, len(answer), size):
        reader.feed(answer[start_ : start_ + size])
    assert created_session(reader) == found
    assert len(reader.body) <= 256 * 1024


def test_a_body_is_kept_only_where_it_is_asked_for(store: EventStore) -> None:
    reader = AnswerReader()
    reader.feed(created("live_9"))
    assert reader.ended and reader.body == b""


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("/v1/live/sessions", "wss://api.openai.com/v1/live/sessions/live_9/attach"),
        (
            "/v1/live/sessions/live_1/fork?x=y",
            "wss://api.openai.com/v1/live/sessions/live_9/attach",
        ),
        (
            "/metadata/a=b/v1/live/sessions/?api-version=1&api-key=k&x=y",
            "wss://api.openai.com/v1/live/sessions/live_9/attach?api-version=1&api-key=k",
        ),
    ],
)
def test_where_a_created_session_is_joined(store: EventStore, target: str, url: str) -> None:
    request = HttpRequest("POST", target, "1.1", [])
    upstream = parse_upstream("wss://api.openai.com")
    assert sideband_address(upstream, request, "live_9", None).url == url


@pytest.mark.parametrize(
    ("method", "target", "creates"),
    [
        ("POST", "/v1/live/sessions", True),
        ("POST", "/metadata/a=b/v1/live/sessions/live_1/fork?x=y", True),
        ("GET", "/v1/live/sessions", False),
        ("POST", "/v1/live/sessions/live_1/accept", False),
        ("POST", "/v1/live/sessions/live_1/hangup", False),
        ("POST", "/v1/realtime/calls", False),
    ],
)
def test_which_request_creates_a_session(
    store: EventStore, method: str, target: str, creates: bool
) -> None:
    assert HttpRequest(method, target, "1.1", []).creates_live_session == creates
