"""The stream of open sessions: who begins, what goes on, who has ended."""

from __future__ import annotations

import time
from itertools import chain

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api_keys import ALL, ANNA, FILE, WRITER, client
from support.api_serving import Serve
from support.events import Call
from support.live_streams import events_of, following, until
from support.scoped_calls import call

from eventstore import EventStore
from eventstore.realtime.values import dumps
from eventstore.store.database.transaction import read
from eventstore.store.sessions.append_arguments import Append
from eventstore.web.api.live import endings, news
from eventstore.web.server.access import parse_keys


def test_sessions_begin_change_and_end(store: EventStore, serve: Serve) -> None:
    store.append("closed", call("anna", 1).frames, close=True)
    store.append("early", call("anna", 2).frames)
    with client(serve(), None) as asking, following(asking) as events:
        first = until(events, "session")
        (listed,) = asking.get("/sessions?live=true").json()["data"]
        assert first == listed and first["id"] == "early"
        store.append("late", call("berta", 3).frames)
        late = until(events, "session")
        assert (late["id"], late["eventstore"]["doing"]) == ("late", "waiting")
        count = late["eventstore"]["events"]
        store.append("late", Call().created("resp_2").frames)
        assert until(events, "session", events=count + 1)["eventstore"]["doing"] == "answering"
        store.append("late", Call().typed("item_9", "One more thing").frames)
        words = {"role": "user", "text": "One more thing"}
        until(events, "session", last_words=words)
        store.append("early", [], close=True)
        assert until(events, "ended") == {"id": "early"}
        store.erase("late").raise_for_errors()
        assert until(events, "ended") == {"id": "late"}


def test_a_tenants_key_and_filters_choose(store: EventStore, serve: Serve) -> None:
    for number in range(2):
        for tenant in ("anna", "berta"):
            store.append(f"{tenant}_{number}", call(tenant, number).frames)
    url = serve(parse_keys(FILE))
    with client(url, ANNA) as anna, client(url, ALL) as everybody:
        cases: list[tuple[httpx.Client, dict[str, str], list[str]]] = [
            (anna, {}, ["anna_0", "anna_1"]),
            (everybody, {"metadata[tenant]": "berta"}, ["berta_0", "berta_1"]),
            (everybody, {"metadata[queue]": "vip", "model": "m"}, ["anna_0", "anna_1", "berta_0"]),
        ]
        for asking, filters, ids in cases:
            with following(asking, **filters) as events:
                assert [until(events, "session")["id"] for _ in ids] == ids
        with following(anna, model="other") as events, following(anna) as all_of_annas:
            for tenant, model in (("berta", "other"), ("anna", "other")):
                begun = Call().server("session.created", session={"id": "s", "model": model})
                begun.store("metadata", metadata={"tenant": tenant})
                store.append(f"{tenant}_new", begun.frames)
            assert until(events, "session")["id"] == "anna_new"
            store.append("berta_0", [], close=True)
            store.append("anna_0", [], close=True)
            assert until(all_of_annas, "ended") == {"id": "anna_0"}


def test_what_is_refused(store: EventStore, serve: Serve) -> None:
    url = serve(parse_keys(FILE))
    for key, query, status in (
        (None, "", 401),
        (WRITER, "", 403),
        (ALL, "metdata[a]=1", 400),
        (ALL, "model=", 400),
        (ALL, f"metadata[{'k' * 65}]=1", 400),
    ):
        with client(url, key) as asking:
            assert asking.get(f"/live?{query}").status_code == status, query


def test_all_open_sessions_are_told(store: EventStore, serve: Serve) -> None:
    ids = [f"sess_{number:03}" for number in range(130)]
    store.append_together([Append(one, Call().created("resp_1").frames) for one in ids])
    with client(serve(), None) as asking, following(asking) as events:
        assert [until(events, "session")["id"] for _ in ids] == ids


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_it_ends_when_its_client_goes(store: EventStore, serve: Serve) -> None:
    store.append("early", call("anna", 2).frames)
    url = serve()
    with client(url, None) as asking, following(asking) as events:
        until(events, "session")
        assert "/v1/realtime/live" not in httpx.get(f"{url}/metrics").text
    while "/v1/realtime/live" not in httpx.get(f"{url}/metrics").text:
        pass


LISTS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(['{"n":1}', '{"n":2}']))


@given(LISTS, LISTS)
def test_a_client_that_is_told_the_changes_knows_the_list(
    before: dict[str, str], now: dict[str, str]
) -> None:
    told_before: dict[str, bytes] = {}
    was, is_ = ([{"id": k, "n": v} for k, v in one.items()] for one in (before, now))
    assert len(list(news(told_before, was))) == len(was)
    before, now = ({one["id"]: dumps(one) for one in some} for some in (was, is_))
    known = dict(before)
    events = chain(news(told_before, is_), endings(told_before, now.keys()))
    lines = b"".join(events).decode().split("\n")
    told = list(events_of(iter(lines)))
    for name, data in told:
        if name == "session":
            known[data["id"]] = dumps(data)
        else:
            del known[data["id"]]
    assert known == now
    assert told_before.keys() == now.keys()
    assert len(told) == len(set(before.items()) ^ set(now.items())) - sum(
        before[key] != now[key] for key in before.keys() & now.keys()
    )


def test_a_call_that_ends_between_two_looks_is_told(store: EventStore, serve: Serve) -> None:
    store.append("early", call("anna", 1).frames)
    url = serve(parse_keys(FILE))
    with (
        client(url, ANNA) as anna,
        client(url, ALL) as everybody,
        following(anna) as annas,
        following(everybody) as all_,
        following(everybody, model="m", **{"metadata[tenant]": "berta"}) as bertas,
    ):
        assert [until(one, "session")["id"] for one in (annas, all_)] == ["early", "early"]
        for number in range(2, 8):
            for tenant in ("berta", "anna"):
                store.append(f"{tenant}_{number}", call(tenant, number).frames, close=True)
        ends = {f"{tenant}_{number}" for tenant in ("anna", "berta") for number in range(2, 8)}
        cases = [
            (annas, {end for end in ends if "anna" in end}),
            (all_, ends),
            (bertas, {end for end in ends if "berta" in end}),
        ]
        for events, expected in cases:
            begun, ended = set(), set()
            while ended != expected:
                name, data = next(events)
                (ended if name == "ended" else begun).add(data["id"])
                assert data["id"] in expected
            assert begun == expected
    assert store.subscriptions() == []


def test_nothing_is_left_of_who_followed(store: EventStore, serve: Serve) -> None:
    store.append("early", call("anna", 1).frames)
    with client(serve(), None) as asking, following(asking) as events:
        until(events, "session")
        assert consumers(store) == 1
        with following(asking) as others:
            until(others, "session")
            assert consumers(store) == 1
    while consumers(store):
        time.sleep(0.01)
    with read(store.engine) as tx:
        assert tx.rows("SELECT * FROM checkpoints") == []


def consumers(store: EventStore) -> int:
    with read(store.engine) as tx:
        return len(tx.rows("SELECT name FROM consumers"))
