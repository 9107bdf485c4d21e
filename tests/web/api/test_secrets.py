"""Secrets in frames are in no route and on no page, save for keys that may read them raw."""

from __future__ import annotations

import httpx
import pytest
from support.api_serving import Serve
from support.events import Call
from support.planted import planted_call

from eventstore import EventStore
from eventstore.web.server.access import parse_keys

SECRET = "q7ZplantedSecret123"
READER, RAW = "k" * 20 + "reader", "k" * 20 + "raw"
KEYS = f"""
[[key]]
name = "reader"
key = "{READER}"
[[key]]
name = "raw"
key = "{RAW}"
rights = ["read", "raw"]
"""
SESSION = "/v1/realtime/sessions/sess_1"
ROUTES = [
    *("/v1/realtime/sessions", "/v1/realtime/sessions?summary=true", SESSION, f"{SESSION}/state"),
    *(f"{SESSION}/usage", f"{SESSION}/transcript", f"{SESSION}/waveform", f"{SESSION}/reseed"),
    *(f"{SESSION}/events?limit=100", f"{SESSION}/events?after=20&limit=1"),
    *("/v1/realtime/responses", "/v1/realtime/responses?q=key", "/v1/realtime/responses/resp_1"),
    *("/v1/conversations/conv_1", "/v1/conversations/conv_1/items", "/v1/realtime/metadata"),
    *("/v1/realtime/metadata/values?key=token", "/v1/realtime/metadata/values?key=note"),
    *("/v1/realtime/usage?by=metadata:token", "/v1/realtime/latency?by=metadata:note"),
    *("/", "/responses", "/responses?q=key", "/usage?by=token", "/sessions/sess_1"),
]


@pytest.fixture
def url(store: EventStore, serve: Serve) -> str:
    store.append("sess_1", planted_call(SECRET).frames, close=True)
    return serve(parse_keys(KEYS))


def client(url: str, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30, follow_redirects=True
    )


def test_a_secret_is_in_no_answer(url: str) -> None:
    with client(url, READER) as reader:
        for route in ROUTES:
            answer = reader.get(route)
            assert answer.status_code == 200, (route, answer.text)
            assert SECRET not in answer.text, route


def test_every_event_by_itself_has_no_secret(url: str) -> None:
    with client(url, READER) as reader:
        after = 0
        while data := reader.get(f"{SESSION}/events", params={"after": after}).json()["data"]:
            assert SECRET not in str(data)
            after = data[-1]["seq"]
        told = reader.get(f"{SESSION}/events", params={"stream": "true"}).text
        assert "[removed]" in told and SECRET not in told


def test_a_secret_that_began_far_before_a_page_is_masked(store: EventStore, serve: Serve) -> None:
    call = Call().created("resp_1")
    for piece in ('{"token":', ' "', *["x"] * 700, SECRET, '"}'):
        call.server("response.function_call_arguments.delta", item_id="item_1", delta=piece)
    store.append("sess_1", call.frames)
    with client(serve(parse_keys(KEYS)), READER) as reader:
        told = reader.get(f"{SESSION}/events", params={"after": 700, "limit": 5}).text
    assert "[removed]" in told and SECRET not in told


def test_raw_frames_are_for_keys_with_the_right(url: str, store: EventStore) -> None:
    with client(url, READER) as reader, client(url, RAW) as raw:
        refused = reader.get(f"{SESSION}/events?format=jsonl")
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "missing_right"
        exact = raw.get(f"{SESSION}/events?format=jsonl").content
        assert exact == b"".join(store.export("sess_1")) or SECRET.encode() in exact
        shown = raw.get(f"{SESSION}/events?limit=100").text
        assert SECRET in shown
        assert "format=jsonl" not in reader.get("/sessions/sess_1").text
        assert "format=jsonl" in raw.get("/sessions/sess_1").text
        assert SECRET not in raw.get("/sessions/sess_1").text


def test_open_sessions_are_followed_without_secrets(serve: Serve, store: EventStore) -> None:
    store.append("sess_1", planted_call(SECRET).frames[:-1])
    with (
        client(serve(parse_keys(KEYS)), READER) as reader,
        reader.stream("GET", "/v1/realtime/live") as told,
    ):
        first = next(told.iter_text())
    assert "sess_1" in first and SECRET not in first
