"""Integration: clients that leave, stall, stream on or misbehave; recordings of any kind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.events import Call, message, text_part
from support.replaying import INSTANT, Served, one, play_client, sent_by, served
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.http11 import Request

from eventstore import Frame
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.faults import parse_fault

MINUTE = 60_000_000
GAP = [Frame(SERVER, '{"type":"a"}', 0), Frame(SERVER, '{"type":"b"}', MINUTE)]
DELAY = Manner(rule="none", faults=(parse_fault("delay@b=60"),))


async def for_ever(event: Any) -> None:
    await asyncio.Event().wait()


def session(server: Served, play: Callable[[ClientConnection], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with connect(f"{server.url}/realtime", max_size=None) as connection:
            return await asyncio.wait_for(play(connection), 20)

    return asyncio.run(run())


async def events_of(connection: ClientConnection, count: int) -> list[dict[str, Any]]:
    return [json.loads(await connection.recv()) for _ in range(count)]


def create(text: str = "Hello", id_: Any = "item_1") -> dict[str, Any]:
    item = message("", "user", text_part(text, "input_text")) | {"id": id_}
    return {"type": "conversation.item.create", "item": item}


# Whoever leaves, and when the server does


@pytest.mark.parametrize(
    "manner",
    [Manner(rule="none"), DELAY, Manner(rule="none", step=for_ever)],
    ids=["gap", "delay", "step"],
)
def test_a_client_that_leaves_ends_its_replay(manner: Manner) -> None:
    with served(one(GAP), manner) as server:
        session(server, lambda connection: asyncio.sleep(0.1))
        assert not server.outcome().whole


@pytest.mark.parametrize("manner", [Manner(rule="none"), DELAY], ids=["gap", "delay"])
def test_the_server_ends_while_clients_wait(manner: Manner) -> None:
    async def stay(server: Served) -> int | None:
        async with connect(f"{server.url}/realtime") as connection:
            await connection.recv()
            leaving.set()
            await connection.wait_closed()
            return connection.close_code

    async def play() -> int | None:
        staying = asyncio.create_task(stay(server))
        await leaving.wait()
        await asyncio.to_thread(ending.__exit__, None, None, None)
        return await staying

    leaving = asyncio.Event()
    ending = served(one(GAP), manner)
    server = ending.__enter__()
    assert asyncio.run(asyncio.wait_for(play(), 20)) == 1001


def test_a_strict_refusal_ends_the_replay() -> None:
    async def misbehave(connection: ClientConnection) -> None:
        await connection.recv()
        await connection.send('{"type":"input_audio_buffer.clear"}')
        await connection.wait_closed()

    with served(one(GAP), Manner(rule="strict")) as server:
        session(server, misbehave)
        assert not server.outcome().whole


# Microphones that never stop


async def stream(connection: ClientConnection) -> None:
    while True:
        await connection.send('{"type":"input_audio_buffer.append","audio":"AAAA"}')
        await asyncio.sleep(0.02)


def test_a_microphone_keeps_no_connection_open() -> None:
    async def talk(connection: ClientConnection) -> None:
        talking = asyncio.create_task(stream(connection))
        await connection.wait_closed()
        talking.cancel()

    call = Call().server("session.created").client("input_audio_buffer.clear")
    with served(one(call.frames)) as server:
        session(server, talk)
        assert [drift.kind for drift in server.outcome().drift] == ["missing"]


def test_what_is_waited_for_is_told_while_a_microphone_streams() -> None:
    async def talk(connection: ClientConnection) -> None:
        talking = asyncio.create_task(stream(connection))
        while not server.drift:
            await asyncio.sleep(0.05)
        talking.cancel()

    call = Call().client("session.update").server("session.updated")
    with served(one(call.frames)) as server:
        session(server, talk)
        assert server.drift[0].kind == "waiting"


# Matching


def test_a_later_frame_that_is_identical_is_not_taken_for_an_earlier_one() -> None:
    async def greet(connection: ClientConnection) -> list[str]:
        ids = []
        for _ in range(2):
            await connection.send('{"type":"response.create"}')
            ids += [event["response"]["id"] for event in await events_of(connection, 2)]
        return ids

    call = Call().client("response.create", response={"instructions": "Greet"})
    call.created("resp_1").done("resp_1").client("response.create").created("resp_2")
    with served(one(call.done("resp_2").frames)) as server:
        assert session(server, greet) == ["resp_1", "resp_1", "resp_2", "resp_2"]


def test_frames_that_were_sent_at_once_may_come_in_any_order() -> None:
    call = Call().frame(CLIENT, json.dumps(create("One", "item_1")))
    call.frame(CLIENT, json.dumps(create("Two", "item_2")))
    call.typed("item_1", "One").typed("item_2", "Two")
    live = [Frame(CLIENT, json.dumps(create(*pair))) for pair in (("Two", "b"), ("One", "a"))]
    with served(one(call.frames)) as server:
        came, _, _ = asyncio.run(play_client(f"{server.url}/realtime", live))
        assert [json.loads(text)["item"]["id"] for text in came] == ["a", "b"]
        assert server.drift == []


# Faults


@pytest.mark.parametrize("fault", ["swap@session.created", "swap@session.updated"])
def test_a_swap_does_not_hold_back_what_the_client_waits_for(fault: str) -> None:
    call = Call().server("session.created").client("session.update").server("session.updated")
    call.client("response.create").created("resp_1").done("resp_1")
    manner = Manner(speed=None, faults=(parse_fault(fault),))
    with served(one(call.frames), manner) as server:
        came, code, _ = asyncio.run(play_client(f"{server.url}/realtime", call.frames))
        assert (sorted(map(str, came)), code) == (sorted(sent_by(call.frames, SERVER)), 1000)


def test_what_follows_a_delay_keeps_its_distance() -> None:
    async def arrivals(connection: ClientConnection) -> list[float]:
        clock = asyncio.get_running_loop().time
        return [clock() async for _ in connection]

    recorded = [Frame(SERVER, '{"type":"a"}', number * 100_000) for number in range(4)]
    manner = Manner(rule="none", faults=(parse_fault("delay@2=0.5"),))
    with served(one(recorded), manner) as server:
        came = session(server, arrivals)
    assert came[3] - came[1] > 0.15


# Ids


@pytest.mark.parametrize("id_", ['a"b', "a\\b", "a\nb", "a\0b", "\ud800", "é"], ids=ascii)
def test_any_id_that_the_live_client_chose_comes_back_to_it(id_: str) -> None:
    call = Call().frame(CLIENT, json.dumps(create())).typed("item_1", "Hello")
    live = [Frame(CLIENT, json.dumps(create(id_=id_)))]
    with served(one(call.frames)) as server:
        came, _, _ = asyncio.run(play_client(f"{server.url}/realtime", live))
        assert json.loads(came[0])["item"]["id"] == id_


def test_an_id_that_stands_in_escapes_is_known() -> None:
    call = Call().frame(CLIENT, json.dumps(create(id_="a/é")))
    added = json.dumps({"type": "conversation.item.added", "item": create(id_="a/é")["item"]})
    call.frame(SERVER, added.replace("a/", "a\\/"))
    live = [Frame(CLIENT, json.dumps(create(id_="mine")))]
    with served(one(call.frames)) as server:
        came, _, _ = asyncio.run(play_client(f"{server.url}/realtime", live))
        assert json.loads(came[0])["item"]["id"] == "mine"


def test_fresh_ids_leave_what_users_keep() -> None:
    call = Call().server("session.created", session={"id": "sess_1"}, event_id="calendar_7")
    call.created("resp_1", metadata={"event_id": "event_of_mine", "call_id": "call_of_mine"})
    call.server("input_audio_buffer.committed", item_id="item_1", previous_item_id="root")
    call.server("response.output_text.delta", event_id="event_delta", item_id="", delta="Hi")
    with served(one(call.frames), Manner(speed=None, fresh=True)) as server:
        came, _, _ = asyncio.run(play_client(f"{server.url}/realtime", []))
    first, response, committed, delta = map(json.loads, came)
    assert first["event_id"] != "calendar_7"
    assert response["response"]["metadata"] == {
        "event_id": "event_of_mine",
        "call_id": "call_of_mine",
    }
    assert committed["previous_item_id"] == "root"
    assert (delta["item_id"], delta["event_id"] != "event_delta") == ("", True)


def test_an_approval_names_the_fresh_request() -> None:
    request = {"id": "mcpr_1", "type": "mcp_approval_request"}
    answer = {"type": "mcp_approval_response", "approve": True, "approval_request_id": "mcpr_1"}
    call = Call().added(request).client("conversation.item.create", item=answer)
    call.added({**answer, "id": "item_2"})

    async def approve(connection: ClientConnection) -> bool:
        asked = (await events_of(connection, 1))[0]["item"]["id"]
        item = {**answer, "approval_request_id": asked}
        await connection.send(json.dumps({"type": "conversation.item.create", "item": item}))
        return bool((await events_of(connection, 1))[0]["item"]["approval_request_id"] == asked)

    with served(one(call.frames), Manner(speed=None, rule="strict", fresh=True)) as server:
        assert session(server, approve)
        assert server.outcome().drift == []


# Recordings and handshakes of any kind


def test_a_frame_with_half_a_character_is_sent_as_its_escape() -> None:
    recorded = [Frame(SERVER, '{"type":"a","x":"\ud83d"}'), Frame(SERVER, '{"type":"b"}')]
    with served(one(recorded)) as server:
        came, code, _ = asyncio.run(play_client(f"{server.url}/realtime", []))
        assert (came, code) == (['{"type":"a","x":"\\ud83d"}', '{"type":"b"}'], 1000)


def test_a_close_reason_of_any_kind() -> None:
    call = Call().server("a").store("closed", code=1000, reason="\ud800é" * 100)
    with served(one(call.frames)) as server:
        assert asyncio.run(play_client(f"{server.url}/realtime", []))[1] == 1000


def test_a_path_that_is_no_url_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    from eventstore.replay.server.session_request import read_request
    from eventstore.replay.serving.recording import Recording

    def open_(request: Request) -> Recording:
        read_request(request.path)
        return one(GAP)(request)

    async def ask(server: Served, path: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        key += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        upgrade = key if path.startswith("//") else ""
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{upgrade}\r\n"
        writer.write(head.encode())
        status = (await reader.readline()).decode()
        writer.close()
        return status

    with served(open_, INSTANT) as server:
        assert "400" in asyncio.run(ask(server, "//[x"))
        assert "426" in asyncio.run(ask(server, "/v1/realtime"))
        with pytest.raises((InvalidStatus, InvalidMessage)):
            asyncio.run(connect_to(f"ws://127.0.0.1:{server.port}//[x"))
    assert "Traceback" not in capfd.readouterr().err


async def connect_to(url: str) -> None:
    async with connect(url):
        pass


def test_one_frame_tells_so_many_differences_and_no_more() -> None:
    call = Call().client("session.update", session={"tools": []}).server("session.updated")
    live = {"type": "session.update", "session": {"tools": [1] * 100_000, "k" * 100_000: 1}}
    with served(one(call.frames)) as server:
        asyncio.run(play_client(f"{server.url}/realtime", [Frame(CLIENT, json.dumps(live))]))
        (drift,) = server.outcome().drift
    assert len(drift.differences) == 20
    assert len(str(drift)) < 20_000
