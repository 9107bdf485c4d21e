"""Acceptance: one line around a GPT-Live connection of the `openai` package records its wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from support.live_calls import sideband
from support.live_clients import (
    ROLES,
    connecting,
    converse,
    converse_async,
    events,
    live_client,
    sent_in,
)
from support.live_server import LiveServer, live_server
from support.live_usage import seconds_by_session
from support.taps import kept

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.taps.tap_openai import tap

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
each_role = pytest.mark.parametrize("role", ROLES)
#: Around what `connect` returns, or around the connection that is open.
each_way = pytest.mark.parametrize("entered", [False, True], ids=["manager", "entered"])

PATHS = {
    "connect": "/live/sessions",
    "forks": "/live/sessions/live_x1/fork",
    "sideband": "/live/sessions/live_x1/attach",
}


def tapped(manager: Any, recorder: Recorder, entered: bool) -> Any:
    """A connection that is tapped before or after it is opened."""
    if not entered:
        return tap(manager, recorder)
    return (
        _entered_async(manager, recorder)
        if hasattr(manager, "__aenter__")
        else _entered(manager, recorder)
    )


@contextmanager
def _entered(manager: Any, recorder: Recorder) -> Iterator[Any]:
    with manager as connection:
        yield tap(connection, recorder)


@asynccontextmanager
async def _entered_async(manager: Any, recorder: Recorder) -> Any:
    async with manager as connection:
        yield tap(connection, recorder)


def talk(
    server: LiveServer, recorder: Recorder, role: str, is_async: bool, entered: bool = False
) -> list[str]:
    manager = connecting(live_client(server.url, is_async), role)
    hears = len(sideband()) if role == "sideband" else 0
    watched = tapped(manager, recorder, entered)
    if is_async:
        return asyncio.run(converse_async(watched, role, hears))
    return converse(watched, role, hears)


@each_way
@each_role
@both
def test_every_connection_is_recorded_as_it_was_on_the_wire(
    store: EventStore, role: str, is_async: bool, entered: bool
) -> None:
    with live_server() as server, Recorder(store) as recorder:
        came = talk(server, recorder, role, is_async, entered)
    [session] = kept(store)
    assert session.came == came
    assert len(came) == (len(sideband()) if role == "sideband" else 6)
    assert events(session.sent) == sent_in(role)
    [got] = server.got.values()
    assert session.sent == got
    assert session.opened["url"] == f"{server.url}{PATHS[role]}"


@each_role
def test_the_protocol_and_the_id_are_known(store: EventStore, role: str) -> None:
    with live_server() as server, Recorder(store) as recorder:
        talk(server, recorder, role, False)
    [session] = kept(store)
    # A sideband attaches to a session that there is; each other connection begins one.
    assert session.id == ("live_x1" if role == "sideband" else "live_1")
    shown = store.state(session.id)["session"]
    assert shown["eventstore"]["protocol"] == "live"
    assert shown["id"] == session.id


def test_a_sideband_is_known_before_its_first_event(store: EventStore) -> None:
    with (
        live_server(came=[]) as server,
        Recorder(store) as recorder,
        tap(connecting(live_client(server.url), "sideband"), recorder) as connection,
    ):
        connection.session.commentary.append(content="Wait.", delegation_id=None)
    [session] = kept(store)
    assert session.id == "live_x1"
    assert store.state(session.id)["session"]["eventstore"]["protocol"] == "live"
    assert [event["type"] for event in events(session.sent)] == ["session.commentary.append"]


def test_a_session_and_its_sideband_are_told_apart_and_billed_once(store: EventStore) -> None:
    with live_server() as server, Recorder(store) as recorder:
        client = live_client(server.url)
        with tap(client.live.connect(), recorder) as own:
            own.send(sent_in("connect")[0])
            own.recv_bytes()
            with tap(connecting(client, "sideband", "live_1"), recorder) as beside:
                for _ in sideband():
                    beside.recv_bytes()
            for event in sent_in("connect")[1:]:
                own.send(event)
            for _ in range(5):
                own.recv_bytes()
    assert {one["id"] for one in store.sessions().data} > {"live_1"}
    [beside_id] = [one["id"] for one in store.sessions().data if one["id"] != "live_1"]
    assert beside_id.startswith("sess_")
    assert seconds_by_session(store) == {"live_1": 2}
