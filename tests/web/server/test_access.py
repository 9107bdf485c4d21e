"""Who may ask: keys, rights and tenants; and without keys this machine alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from support.api_keys import ALL, ANNA, FILE, READER, WRITER, client
from support.api_serving import Serve
from support.scoped_calls import call

from eventstore import EventStore
from eventstore.errors import InvalidInputError
from eventstore.web.server.access import RIGHTS, digest, one_key, parse_keys

EVENTS = [{"type": "session.created", "session": {"id": "sess_x"}}]


@pytest.fixture
def two(store: EventStore) -> EventStore:
    """A store with sessions of two tenants."""
    for tenant in ("anna", "berta"):
        for number in range(2):
            store.append(f"{tenant}_{number}", call(tenant, number).frames)
    return store


def test_a_file_of_keys() -> None:
    keys = parse_keys(FILE)
    assert keys[digest(ALL)].rights == RIGHTS
    assert keys[digest(READER)].rights == {"read"}
    assert keys[digest(ANNA)].scope == ("tenant", "=", "anna")
    assert one_key(ALL)[digest(ALL)].rights == RIGHTS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "key = 1",
        "[[key]]",
        '[[key]]\nname = "a"',
        '[[key]]\nname = "a"\nkey = "short"',
        '[[key]]\nname = "a"\nkey = "' + "k" * 20 + '"\nrights = ["all"]',
        '[[key]]\nname = "a"\nkey = "' + "k" * 20 + '"\nmetadata = { a = "1", b = "2" }',
        '[[key]]\nname = "a"\nkey = "' + "k" * 20 + '"\nright = ["read"]',
        f'[[key]]\nname = "a"\nkey = "{ALL}"\n[[key]]\nname = "b"\nkey = "{ALL}"',
    ],
)
def test_a_bad_file_of_keys_is_told_without_its_keys(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_keys(text)
    assert "kkkk" not in str(caught.value)


def test_keys_and_their_rights(serve: Serve, two: EventStore) -> None:
    url = serve(parse_keys(FILE))
    for key, statuses in (
        (None, (401, 401, 401)),
        ("k" * 30, (401, 401, 401)),
        (READER, (200, 403, 403)),
        (WRITER, (403, 200, 403)),
        (ALL, (200, 200, 200)),
    ):
        with client(url, key) as asking:
            name = f"new_{(key or 'nobody')[20:]}"
            found = (
                asking.get("/sessions").status_code,
                asking.post(f"/sessions/{name}/events", json={"events": EVENTS}).status_code,
                asking.delete("/sessions/berta_1").status_code,
            )
            assert found == statuses, key


def test_a_tenant_sees_and_touches_its_own_alone(serve: Serve, two: EventStore) -> None:
    with client(serve(parse_keys(FILE)), ANNA) as anna:
        sessions = anna.get("/sessions").json()["data"]
        assert {one["id"] for one in sessions} == {"anna_0", "anna_1"}
        for path in ("/responses", "/responses?metadata[tenant]=berta", "/responses?q=answer"):
            found = anna.get(path).json()["data"]
            assert {one["eventstore"]["session_id"] for one in found} <= {"anna_0", "anna_1"}
        assert anna.get("/usage").json()["total"]["responses"] == 2
        for path in ("/sessions?q=answer", "/sessions?status=live", "/sessions?summary=true"):
            sessions = anna.get(path).json()["data"]
            assert {one["id"] for one in sessions} == {"anna_0", "anna_1"}
        two.append("berta_2", call("berta", 2).frames)
        two.set_metadata("berta_2", {"secret": "berta's", "queue": "hers"})
        keys = [one["id"] for one in anna.get("/metadata").json()["data"]]
        assert keys == ["queue", "tenant"]
        values = anna.get("/metadata/values?key=queue").json()["data"]
        assert [one["id"] for one in values] == ["vip"]
        assert anna.get("/metadata/values?key=secret").json()["data"] == []
        assert [one["id"] for one in anna.get("/models").json()["data"]] == ["m"]
        missing = _all_of(anna, "nobody_1")
        assert {status for status, _ in missing} == {404}
        assert _all_of(anna, "berta_1") == [
            (s, t.replace("nobody_1", "berta_1")) for s, t in missing
        ]
        append = {"events": EVENTS}
        assert anna.post("/sessions/berta_1/events", json=append).status_code == 404
        assert anna.delete("/sessions/berta_1").status_code == 404
        two.erase("berta_0", reason="a secret of berta's").raise_for_errors()
        erased = anna.post("/sessions/berta_0/events", json=append)
        assert erased.status_code == 404 and "secret" not in erased.text
        # What it begins is its own, whatever it says.
        assert anna.post("/sessions/mine/events", json=append).status_code == 200
        assert two.metadata("mine") == {"tenant": "anna"}
        assert anna.post("/sessions/mine/events", json=append).status_code == 200
        for bad in (
            {"events": EVENTS, "metadata": {"tenant": "berta"}},
            {"events": [{"type": "eventstore.session.metadata", "metadata": {"tenant": "berta"}}]},
            {"events": [{"direction": "store", "frame": "{}"}]},
        ):
            assert anna.post("/sessions/other/events", json=bad).status_code == 403
            assert anna.post("/sessions/mine/events", json=bad).status_code == 403
        assert anna.delete("/sessions/mine").status_code == 200
    assert len(list(two.events("berta_1"))) == len(call("berta", 1).frames)


def _all_of(asking: httpx.Client, name: str) -> list[tuple[int, str]]:
    paths = (
        "",
        "/events",
        "/events?format=jsonl",
        "/events?stream=true",
        "/state",
        "/usage",
        "/audio",
    )
    return [
        (answer.status_code, answer.text)
        for answer in (asking.get(f"/sessions/{name}{path}") for path in paths)
    ]


def test_without_keys_this_machine_alone_may_ask(serve: Serve) -> None:
    url = serve()
    port = url.rpartition(":")[2]
    cases: list[tuple[Any, int]] = [
        ({}, 200),
        ({"Host": f"localhost:{port}"}, 200),
        ({"Host": f"[::1]:{port}"}, 200),
        ({"Origin": f"http://127.0.0.1:{port}"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ([("Origin", "http://localhost"), ("Origin", "https://evil.example")], 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}, 200),  # a link
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "image"}, 200),
    ]
    for headers, status in cases:
        assert httpx.get(f"{url}/v1/realtime/sessions", headers=headers).status_code == status


def test_large_bodies_are_refused(serve: Serve) -> None:
    url = serve(body_bytes=1000) + "/v1/realtime/sessions/new/events"
    assert httpx.post(url, content=b"x" * 2000).status_code == 413

    def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 100

    assert httpx.post(url, content=pieces()).status_code == 413


def test_metrics_and_logs_tell_no_content(
    serve: Serve, two: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    url = serve(parse_keys(FILE))
    with caplog.at_level("INFO", "eventstore.web"), client(url, ALL) as asking:
        asking.get("/responses?q=answer&metadata[tenant]=anna")
        asking.get("/sessions/anna_1/state")
        asking.get(f"/sessions/{ALL}")
    said = "\n".join(record.getMessage() for record in caplog.records)
    said += httpx.get(f"{url}/metrics").text
    assert "/v1/realtime/sessions/{session_id}/state" in said and '"key":"all"' in said
    assert "eventstore_http_answers_total{" in said and "eventstore_http_seconds_count 3.0" in said
    assert "_created" not in said  # Prometheus would keep each as a series of its own
    for word in ("q=", "anna", "berta", "kkkk"):
        assert word not in said
    assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{url}/readyz").json() == {"status": "ok"}


def test_every_answer_has_safe_headers(serve: Serve, two: EventStore) -> None:
    url = serve()
    for path in ("/v1/realtime/sessions", "/v1/nothing", "/healthz", "/v1/openapi.json"):
        headers = httpx.get(f"{url}{path}").headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "private, no-store"
        assert "server" not in headers
