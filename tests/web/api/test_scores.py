"""Integration: scores by HTTP: given, listed, filtered by and summed up, within rights."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from support.api_keys import ALL, ANNA, FILE, READER, WRITER, client
from support.api_serving import Serve
from support.calls import voice_call
from support.scoped_calls import call

from eventstore import EventStore
from eventstore.web.server.access import parse_keys

SCORES = "/realtime/sessions/sess_a/scores"
GOOD = {"name": "helpful", "value": 0.25, "response_id": "resp_2", "by": "judge", "reason": "late"}


@pytest.fixture
def recorded(store: EventStore) -> EventStore:
    """A store with a closed call."""
    store.append("sess_a", voice_call().frames, close=True)
    store.set_metadata("sess_a", {"customer": "42"})
    return store


def test_a_score_is_given_listed_and_found(api: httpx.Client, recorded: EventStore) -> None:
    given = api.post(SCORES, json=GOOD).json()
    assert (given["name"], given["value"], given["response_id"]) == ("helpful", 0.25, "resp_2")
    label = api.post(SCORES, json={"name": "topic", "value": "refund"}).json()
    assert label["kind"] == "label" and label["response_id"] is None
    listed = api.get(SCORES).json()
    assert listed["data"] == [given, label] == recorded.scores("sess_a")
    assert (listed["first_id"], listed["last_id"]) == (given["id"], label["id"])
    shown = api.get("/realtime/responses/resp_2").json()["eventstore"]["scores"]
    assert shown == [given]
    for path, query, found in (
        ("responses", {"score": "helpful<0.5"}, 1),
        ("responses", {"score": ["helpful<0.5", "helpful>0.3"]}, 0),
        ("responses", {"label": "refund"}, 0),
        ("sessions", {"label": "refund", "score": "helpful"}, 1),
        ("sessions", {"score": "topic=other"}, 0),
    ):
        assert len(api.get(f"/realtime/{path}", params=query).json()["data"]) == found, query
    assert api.get("/realtime/usage", params={"score": "helpful"}).json()["total"]["responses"] == 1
    summed = api.get("/realtime/scores", params={"by": "metadata:customer"}).json()
    assert [(one["key"], one["name"], one["mean"]) for one in summed["data"]] == [
        ("42", "helpful", 0.25),
        ("42", "topic", None),
    ]
    created = {"created[lt]": "2000-01-01T00:00:00Z"}
    assert api.get("/realtime/scores", params=created).json()["data"] == []
    taken_back = {**GOOD, "value": None}
    assert api.post(SCORES, json=taken_back).json()["value"] is None
    assert api.get(SCORES).json()["data"] == [label]


BAD: list[tuple[Any, str]] = [
    ([], "an object with a name"),
    ({"value": 1}, "name is missing"),
    ({"name": "helpful"}, "value is missing"),
    ({**GOOD, "session": "sess_b"}, "unknown parameter session"),
    ({**GOOD, "value": [1]}, "the value is"),
    ({**GOOD, "name": "a<b"}, "the score's name"),
    ({**GOOD, "item_id": "item_1"}, "not both"),
    ({**GOOD, "response_id": 7}, "response is 7"),
    ({**GOOD, "at": True}, "at has another type"),
    ({**GOOD, "at": "yesterday"}, "no time"),
]


@pytest.mark.parametrize(("body", "said"), BAD)
def test_what_is_no_score_is_refused(
    api: httpx.Client, recorded: EventStore, body: Any, said: str
) -> None:
    head = recorded.last_seq("sess_a")
    answer = api.post(SCORES, json=body)
    assert answer.status_code == 400 and said in answer.json()["error"]["message"]
    assert recorded.last_seq("sess_a") == head


def test_what_is_not_there_is_not_scored(api: httpx.Client, recorded: EventStore) -> None:
    assert api.post(SCORES, json={**GOOD, "response_id": "resp_9"}).status_code == 404
    assert api.post("/realtime/sessions/none/scores", json=GOOD).status_code == 404
    assert api.get("/realtime/sessions/none/scores").status_code == 404
    recorded.erase("sess_a", vacuum=False)
    assert api.post(SCORES, json=GOOD).status_code == 410
    assert api.get(SCORES).status_code == 410


def test_a_key_scores_by_a_right_and_within_its_scope(serve: Serve, store: EventStore) -> None:
    for tenant in ("anna", "berta"):
        store.append(f"{tenant}_1", call(tenant, 1).frames)
        store.score(f"{tenant}_1", "helpful", 1)
    body = {"name": "helpful", "value": 0, "by": "key"}
    url = serve(parse_keys(FILE))
    for key, own, others in ((None, 401, 401), (READER, 403, 403), (WRITER, 403, 403)):
        with client(url, key) as asking:
            assert asking.post("/sessions/anna_1/scores", json=body).status_code == own
            assert asking.post("/sessions/berta_1/scores", json=body).status_code == others
    with client(url, ANNA) as anna:
        assert anna.post("/sessions/berta_1/scores", json=body).status_code == 404
        assert anna.get("/sessions/berta_1/scores").status_code == 404
        assert anna.post("/sessions/anna_1/scores", json=body).status_code == 200
        assert [one["by"] for one in anna.get("/sessions/anna_1/scores").json()["data"]] == [
            None,
            "key",
        ]
        assert [one["count"] for one in anna.get("/scores").json()["data"]] == [2]
        assert len(anna.get("/sessions", params={"score": "helpful"}).json()["data"]) == 1
        forged = {"type": "eventstore.session.scored", "score": {"name": "a", "value": 1}}
        for event in (forged, {"direction": "client", "event": forged}):
            anna.post("/sessions/anna_1/events", json={"events": [event]})
    with client(url, ALL) as asking:
        assert asking.post("/sessions/berta_1/scores", json=body).status_code == 200
        assert [one["count"] for one in asking.get("/scores").json()["data"]] == [4]
    assert [one["name"] for one in store.scores("anna_1")] == ["helpful", "helpful"]
