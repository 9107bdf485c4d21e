"""Recordings that a replay server has at hand are no longer those of sessions that were erased."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from support.relaying import eventually
from support.replaying import served
from support.sound import append, delta, opened
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from eventstore import EventStore
from eventstore.replay.server import stored_recordings
from eventstore.replay.server.server import recordings_of
from eventstore.replay.serving.connection import Manner
from eventstore.store.log.session_facts import find_revisions

AT_ONCE, PACED = Manner(speed=None, rule="none"), Manner(speed=1.0, rule="none")


@pytest.fixture
def store(database_url: str) -> EventStore:
    opened_ = EventStore(database_url)
    opened_.append("call", [opened(), append(0.1, b"heard"), delta(0.2, b"said")], close=True)
    return opened_


async def sounds(url: str) -> list[str]:
    async with connect(f"{url}/realtime/call") as connection:
        return [
            event["delta"] async for text in connection if "delta" in (event := json.loads(text))
        ]


def test_erased_audio_is_not_replayed_from_memory(store: EventStore) -> None:
    with served(recordings_of(store), AT_ONCE) as server:
        assert asyncio.run(sounds(server.url)) == ["c2FpZA=="]
        store.erase("call", audio_only=True, vacuum=False).raise_for_errors()
        assert asyncio.run(sounds(server.url)) == [""]
        store.erase("call", vacuum=False).raise_for_errors()
        with pytest.raises(InvalidStatus):
            asyncio.run(sounds(server.url))


def test_who_is_played_an_erased_session_is_cut_off(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_recordings, "LOOK_EACH", 0.01)
    store.append("long", [opened(), *(delta(n, b"said") for n in range(1, 100))], close=True)

    async def play() -> str:
        async with connect(f"{server.url}/realtime/long") as connection:
            await connection.recv()
            await asyncio.to_thread(store.erase, "long", vacuum=False)
            try:
                async for _ in connection:
                    pass
            except ConnectionClosedError as error:
                return str(error.rcvd and error.rcvd.reason)
            return "to its end"

    with served(recordings_of(store), PACED) as server:
        assert asyncio.run(play()) == "the session was erased"


def test_a_look_that_fails_is_not_the_last_one(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[None] = []

    def fail_at_first(*args: Any) -> Any:
        looked.append(None)
        if len(looked) == 1:
            raise ValueError("nobody foresaw this")
        return find_revisions(*args)

    monkeypatch.setattr(stored_recordings, "LOOK_EACH", 0.01)
    monkeypatch.setattr(stored_recordings, "find_revisions", fail_at_first)
    recordings = recordings_of(store)
    with served(recordings, AT_ONCE) as server:
        asyncio.run(sounds(server.url))
        eventually(lambda: len(looked) > 1)
        store.erase("call", vacuum=False).raise_for_errors()
        eventually(lambda: not recordings._kept)


def test_of_many_clients_one_has_it_read(store: EventStore) -> None:
    recordings = recordings_of(store)
    read: list[str] = []
    reading = recordings._read
    recordings._read = lambda known: (read.append(known.session_id), reading(known))[1]  # type: ignore[method-assign]

    async def all_of_them() -> list[list[str]]:
        return await asyncio.gather(*(sounds(server.url) for _ in range(20)))

    with served(recordings, AT_ONCE) as server:
        assert asyncio.run(all_of_them()) == [["c2FpZA=="]] * 20
    assert read == ["call"]
