"""Integration: secrets of GPT-Live sessions are in no route and on no page."""

from __future__ import annotations

import httpx
import pytest
from support.api_serving import Serve
from support.planted_live import planted_live_call

from eventstore import EventStore
from eventstore.web.server.access import parse_keys

SECRET = "q7ZplantedSecret123"
READER = "k" * 20 + "reader"
KEYS = f"""
[[key]]
name = "reader"
key = "{READER}"
"""
SESSION = "/v1/realtime/sessions/live"
ROUTES = [
    *("/v1/realtime/sessions", "/v1/realtime/sessions?summary=true", SESSION, f"{SESSION}/state"),
    *(f"{SESSION}/usage", f"{SESSION}/transcript", f"{SESSION}/waveform", f"{SESSION}/reseed"),
    *(f"{SESSION}/reseed?to=realtime", f"{SESSION}/reseed?to=live&assistant_as=system"),
    *(f"{SESSION}/events?limit=100", f"{SESSION}/events?after=20&limit=1"),
    *("/v1/realtime/responses", "/v1/realtime/responses?q=key", "/v1/realtime/responses/resp_1"),
    *("/v1/realtime/metadata", "/v1/realtime/metadata/values?key=token"),
    *("/v1/realtime/usage?by=metadata:token", "/v1/realtime/latency?by=metadata:note"),
    *("/", "/responses", "/responses?q=key", "/usage?by=token", "/sessions/live"),
]


@pytest.fixture
def reader(store: EventStore, serve: Serve) -> httpx.Client:
    store.append("live", planted_live_call(SECRET).frames, close=True)
    return httpx.Client(
        base_url=serve(parse_keys(KEYS)),
        headers={"Authorization": f"Bearer {READER}"},
        timeout=30,
        follow_redirects=True,
    )


def test_a_secret_of_a_live_session_is_in_no_answer(reader: httpx.Client) -> None:
    with reader:
        for route in ROUTES:
            answer = reader.get(route)
            assert answer.status_code == 200, (route, answer.text)
            # Nor a part of one that is split over the words of a transcript.
            assert SECRET[:9] not in answer.text and SECRET[9:] not in answer.text, route
        assert "[removed]" in reader.get(f"{SESSION}/state").text


def test_every_event_of_a_live_session_by_itself_has_no_secret(reader: httpx.Client) -> None:
    with reader:
        after, told = 0, ""
        while data := reader.get(f"{SESSION}/events?after={after}&limit=1").json()["data"]:
            told += str(data)
            after = data[-1]["seq"]
        assert "[removed]" in told and SECRET not in told
        # Nor do the pieces of a text spell it that a backend sent one by one.
        streamed = reader.get(f"{SESSION}/events", params={"stream": "true"}).text
        assert SECRET[:7] not in streamed


def test_a_reseed_says_which_protocol_it_cannot_make(reader: httpx.Client) -> None:
    with reader:
        assert reader.get(f"{SESSION}/reseed?to=sip").status_code == 400
        made = reader.get(f"{SESSION}/reseed?to=realtime").json()["data"]
        assert made[0]["type"] == "session.update"
        assert reader.get(f"{SESSION}/reseed").json()["data"][0]["type"] == "session.start"
