"""Acceptance: each asker sees what its key, or its server's scope, allows, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from support import api_keys
from support.databases import DATABASES, module_database
from support.filled import filled
from support.mcp_clients import Connected, over_http, over_stdio, serving
from support.tenants import MARKS, seeds

from eventstore import EventStore
from eventstore.mcp.asking import Service
from eventstore.mcp.running import access_without_key
from eventstore.web.server.access import parse_keys

OTHERS = ("berta", "nobody")
TRANSPORTS = ("stdio", "http")
SECRET = "sk-proj-" + "Zq9" * 16


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    """A store with calls of each tenant."""
    with EventStore(database_url) as opened:
        yield filled(opened, "tenants", _fill)


@pytest.fixture(scope="module", params=DATABASES)
def common(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EventStore]:
    """A store with the same calls, for all tests whose asker changes nothing."""
    with module_database(request, tmp_path_factory) as url, EventStore(url) as opened:
        yield filled(opened, "tenants", _fill)


def _fill(store: EventStore) -> None:
    for seed in seeds():
        store.append(seed.session_id, seed.frames, close=seed.closed)
        store.score(seed.session_id, f"of_{MARKS[seed.owner]}", 1, by=MARKS[seed.owner])


@contextmanager
def connected(store: EventStore, transport: str) -> Iterator[Connected]:
    """A client that may see the sessions of one tenant, and write to them."""
    if transport == "stdio":
        url = store.engine.url.set(drivername=store.engine.dialect.name)
        options = ("--metadata", "tenant=anna", "--allow-writing", "--raw")
        with over_stdio(url.render_as_string(hide_password=False), *options) as opened:
            yield opened
        return
    with (
        serving(store, parse_keys(api_keys.FILE), allow_writing=True) as address,
        over_http(address, api_keys.ANNA) as opened,
    ):
        yield opened


@pytest.fixture(params=TRANSPORTS)
def anna(request: pytest.FixtureRequest, store: EventStore) -> Iterator[Connected]:
    with connected(store, request.param) as opened:
        yield opened


@pytest.fixture(scope="module", params=TRANSPORTS)
def asking(request: pytest.FixtureRequest, common: EventStore) -> Iterator[Connected]:
    """The same, for all tests in which it changes nothing."""
    with connected(common, request.param) as opened:
        yield opened


def _ids(owner: str) -> dict[str, Any]:
    mark = MARKS[owner]
    return {"session": f"sess_{mark}_0", "response": f"resp_{mark}_late", "item": f"item_{mark}"}


def _calls_about(session: str, response: str, item: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in ("overview", "items", "responses"):
        yield "read_session", {"session_id": session, "part": part}
    yield "read_transcript", {"session_id": session}
    yield "read_response", {"response_id": response}
    yield "read_response", {"response_id": "resp_shared", "session_id": session}
    yield "list_events", {"session_id": session}
    yield "hear", {"session_id": session}
    yield "hear", {"session_id": session, "response": "resp_shared"}
    yield "compare_calls", {"session_a": session, "session_b": f"sess_{MARKS['anna']}_0"}
    yield "compare_calls", {"session_a": f"sess_{MARKS['anna']}_0", "session_b": session}
    yield "find_sessions", {"after": session}
    yield "find_responses", {"after": response}
    yield "score", {"session_id": session, "name": "x", "value": 1}
    yield "score", {"session_id": session, "name": "x", "value": 1, "item": item}
    yield "set_metadata", {"session_id": session, "metadata": {"a": "b"}}


def test_a_tenant_sees_its_own_alone(asking: Connected) -> None:
    anna = asking
    answers = [
        anna.data("find_sessions"),
        anna.data("find_responses"),
        anna.data("find_sessions", metadata=["queue=vip"], text="saddle"),
        anna.data("find_responses", metadata=["tenant"]),
        anna.data("sum_usage", by="session"),
        anna.data("sum_usage", by="metadata:secret"),
        anna.data("sum_usage", by="day,model"),
        anna.data("sum_latency", by="session"),
        anna.data("sum_scores"),
        anna.data("sum_scores", by="giver"),
        anna.data("list_metadata"),
        anna.data("list_metadata", key="secret"),
        anna.resources(),
        *(anna.text("read_transcript", session_id=f"sess_{MARKS['anna']}_{n}") for n in range(3)),
    ]
    assert len(answers[0]["data"]) == 3 and len(answers[-4]) == 3
    told = json.dumps(answers)
    assert MARKS["anna"] in told
    assert [mark for owner, mark in MARKS.items() if owner in OTHERS and mark in told] == []


@pytest.mark.parametrize("owner", OTHERS)
def test_what_others_have_is_as_if_it_were_not_there(
    asking: Connected, owner: str, common: EventStore
) -> None:
    anna, store = asking, common
    ids = _ids(owner)
    before = {seed.session_id: store.last_seq(seed.session_id) for seed in seeds()}
    missing = {name: value.replace(MARKS[owner], "missing") for name, value in ids.items()}
    theirs, nobodys = list(_calls_about(**ids)), list(_calls_about(**missing))
    for (name, arguments), (_, instead) in zip(theirs, nobodys, strict=True):
        said = anna.error(name, **arguments)
        assert said.replace(MARKS[owner], "missing") == anna.error(name, **instead), name
    for mark in ("session", "response", "item"):
        for name in ("find_sessions", "find_responses"):
            found = anna.data(name, text=MARKS[owner])
            assert found["data"] == [], mark
    with pytest.raises(Exception, match="no session"):
        anna.read(f"call://{ids['session']}/transcript")
    assert before == {seed.session_id: store.last_seq(seed.session_id) for seed in seeds()}


def test_a_tenants_session_stays_the_tenants(anna: Connected, store: EventStore) -> None:
    own = f"sess_{MARKS['anna']}_0"
    said = anna.error("set_metadata", session_id=own, metadata={"tenant": "berta", "a": "b"})
    assert said == "tenant says whose the session is, and stays anna"
    told = anna.data("set_metadata", session_id=own, metadata={"tenant": "anna", "a": "b"})
    assert told["metadata"]["a"] == "b"
    assert store.metadata(own)["tenant"] == "anna"


def test_requests_of_two_tenants_at_once_are_each_answered_with_their_own(
    store: EventStore, serve: Any
) -> None:
    berta = "k" * 20 + "berta"
    more = f'[[key]]\nname = "berta"\nkey = "{berta}"\nmetadata = {{ tenant = "berta" }}\n'
    address = serve(parse_keys(api_keys.FILE + more))
    with over_http(address, api_keys.ANNA) as anna, over_http(address, berta) as other:
        for _ in range(3):
            calls = [("find_sessions", {"limit": 5}), ("find_responses", {})] * 8
            for client, own, foreign in ((anna, "anna", "berta"), (other, "berta", "anna")):
                told = str([one.structured_content for one in client.together(*calls)])
                assert MARKS[own] in told and MARKS[foreign] not in told


def test_a_key_is_needed_and_its_rights_hold(serve: Any, store: EventStore) -> None:
    address = serve(parse_keys(api_keys.FILE), allow_writing=True)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    for key, status in ((None, 401), ("wrong" * 5, 401), (api_keys.WRITER, 403)):
        headers = accept | ({} if key is None else {"Authorization": f"Bearer {key}"})
        said = httpx.post(address, json=body, headers=headers)
        assert said.status_code == status and "error" in said.json(), said.text
    with over_http(address, api_keys.READER) as reader:
        assert not {"score", "set_metadata"} & set(reader.tools())
        own = f"sess_{MARKS['anna']}_0"
        assert "no tool" in reader.error("score", session_id=own, name="x", value=1)
    with over_http(address, api_keys.ALL) as everybody:
        assert {"score", "set_metadata"} <= set(everybody.tools())
    with over_http(serve(parse_keys(api_keys.FILE)), api_keys.ALL) as everybody:
        assert not {"score", "set_metadata"} & set(everybody.tools())
        assert "no tool" in everybody.error("set_metadata", session_id=own, metadata={"a": "b"})


def test_secrets_are_masked_without_the_right_to_raw_frames(
    store: EventStore, serve: Any, database_url: str
) -> None:
    from support.events import Call

    call = Call().server("session.created", session={"id": "s", "instructions": f"use {SECRET}"})
    call.typed("item_1", f"my key is {SECRET}").created("resp_1").done("resp_1")
    store.append("sess_secret", call.frames)
    keys = parse_keys(api_keys.FILE)
    calls = [
        (name, a) for name, a in _calls_about("sess_secret", "resp_1", "item_1") if "sc" not in name
    ]
    calls = [one for one in calls if one[0] not in ("hear", "score", "set_metadata")]
    with over_http(serve(keys), api_keys.READER) as reader:
        told = str([reader.call(name, **arguments) for name, arguments in calls])
        assert "[removed]" in told and SECRET not in told
        assert SECRET not in str(reader.data("find_sessions")) + reader.text(
            "read_transcript", session_id="sess_secret"
        )
        assert reader.data("list_events", session_id="sess_secret")["secrets"] == "masked"
    with over_http(serve(keys), api_keys.ALL) as everybody:
        assert SECRET in str(everybody.data("list_events", session_id="sess_secret"))
    with over_stdio(database_url) as plain:
        assert SECRET not in str(plain.data("list_events", session_id="sess_secret"))
    with over_stdio(database_url, "--raw") as raw:
        assert SECRET in str(raw.data("list_events", session_id="sess_secret"))


def test_only_this_machines_own_may_ask_without_keys(serve: Any) -> None:
    address = serve()
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    for refused in (
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        said = httpx.post(address, json=body, headers=accept | refused)
        assert (said.status_code, said.json()["error"]["code"]) == (403, "other_host"), refused
    assert httpx.post(address, json=body, headers=accept).status_code == 200


def test_other_methods_and_large_bodies_are_refused(serve: Any) -> None:
    address = serve()
    for method in ("GET", "DELETE", "PUT"):
        assert httpx.request(method, address).status_code == 405
    said = httpx.post(address, content=b" " * (2 << 20))
    assert (said.status_code, said.json()["error"]["code"]) == (413, "too_large")
    assert httpx.get(address.replace("/mcp", "/healthz")).json() == {"status": "ok"}


def test_a_server_without_keys_gives_only_what_its_options_say() -> None:
    plain = access_without_key("stdio", {}, raw=False, allow_writing=False)
    assert plain.rights == {"read"} and plain.scope is None
    whole = access_without_key("stdio", {"tenant": "anna"}, raw=True, allow_writing=True)
    assert whole.rights == {"read", "raw", "score", "append"}
    assert whole.scope is not None and whole.scope.value == "anna"
    assert Service._fields == ("stores", "access", "allow_writing", "time_limit")
