"""The API: what it answers, to the stock `openai` client among others."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from openai import BadRequestError, OpenAI
from openai.pagination import SyncCursorPage
from openai.types.conversations import ConversationItem
from openai.types.realtime import RealtimeResponse
from pydantic import TypeAdapter
from sqlalchemy import text
from support.events import Call
from support.filled import filled
from support.recordings import frames as recorded_frames

from eventstore import EventStore, Frame
from eventstore.demo import call_lines
from eventstore.times import parse_time
from eventstore.web.summing import summing

ITEM: TypeAdapter[Any] = TypeAdapter(ConversationItem)


@pytest.fixture
def demo(store: EventStore, tmp_path: Path) -> str:
    """The demo call: its session's id."""

    def fill(store: EventStore) -> None:
        path = tmp_path / "call.jsonl"
        path.write_text("".join(f"{line}\n" for line in call_lines()))
        store.import_file(path, metadata={"customer": "42"})

    (session_id,) = filled(store, "demo", fill).session_ids()
    return session_id


def stock(api: httpx.Client) -> OpenAI:
    return OpenAI(api_key="none", base_url=str(api.base_url), max_retries=0)


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_a_stock_client_walks_lists_to_their_end(
    api: httpx.Client, store: EventStore, demo: str
) -> None:
    pages = stock(api).get_api_list(
        "/realtime/responses",
        page=SyncCursorPage[RealtimeResponse],
        model=RealtimeResponse,
        options={"params": {"limit": 2}},
    )
    found = [response.id for response in pages]
    assert found == [response["id"] for response in store.responses(limit=100).data]
    assert len(found) == 6


def test_a_walk_passes_ids_that_several_sessions_share(
    api: httpx.Client, store: EventStore, demo: str
) -> None:
    shared = [r["id"] for r in store.responses(session=demo, order="asc").data][1:3]
    for copy in ("sess_copy", "sess_copied_again"):
        call = Call()
        for response_id in shared:
            call.created(response_id).done(response_id)
        at = parse_time("2026-05-04T09:30:12Z")
        store.append(copy, [frame._replace(at=at) for frame in call.frames])

    def walk(limit: int, order: Literal["asc", "desc"]) -> list[str]:
        pages = stock(api).get_api_list(
            "/realtime/responses",
            page=SyncCursorPage[RealtimeResponse],
            model=RealtimeResponse,
            options={"params": {"limit": limit, "order": order}},
        )
        return [response.id for response in pages]

    orders: tuple[Literal["asc", "desc"], ...] = ("asc", "desc")
    for order in orders:
        wanted = [response["id"] for response in store.responses(limit=100, order=order).data]
        for limit in (7, 8, 100):
            assert walk(limit, order) == wanted
        # Where a page has nothing but such ids the client is told, and leaves nothing out.
        with pytest.raises(BadRequestError, match="several sessions"):
            walk(2, order)


def test_a_stock_client_reads_a_calls_items(
    api: httpx.Client, store: EventStore, demo: str
) -> None:
    (conversation,) = store.state(demo)["conversations"]
    client = stock(api)
    found = client.conversations.retrieve(conversation["id"])
    assert (found.id, found.created_at) == (conversation["id"], 1777887000)
    assert found.metadata == {"customer": "42"}
    pages = client.conversations.items.list(conversation["id"], limit=3, order="asc")
    items = list(pages)
    assert [item.id for item in items] == [item["id"] for item in conversation["items"]]
    newest = client.conversations.items.list(conversation["id"], limit=1).data[0]
    assert newest.id == items[-1].id
    one = client.conversations.items.retrieve(items[0].id, conversation_id=conversation["id"])
    assert one == items[0]
    said = " ".join(p.text for i in items if i.type == "message" for p in i.content)  # type: ignore[union-attr]
    assert "saddle" in said


def test_the_types_accept_each_item_of_each_recording(
    api: httpx.Client, store: EventStore, recordings: list[Path]
) -> None:
    for number, path in enumerate(recordings):
        store.append(f"sess_{number}", recorded_frames(path))
    seen = set()
    for number in range(len(recordings)):
        for conversation in store.state(f"sess_{number}")["conversations"]:
            if conversation["id"] is None:
                continue
            path = f"/conversations/{conversation['id']}/items"
            items = api.get(path, params={"limit": 100, "session": f"sess_{number}"}).json()["data"]
            assert len(items) == min(100, len(conversation["items"]))
            for item in items:
                seen.add(ITEM.validate_python(item).type)
    assert {"message", "function_call", "function_call_output"} <= seen


def test_lists_are_filtered(api: httpx.Client, demo: str) -> None:
    def count(query: str) -> int:
        return len(api.get(f"/realtime/responses?{query}").json()["data"])

    assert count("metadata[customer]=42") == 6
    assert count("metadata[customer]=42&metadata[customer2]=1") == 0
    assert count("q=saddle") == 1
    assert count("created[gte]=2026-05-04T09:30:00Z&created[lt]=2026-05-05") == 6
    assert count("created[gt]=2027-01-01") == 0
    assert count("min_tokens=999999") == 0
    sessions = api.get("/realtime/sessions?metadata[customer]=42").json()
    assert [one["id"] for one in sessions["data"]] == [demo]
    first = api.get("/realtime/responses?limit=3").json()
    second = api.get(f"/realtime/responses?limit=3&after={first['last_id']}").json()
    back = api.get(f"/realtime/responses?limit=3&before={second['first_id']}").json()
    assert back["data"] == first["data"]


def test_sessions_are_filtered_and_summed_up(
    api: httpx.Client, store: EventStore, demo: str
) -> None:
    def listed(query: str) -> list[Any]:
        found: list[Any] = api.get(f"/realtime/sessions?{query}").json()["data"]
        return found

    store.append("open", [Frame("server", '{"type":"session.created","session":{"id":"s"}}', 1)])
    assert [one["id"] for one in listed("status=live")] == ["open"]
    assert [one["id"] for one in listed("status=ended")] == [demo]
    assert [one["id"] for one in listed("status=interrupted")] == [demo]
    assert listed("status=errors") == []
    assert [one["id"] for one in listed("q=%22pick+it+up%22")] == [demo]
    assert listed("q=zanzibar") == []
    (summed,) = listed("summary=true&status=ended")
    assert summed == store.sessions(summary=True, status="ended").data[0]
    assert summed["eventstore"]["summary"]["cost_usd"] > 0.06
    assert "summary" not in listed("status=ended")[0]["eventstore"]
    for query, keywords in (
        ("tool=find_order&sort=cost", {"tool": "find_order", "sort": "cost"}),
        ("reason=turn_detected", {"reason": "turn_detected"}),
        ("min_duration=0.5&max_duration=60", {"min_duration": 0.5, "max_duration": 60}),
        ("min_cost=0.06&min_latency=1", {"min_cost": 0.06, "min_latency": 1}),
        ("min_turns=8&min_interruptions=1", {"min_turns": 8, "min_interruptions": 1}),
    ):
        assert listed(query) == store.sessions(**keywords).data
        assert [one["id"] for one in listed(query)] == [demo], query
    for query in ("language=de", "tool=none", "min_turns=9", "min_cost=0.07", "min_duration=32"):
        assert listed(query) == []
    for sort in ("duration", "cost", "latency", "turns", "interruptions"):
        assert [one["id"] for one in listed(f"sort={sort}")] == [demo, "open"]
        assert [one["id"] for one in listed(f"sort={sort}&order=asc")] == ["open", demo]
        assert [one["id"] for one in listed(f"sort={sort}&after={demo}")] == ["open"]


def test_responses_are_sorted_by_figures(api: httpx.Client, store: EventStore, demo: str) -> None:
    for query, keywords in (
        ("tool=find_order", {"tool": "find_order"}),
        ("sort=latency&min_latency=0.4", {"sort": "latency", "min_latency": 0.4}),
        ("sort=duration&min_duration=1", {"sort": "duration", "min_duration": 1}),
        ("sort=tokens&order=asc", {"sort": "tokens", "order": "asc"}),
    ):
        found = api.get(f"/realtime/responses?{query}").json()["data"]
        assert found == store.responses(**keywords).data and found, query


def test_suggestions(api: httpx.Client, store: EventStore, demo: str) -> None:
    odd = "a/b?c=d&e#é 😀"
    store.set_metadata(demo, {odd: "x/y", "tier": "gold"})
    keys = store.metadata_keys()
    assert {"customer", "tier", odd} <= set(keys)

    def suggested(path: str, **params: Any) -> dict[str, Any]:
        answer = api.get(f"/realtime/{path}", params=params)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    listed = suggested("metadata")
    assert listed == {
        "object": "list",
        "data": [{"id": key, "object": "eventstore.metadata_key"} for key in keys],
        "first_id": keys[0],
        "last_id": keys[-1],
        "has_more": False,
    }
    assert suggested("metadata", limit=1)["has_more"]
    assert [one["id"] for one in suggested("metadata", prefix="cu")["data"]] == ["customer"]
    values = suggested("metadata/values", key=odd)
    assert values["data"] == [{"id": "x/y", "object": "eventstore.metadata_value"}]
    assert suggested("metadata/values", key=odd, prefix="y")["data"] == []
    models = suggested("models")["data"]
    assert models == [{"id": name, "object": "eventstore.model"} for name in store.models()]
    assert models
    error_of(api.get("/realtime/metadata/values"), 400)
    error_of(api.get("/realtime/metadata/values?key=a%00"), 400)
    error_of(api.get("/realtime/metadata?prefx=a"), 400)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/realtime/sessions?status=completed", 400, "invalid_value"),
        ("/realtime/sessions?q=?!", 400, "invalid_value"),
        ("/realtime/sessions?sort=created", 400, "invalid_value"),
        ("/realtime/sessions?min_cost=-1", 400, "invalid_value"),
        ("/realtime/sessions?min_duration=nan", 400, "invalid_value"),
        ("/realtime/sessions?min_turns=1.5", 400, "invalid_value"),
        ("/realtime/responses?sort=cost", 400, "invalid_value"),
        ("/realtime/responses?metdata[customer]=42", 400, "unknown_parameter"),
        ("/realtime/responses?limit=101", 400, "invalid_value"),
        ("/realtime/responses?status=odd", 400, "invalid_value"),
        ("/realtime/responses?created[at]=1", 400, "invalid_value"),
        ("/realtime/responses?created[gte]=soon", 400, "invalid_value"),
        ("/realtime/responses?metadata[a]=1&metadata[a]=2", 400, "invalid_value"),
        ("/realtime/responses?after=resp_none", 404, "not_found"),
        ("/realtime/responses/resp_none", 404, "not_found"),
        ("/realtime/sessions/sess_none", 404, "not_found"),
        ("/realtime/sessions/sess_none/audio", 404, "not_found"),
        ("/conversations/conv_none/items", 404, "not_found"),
        ("/nothing", 404, None),
    ],
)
def test_errors_have_openais_shape(
    api: httpx.Client, path: str, status: int, code: str | None
) -> None:
    assert error_of(api.get(path), status)["code"] == code


def test_a_session_at_any_moment(api: httpx.Client, store: EventStore, demo: str) -> None:
    path = f"/realtime/sessions/{demo}"
    assert api.get(path).json() == store.session(demo)
    for at in ("120", "+3.5"):
        state = api.get(f"{path}/state", params={"at": at}).json()
        assert state == json.loads(json.dumps(store.state(demo, at)))
    assert api.get(f"{path}/usage").json() == store.usage(session=demo)
    for at in ("0x1", "+", "1e9", "-1"):
        error_of(api.get(f"{path}/state", params={"at": at}), 400)
    # In an address, "+" is a space.
    told = error_of(api.get(f"{path}/state?at=+1"), 400)
    assert told["message"] == "at: use a seq such as 41, or +SECONDS; write + as %2B in an address"


def test_usage_latency_and_context_of_all(api: httpx.Client, store: EventStore, demo: str) -> None:
    for by in (None, "day", "model", "day,model", "metadata:customer"):
        asked = {} if by is None else {"by": by}
        assert api.get("/realtime/usage", params=asked).json() == store.usage(by)
        assert api.get("/realtime/latency", params=asked).json() == store.latency(by)
    assert store.latency()["total"]["answers"] > 0
    assert api.get("/realtime/context").json() == store.context()
    none = {"created[gte]": "2040-01-01T00:00:00Z"}
    assert api.get("/realtime/context", params=none).json()["data"] == []
    for path in ("usage", "latency"):
        error_of(api.get(f"/realtime/{path}?by=week"), 400)
    error_of(api.get("/realtime/context?by=day"), 400)


def test_days_are_summed_while_it_serves(store: EventStore, demo: str) -> None:
    with summing(store, each=0.05):
        _until_summed(store)
    assert not any(thread.name == "sum-days" for thread in threading.enumerate())


def test_a_database_that_fails_is_one_line_and_is_tried_again(
    store: EventStore, demo: str, caplog: pytest.LogCaptureFixture
) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE summed_days RENAME TO gone"))
    with summing(store, each=0.05):
        end = time.monotonic() + 20
        while not caplog.records:
            assert time.monotonic() < end
            time.sleep(0.02)
        with store.engine.begin() as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO summed_days"))
        _until_summed(store)
    told = json.loads(caplog.records[0].getMessage())
    assert told["task"] == "sum days" and "\n" not in told["error"]


def _until_summed(store: EventStore) -> None:
    end = time.monotonic() + 20
    sums = text("SELECT COUNT(*) FROM usage_days")
    while True:
        with store.engine.connect() as connection:
            if connection.execute(sums).scalar_one():
                return
        assert time.monotonic() < end
        time.sleep(0.02)


def test_events_in_pages_and_lines(api: httpx.Client, store: EventStore, demo: str) -> None:
    path = f"/realtime/sessions/{demo}/events"
    seqs, after = [], "0"
    while True:
        page = api.get(path, params={"type": "response.*", "after": after, "limit": 100}).json()
        seqs += [event["seq"] for event in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert seqs == [event.seq for event in store.events(demo, type="response.*")]
    lines = api.get(path, params={"format": "jsonl"}).content
    assert [json.loads(line)["frame"] for line in lines.splitlines()] == [
        event.text for event in store.events(demo)
    ]


def test_sound_in_ranges(api: httpx.Client, demo: str) -> None:
    path = f"/realtime/sessions/{demo}/audio"
    whole = api.get(path)
    assert whole.headers["content-type"] == "audio/wav" and whole.content[:4] == b"RIFF"
    part = api.get(path, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206 and part.content == whole.content[100:200]
    assert api.get(path, headers={"Range": "bytes=99999999-"}).status_code == 416
    assert api.get(path, params={"format": "flac"}).content[:4] == b"fLaC"


# Writing

EVENTS = [
    {"type": "session.created", "session": {"id": "sess_x"}},
    {"direction": "client", "frame": '{ "type":"response.create" }'},
]


def test_appends_are_exact_and_safe_to_retry(api: httpx.Client, store: EventStore) -> None:
    path = "/realtime/sessions/new/events"
    body = {"events": EVENTS, "expected_seq": 0, "metadata": {"customer": "42"}}
    done = api.post(path, json=body).json()
    assert done | {"object": 0} == {
        "object": 0,
        "session_id": "new",
        "first_seq": 1,
        "last_seq": 3,
        "repeated": False,
    }
    assert api.post(path, json=body).json()["repeated"] is True
    assert list(store.events("new"))[2].text == '{ "type":"response.create" }'
    assert store.metadata("new") == {"customer": "42"}
    assert error_of(api.post(path, json={**body, "expected_seq": 1}), 409)["code"] == "conflict"
    assert api.post(path, json={"events": [], "close": True}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"events": 1}',
        b'{"events": [1]}',
        b'{"events": [{"direction": "nobody", "frame": "x"}]}',
        b'{"events": [], "expected_seq": -1}',
        b'{"events": [], "expected_seq": "1"}',
        b'{"events": [], "close": 1}',
        b'{"events": [], "metadata": {"a": 1}}',
        b'{"events": [], "other": 1}',
    ],
)
def test_bad_bodies_are_refused(api: httpx.Client, store: EventStore, body: bytes) -> None:
    error_of(api.post("/realtime/sessions/new/events", content=body), 400)
    assert store.sessions().data == []


def test_erasing(api: httpx.Client, store: EventStore, demo: str) -> None:
    path = f"/realtime/sessions/{demo}"
    assert api.delete(path, params={"audio_only": True}).json()["deleted"] is False
    assert api.get(path).status_code == 200
    assert api.delete(path, params={"reason": "asked for it"}).json()["deleted"] is True
    for verb in (api.get, api.delete):
        assert error_of(verb(path), 410)["code"] == "erased"
    answer = api.post(f"{path}/events", json={"events": EVENTS})
    assert "asked for it" in error_of(answer, 410)["message"]


def test_sound_that_was_erased_is_not_kept(api: httpx.Client, store: EventStore, demo: str) -> None:
    store.append(demo, [], close=True)
    path = f"/realtime/sessions/{demo}"
    assert api.get(f"{path}/audio").status_code == 200
    assert api.get(f"{path}/waveform").json()["user"]
    # By another process, as `eventstore erase` does it.
    store.erase(demo, audio_only=True, vacuum=False).raise_for_errors()
    error_of(api.get(f"{path}/audio"), 404)
    assert api.get(f"{path}/waveform").json()["user"] == []


def test_events_are_followed_as_they_come(api: httpx.Client, store: EventStore) -> None:
    path = "/realtime/sessions/live/events"
    api.post(path, json={"events": EVENTS})
    later = threading.Timer(0.3, lambda: api.post(path, json={"events": EVENTS[1:], "close": True}))
    later.start()
    told, ids = [], []
    headers = {"Last-Event-ID": "1"}
    with api.stream("GET", path, params={"stream": True}, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"  # nginx hands each event on at once
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                ids.append(int(value))
            elif name == "event":
                told.append(value)
    later.join()
    assert ids == [2, 3] and told == ["end"]
