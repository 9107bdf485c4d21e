"""When a replay closes: as the recorded server did, or once the live client has done its part."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.events import Call
from support.replaying import one, served
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

from eventstore.realtime.frames import CLIENT
from eventstore.replay.serving import connection as connections
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.matching import MatchRule


def call(closed_by: str | None) -> Call:
    """A call of a question and its answer."""
    made = Call()
    made.server("session.created", session={"id": "sess_1"})
    made.frame(CLIENT, json.dumps({"type": "response.create"}))
    made.server("response.created", response={"id": "resp_1"})
    made.server("response.done", response={"id": "resp_1"})
    if closed_by is not None:
        made.store("closed", by=closed_by, code=1000, reason="")
    return made


async def stay(url: str, seconds: float, asks: int = 1) -> tuple[list[str], bool]:
    """Ask, get all that comes, and stay: the types that came, and whether it was closed."""
    came = []
    async with connect(f"{url}/realtime") as live:
        for _ in range(asks):
            await live.send(json.dumps({"type": "response.create"}))
        try:
            while True:
                patience = seconds if len(came) == len(ALL) else 30
                frame = await asyncio.wait_for(live.recv(), patience)
                came.append(json.loads(frame)["type"])
        except TimeoutError:
            return came, False
        except ConnectionClosedOK:
            return came, True


ALL = ["session.created", "response.created", "response.done"]


@pytest.mark.parametrize("rule", ["strict", "type", "none"])
@pytest.mark.parametrize(("closed_by", "closes"), [("client", False), ("server", True)])
def test_the_server_closes_where_the_recorded_one_did(
    closed_by: str, closes: bool, rule: MatchRule
) -> None:
    """Clients that connect again after any close would be served the call without end."""
    with served(one(call(closed_by).frames), Manner(speed=None, rule=rule)) as server:
        assert asyncio.run(stay(server.url, 30 if closes else 0.3)) == (ALL, closes)
        assert server.outcome().whole


def test_a_recording_that_does_not_know_who_closed_is_closed() -> None:
    with served(one(call(None).frames)) as server:
        assert asyncio.run(stay(server.url, 30)) == (ALL, True)


def test_a_client_stays_no_longer_than_it_may() -> None:
    with served(one(call("client").frames), Manner(speed=None, linger=0.2)) as server:
        assert asyncio.run(stay(server.url, 30)) == (ALL, True)


def test_slow_clients_send_before_the_end_where_nothing_is_matched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All is sent at once; what the recorded client sent may still come."""
    monkeypatch.setattr(connections, "_LAST_FRAMES", 30.0)

    async def slow(url: str) -> int | None:
        async with connect(f"{url}/realtime") as live:
            for _ in ALL:
                await live.recv()
            await asyncio.sleep(0.2)
            await live.send(json.dumps({"type": "response.create"}))
            await live.wait_closed()
            return live.close_code

    with served(one(call(None).frames), Manner(speed=None, rule="none")) as server:
        assert asyncio.run(slow(server.url)) == 1000
