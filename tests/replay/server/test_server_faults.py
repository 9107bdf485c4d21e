"""Faults of the replay server's own are logged, without content, and end one replay at most."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from support.calls import voice_call
from support.forking import fork
from support.replaying import INSTANT, one, served
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Close

from eventstore import EventStoreError
from eventstore.common import unforeseen
from eventstore.replay.cassette.cassette_server import CassetteServer
from eventstore.replay.cassette.loop_thread import LoopThread
from eventstore.replay.serving import connection as connections

SECRET = "my card is 4111 1111 1111 1111"


@pytest.fixture(autouse=True)
def counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unforeseen, "FAULT_COUNTS", unforeseen.Counter())


def fail(*_: Any) -> Any:
    raise KeyError(SECRET)


def refusal(url: str, **options: Any) -> int:
    async def status() -> int:
        with pytest.raises(InvalidStatus) as raised:
            await connect(f"{url}/realtime", **options)
        return raised.value.response.status_code

    return asyncio.run(status())


def ending(url: str) -> Close | None:
    """The close frame of a replay that does not come to its end."""

    async def play() -> Close | None:
        async with connect(f"{url}/realtime") as connection:
            try:
                async for _ in connection:
                    pass
            except ConnectionClosedError as error:
                return error.rcvd
            return None

    return asyncio.run(play())


def test_a_handshake_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with served(fail) as server:
        assert refusal(server.url) == 500
    assert "in fail" in caplog.text and SECRET not in caplog.text
    assert unforeseen.fault_count() == 1


def test_a_replay_that_fails_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(one(voice_call().frames)) as server:
        monkeypatch.setattr(connections.IdMap, "rewrite", fail)
        assert ending(server.url) == Close(1011, "the replay failed")
        server.outcome()
    assert "in fail" in caplog.text and SECRET not in caplog.text


def test_why_a_replay_ends_fits_into_a_close_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise EventStoreError("通" * 100)

    with served(one(voice_call().frames)) as server:
        monkeypatch.setattr(connections.IdMap, "rewrite", refuse)
        assert ending(server.url) == Close(1011, "通" * 40)
        server.outcome()


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_a_header_that_comes_twice_is_refused(name: str) -> None:
    twice = [(name, "http://localhost"), (name, "https://evil.example")]
    with served(one(voice_call().frames), INSTANT) as server:
        assert refusal(server.url, additional_headers=twice) in (400, 403)


def test_what_a_page_only_loads_is_not_served() -> None:
    with served(one(voice_call().frames), INSTANT) as server:
        assert refusal(server.url, additional_headers={"Sec-Fetch-Site": "cross-site"}) == 403


def test_a_loops_thread_is_its_own_processs() -> None:
    def child() -> None:
        with pytest.raises(EventStoreError, match="another process"):
            thread.run(asyncio.sleep(0))
        thread.stop()

    ran = threading.Event()

    async def note() -> None:
        ran.set()

    thread = LoopThread(CassetteServer(None, (), INSTANT, None).serving)  # type: ignore[arg-type]
    thread.start()
    fork(child).said()
    thread.run(note())
    assert ran.is_set()
    thread.stop()
