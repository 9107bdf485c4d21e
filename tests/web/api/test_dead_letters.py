"""Integration: webhooks that were given up are listed and marked by HTTP, within rights."""

from __future__ import annotations

import httpx
import pytest
from support.api_keys import ALL, ANNA, FILE, READER, WRITER, client
from support.api_serving import Serve
from support.calls import voice_call

from eventstore import EventStore
from eventstore.feed.delivery import Delivery
from eventstore.feed.webhooks.dead_letters import note_dead_letter
from eventstore.web.server.access import parse_keys

PATH = "/realtime/webhooks/dead_letters"
HOSTILE = "<script>alert(1)</script> \u202e" + "x" * 100


@pytest.fixture
def given_up(store: EventStore) -> EventStore:
    """A store with three webhooks that were given up, one of them of anna's session."""
    for name in ("sess_a", "sess/b", "sess_c"):
        store.append(name, voice_call().frames, close=True)
    store.set_metadata("sess_a", {"tenant": "anna"})
    for name in ("sess_a", "sess/b"):
        session = Delivery(name, 40, "session", resource={"id": name})
        note_dead_letter(store.engine, "webhooks", session, 14, "status 500", "https://a.example/")
    response = Delivery("sess_c", 20, "response", resource={"id": "resp_1"})
    note_dead_letter(store.engine, "other", response, 1, HOSTILE)
    return store


def test_they_are_listed_and_marked(api: httpx.Client, given_up: EventStore) -> None:
    page = api.get(PATH, params={"limit": 2}).json()
    assert (page["object"], page["has_more"]) == ("list", True)
    assert [one["session_id"] for one in page["data"]] == ["sess_c", "sess/b"]
    assert page["data"][0]["error"] == HOSTILE[:64] and page["data"][0]["to"] is None
    second = page["data"][1]
    assert (second["tries"], second["kind"]) == (14, "session")
    assert second["to"] == "https://a.example/" and second["again_at"] is None
    rest = api.get(PATH, params={"limit": 2, "after": page["last_id"]}).json()
    assert [one["session_id"] for one in rest["data"]] == ["sess_a"] and not rest["has_more"]
    marked = api.post(f"{PATH}/{second['id']}/send_again")
    assert marked.json() == {"object": "eventstore.webhooks", "marked": 1}
    assert api.post(f"{PATH}/{second['id']}/send_again").json()["marked"] == 0
    assert [one.session_id for one in given_up.dead_letters() if one.again_at] == ["sess/b"]
    assert api.post(f"{PATH}/send_again").json()["marked"] == 2
    assert all(one.again_at for one in given_up.dead_letters())


@pytest.mark.parametrize("wrong", ["x", "dead_", "dead_W10", "dead_" + "W1" * 1000, "a%2Fb"])
def test_ids_that_are_none_are_told(api: httpx.Client, given_up: EventStore, wrong: str) -> None:
    assert api.post(f"{PATH}/{wrong}/send_again").status_code == 404
    assert api.get(f"{PATH}?after={wrong}").status_code == 404
    assert api.get(f"{PATH}?unknown=1").status_code == 400


def test_rights_and_tenants(serve: Serve, given_up: EventStore) -> None:
    url = serve(parse_keys(FILE))
    path = PATH.removeprefix("/realtime")
    with client(url, ANNA) as anna, client(url, READER) as reader, client(url, ALL) as everybody:
        (own,) = anna.get(path).json()["data"]
        assert own["session_id"] == "sess_a" and own["to"] is None
        others = [one["id"] for one in reader.get(path).json()["data"] if one["id"] != own["id"]]
        assert len(others) == 2
        for id_ in others:
            assert anna.post(f"{path}/{id_}/send_again").status_code == 404
            assert anna.get(path, params={"after": id_}).status_code == 404
        for key in (READER, WRITER):
            with client(url, key) as other:
                refused = other.post(f"{path}/send_again")
                assert (refused.status_code, refused.json()["error"]["code"]) == (
                    403,
                    "missing_right",
                )
        with client(url, WRITER) as writer, client(url, None) as nobody:
            assert writer.get(path).status_code == 403 and nobody.get(path).status_code == 401
        assert anna.post(f"{path}/send_again").json()["marked"] == 1
        assert everybody.post(f"{path}/send_again").json()["marked"] == 2


def test_another_sites_page_sends_nothing(serve: Serve, given_up: EventStore) -> None:
    url = serve(parse_keys(FILE))
    with httpx.Client(base_url=url, timeout=20) as browser:
        assert browser.post("/sign-in", data={"key": ALL}).status_code == 303
        for path in (f"/v1{PATH}/send_again", "/webhooks"):
            headers = {"sec-fetch-site": "cross-site"}
            refused = browser.post(path, data={"all": "yes"}, headers=headers)
            assert refused.status_code == 403
        assert not any(one.again_at for one in given_up.dead_letters())
        assert browser.post("/webhooks", data={"x": "y"}).status_code == 400
        assert browser.post("/webhooks", data={"all": "yes"}).status_code == 303
    assert all(one.again_at for one in given_up.dead_letters())
