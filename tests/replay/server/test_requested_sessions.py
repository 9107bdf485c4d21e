"""Integration: which session a client gets out of a whole store, and how often."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from support.events import Call
from support.replaying import served
from support.request_targets import TARGETS, VOICE_LIVE, call_of, fill, found
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError
from eventstore.replay.server import reconnects, served_sessions, stored_recordings
from eventstore.replay.server.reconnects import AT_ONCE, EACH, Reconnects
from eventstore.replay.server.server import recordings_of
from eventstore.store.database.transaction import read


async def ask(base: str, target: str) -> str | int | None:
    """The session that a client gets; None for not found, else the status."""
    try:
        async with connect(base.removesuffix("/v1") + target) as connection:
            await connection.wait_closed()
            return connection.close_reason
    except InvalidStatus as error:
        told = json.loads(error.response.body or b"")["error"]["message"]
        assert told and "\n" not in told
        return None if error.response.status_code == 404 else error.response.status_code


def test_what_a_client_asks_for_is_found_in_the_whole_store(store: EventStore) -> None:
    fill(store)
    assert {target: found(store, target) for target, _ in TARGETS} == dict(TARGETS)


def test_clients_are_served_what_they_ask_for(store: EventStore) -> None:
    fill(store)
    expected = dict(TARGETS[::3])
    with served(recordings_of(store)) as server:
        assert {each: asyncio.run(ask(server.url, each)) for each in expected} == expected


def test_names_of_addresses_are_the_same_in_a_rebuilt_store(store: EventStore) -> None:
    fill(store)
    rows = "SELECT session_id, facet, value FROM session_facets ORDER BY 1, 2, 3"
    with read(store.engine) as tx:
        inline = tx.rows(rows)
    store.rebuild()
    with read(store.engine) as tx:
        assert tx.rows(rows) == inline
    assert ("agent", "agent", "agent-name=clerk") in {tuple(row) for row in inline}


def test_a_name_that_no_longer_holds_goes(store: EventStore) -> None:
    url = "wss://h/v1/realtime?model=gpt-mini"
    store.append("changed", call_of("changed", "gpt-mini-2025-12-15", url=url).frames[:2])
    # Another process goes on with the session.
    with EventStore(store.engine.url.render_as_string(hide_password=False)) as other:
        update = {"session": {"model": "gpt-mini"}}
        other.append("changed", Call().server("session.updated", **update).frames)
    with read(store.engine) as tx:
        assert tx.rows("SELECT facet FROM session_facets WHERE session_id = 'changed'") == []


def test_openais_own_client_joins_a_call_and_names_metadata_before_the_path(
    store: EventStore,
) -> None:
    fill(store)

    async def first(base: str, **wanted: Any) -> str:
        client = AsyncOpenAI(api_key="none", websocket_base_url=base)
        async with client.realtime.connect(**wanted) as connection:
            return (await connection.recv()).type

    with served(recordings_of(store)) as server:
        assert asyncio.run(first(server.url, call_id="rtc_2")) == "session.created"
        tagged = server.url.replace("/v1", "/metadata/customer=%C3%A9%2F1/v1")
        assert asyncio.run(first(tagged, model="gpt-other")) == "session.created"


# Again and again


def test_who_asks_for_any_gets_the_next_one_each_time(store: EventStore) -> None:
    fill(store)

    async def until_refused(url: str) -> tuple[list[Any], str]:
        came = []
        while True:
            try:
                async with connect(url) as connection:
                    await connection.wait_closed()
                    came.append(connection.close_reason)
            except InvalidStatus as error:
                return came, json.loads(error.response.body or b"")["error"]["message"]

    with served(recordings_of(store)) as server:
        agents = server.url.replace("/v1", "/voice-live/realtime?agent-name=clerk")
        came, told = asyncio.run(until_refused(agents))
        assert came == ["agent_2", "agent"]
        assert "all sessions like that were served (2)" in told and "?session=ID" in told
        # Another wanted has its own.
        came, _ = asyncio.run(until_refused(f"{agents}&agent-project-name=shop"))
        assert came == ["agent"]
        came, _ = asyncio.run(until_refused(f"{server.url}/realtime?model=gpt-realtime"))
        assert came == ["deployed", "realtime"]
        # A session that comes meanwhile is the next one.
        store.append("late", call_of("late", url=f"{VOICE_LIVE}&agent-name=clerk").frames)
        assert asyncio.run(until_refused(agents))[0] == ["late"]


def test_clients_that_ask_at_the_same_time_get_different_sessions(store: EventStore) -> None:
    for number in range(8):
        store.append(f"s{number}", call_of(f"s{number}", "m").frames)

    async def all_of_them(base: str) -> list[Any]:
        return await asyncio.gather(*(ask(base, "/v1/realtime?model=m") for _ in range(10)))

    with served(recordings_of(store)) as server:
        came = asyncio.run(all_of_them(server.url))
    assert sorted(map(str, came)) == ["None", "None", *(f"s{number}" for number in range(8))]


def test_a_wish_that_was_forgotten_begins_again(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_sessions, "REMEMBERED", 1)
    fill(store)
    targets = ["/v1/realtime?intent=transcription", "/v1/realtime?call_id=rtc_1"]
    with served(recordings_of(store)) as server:
        came = [asyncio.run(ask(server.url, target)) for target in [*targets, *targets]]
    assert came == ["intent", "call", "intent", "call"]


def test_a_request_that_is_no_websocket_takes_no_session(store: EventStore) -> None:
    fill(store)
    with served(recordings_of(store)) as server:
        url = f"{server.url.replace('ws', 'http', 1)}/realtime?call_id=rtc_1"
        assert httpx.get(url).status_code == 426
        assert asyncio.run(ask(server.url, "/v1/realtime?call_id=rtc_1")) == "call"


def test_a_session_that_could_not_be_read_is_served_later(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    recordings = recordings_of(store)
    reading = recordings._read

    def fail_once(known: stored_recordings.SessionRevision) -> Any:
        recordings._read = reading  # type: ignore[method-assign]
        raise DatabaseUnavailableError("it is away")

    recordings._read = fail_once  # type: ignore[method-assign]
    with served(recordings) as server:
        targets = ["/v1/realtime?call_id=rtc_1"] * 2
        came = [asyncio.run(ask(server.url, target)) for target in targets]
    assert came == [503, "call"]


@pytest.mark.parametrize("target", ["?session=call", "/call", "?session=call&model=m"])
def test_a_session_that_is_named_is_served_as_often_as_asked_but_paced(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    fill(store)
    waits: list[float] = []
    wait = Reconnects.wait

    def noted(self: Reconnects, session_id: str) -> float:
        waits.append(wait(self, session_id))
        return 0.0

    monkeypatch.setattr(Reconnects, "wait", noted)
    monkeypatch.setattr(reconnects, "EACH", 1e9)  # no token comes meanwhile
    with served(recordings_of(store)) as server:
        for _ in range(AT_ONCE + 1):
            assert asyncio.run(ask(server.url, f"/v1/realtime{target}")) == "call"
            server.outcome()
        assert asyncio.run(ask(server.url, "/v1/realtime?session=other")) == "other"
    assert [seconds > 1 for seconds in waits] == [False] * AT_ONCE + [True, False]


def test_replays_that_end_are_paced_and_no_client_waits_long() -> None:
    now = [0.0]
    paced = Reconnects(lambda: now[0])
    for _ in range(AT_ONCE):
        assert paced.wait("a") == 0
        paced.ended("a")
    assert paced.wait("a") == EACH
    assert paced.wait("b") == 0
    for _ in range(1000):  # many at once make nobody wait longer
        paced.ended("a")
    assert paced.wait("a") == EACH
    now[0] += EACH / 4
    assert paced.wait("a") == EACH * 3 / 4
    now[0] += EACH
    assert paced.wait("a") == 0
    for number in range(2000):
        paced.ended(str(number))
    assert len(paced._buckets) == 1000


def test_a_session_is_served_once_where_that_is_asked_for(store: EventStore) -> None:
    fill(store)

    async def two(base: str) -> list[Any]:
        return await asyncio.gather(ask(base, "/v1/realtime"), ask(base, "/v1/realtime"))

    with served(recordings_of(store, "call", once=True)) as server:
        came = asyncio.run(two(server.url))
        assert came.count("call") == 1
        assert asyncio.run(ask(server.url, "/v1/realtime")) is None
