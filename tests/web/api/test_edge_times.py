"""Times at both ends of the calendar break no route and no page."""

from __future__ import annotations

import httpx
import pytest
from support.api_serving import Serve
from support.edge_times import put_edge_calls

from eventstore import EventStore

LISTS = (
    *("/v1/realtime/sessions", "/v1/realtime/sessions?live=true", "/v1/realtime/responses"),
    *("/v1/realtime/usage?by=day", "/v1/realtime/usage?by=day,model", "/v1/realtime/context"),
    *("/v1/realtime/latency?by=day", "/v1/realtime/latency?by=session", "/metrics", "/readyz"),
    *("/", "/responses", "/usage", "/usage?from=0001-01-01&to=9999-12-31", "/usage?span=7"),
    *("/usage?span=365", "/usage?span=all", "/usage?to=0001-01-01", "/usage?from=9999-12-31"),
    *("/?from=0001-01-01&to=9999-12-31", "/responses?from=9999-12-31&to=9999-12-31"),
)
OF_SESSION = ("", "/state", "/state?at=%2B1", "/usage", "/events", "/transcript", "/reseed")
CREATED = ("gte", "gt", "lt", "lte")
LAST = "9999-12-31T23:59:59.999999Z"
FIRST = "0001-01-01T00:00:00Z"


@pytest.fixture
def site(store: EventStore, serve: Serve) -> httpx.Client:
    return httpx.Client(base_url=serve(), timeout=60)


def test_every_list_and_page_is_answered(site: httpx.Client, store: EventStore) -> None:
    calls = put_edge_calls(store)
    for path in LISTS:
        assert site.get(path).status_code == 200, path
    for session_id in calls:
        for below in OF_SESSION:
            path = f"/v1/realtime/sessions/{session_id}{below}"
            assert site.get(path).status_code == 200, path
        assert site.get(f"/sessions/{session_id}").status_code == 200
        state = site.get(f"/v1/realtime/sessions/{session_id}/state").json()
        (conversation,) = [c["id"] for c in state["conversations"] if c["id"]]
        found = site.get(f"/v1/conversations/{conversation}?session={session_id}")
        assert found.status_code == 200


def test_every_bound_of_time_is_answered(site: httpx.Client, store: EventStore) -> None:
    calls = put_edge_calls(store)
    for route in ("sessions", "responses", "usage", "latency", "context"):
        for operator in CREATED:
            for value in (FIRST, LAST, "0", "-1", "1970-01-01"):
                found = site.get(f"/v1/realtime/{route}?created[{operator}]={value}")
                late = (operator, value) == ("gt", LAST)
                assert found.status_code == (400 if late else 200), (route, operator, value)
            for value in ("1e9999999", "9" * 5000, "nan", "10000-01-01", "x"):
                found = site.get(f"/v1/realtime/{route}?created[{operator}]={value}")
                assert found.status_code == 400
    listed = site.get(f"/v1/realtime/sessions?created[lte]={LAST}&limit=100").json()["data"]
    assert len(listed) == len(calls)


@pytest.mark.parametrize("at", [0, 0.5, 99_999_999, 1e300, 1_780_000_000_050, "1e9999999", [], {}])
def test_an_append_takes_no_time_that_is_none(site: httpx.Client, at: object) -> None:
    events = [{"at": at, "direction": "server", "event": {"type": "ping"}}]
    done = site.post("/v1/realtime/sessions/sess_1/events", json={"events": events})
    assert (done.status_code, done.json()["error"]["param"]) == (400, "events.0")
