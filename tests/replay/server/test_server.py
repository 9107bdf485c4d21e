"""Integration: recordings served over real websockets to real clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.events import Call, message, text_part
from support.recordings import each_recording, frames
from support.replaying import INSTANT, one, play_client, sent_by, served
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.protocol import State

from eventstore import EventStore, Frame
from eventstore.demo import call_lines
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.realtime.unfinished_messages import UnfinishedMessages
from eventstore.replay.server.server import recordings_of
from eventstore.replay.serving import bounded_connection
from eventstore.replay.serving import recording as recordings
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.faults import parse_fault

STRICT = Manner(speed=None, rule="strict")


def played(url: str, played_frames: Sequence[Frame], **options: object) -> Any:
    return asyncio.run(play_client(f"{url}/realtime", played_frames, **options))


def asking(*client: dict[str, Any]) -> list[Frame]:
    return [Frame(CLIENT, json.dumps(event)) for event in client]


# Frames


@pytest.mark.parametrize("manner", [INSTANT, STRICT], ids=["type", "strict"])
@pytest.mark.parametrize("call", [voice_call, beta_tool_call, cut_off_call])
def test_the_recorded_client_gets_every_frame_as_it_was(call: type[Call], manner: Manner) -> None:
    recorded = call().frames
    with served(one(recorded), manner) as server:
        came, code, _ = played(server.url, recorded)
        assert came == sent_by(recorded, SERVER)
        assert code == 1000
        assert server.outcome().whole
        assert server.drift == []


@each_recording
def test_every_recording_is_served_as_it_was(recording: Path) -> None:
    recorded = frames(recording)
    with served(one(recorded), STRICT) as server:
        came, code, _ = played(server.url, recorded)
        assert (came, code, server.drift) == (sent_by(recorded, SERVER), 1000, [])


def test_frames_that_no_client_can_read_are_served_as_they_were() -> None:
    odd = ["{", '{"type": "a"  }', "é\u2028", '"\\ud800"', b"\0\xff", ""]
    with served(one([Frame(SERVER, text) for text in odd])) as server:
        came, _, _ = played(server.url, [])
        assert came == odd


def test_a_long_recording_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "KEPT", 100)
    recorded = voice_call().frames * 5
    with served(one(recorded)) as server:
        came, _, _ = played(server.url, recorded)
        assert came == sent_by(recorded, SERVER)


@pytest.mark.parametrize(
    ("code", "told"), [(1001, 1001), (4321, 4321), (1006, 1000), (1005, 1000), ("x", 1000)]
)
def test_the_connection_is_closed_as_it_was(code: object, told: int) -> None:
    call = Call().created("resp_1").store("closed", code=code, reason="the end")
    with served(one(call.frames)) as server:
        assert played(server.url, [])[1:] == (told, "the end")


# The handshake


def test_the_subprotocol_is_realtime_and_keys_are_not_sent_back() -> None:
    offered = ["realtime", "openai-insecure-api-key.sk-secret", "openai-beta.realtime-v1"]

    async def subprotocol() -> str | None:
        headers = {"Authorization": "Bearer sk-secret", "OpenAI-Beta": "realtime=v1"}
        async with connect(
            f"{server.url}/realtime?model=gpt-realtime",
            subprotocols=offered,  # type: ignore[arg-type]
            additional_headers=headers,
        ) as connection:
            assert connection.response is not None
            assert "sec-websocket-extensions" not in connection.response.headers
            return connection.subprotocol

    with served(one(Call().created("resp_1").frames)) as server:
        assert asyncio.run(subprotocol()) == "realtime"


@pytest.fixture
def calls(store: EventStore) -> EventStore:
    """Two sessions of one model, one of another."""
    for number, model in enumerate(("gpt-realtime", "gpt-realtime", "gpt-realtime-mini"), 1):
        call = Call()
        call.server("session.created", session={"id": f"sess_{number}", "model": model})
        store.append(f"sess_{number}", call.frames, close=True)
        store.set_metadata(f"sess_{number}", {"customer": str(number)})
    return store


@pytest.mark.parametrize(
    ("target", "session"),
    [
        ("/v1/realtime?session=sess_2", "sess_2"),
        ("/v1/realtime?model=gpt-realtime&session=sess_1", "sess_1"),
        ("/v1/realtime/sess_3", "sess_3"),
        ("/openai/v1/realtime?session=sess_1&api-version=1", "sess_1"),
        ("/v1/realtime?model=gpt-realtime-mini", "sess_3"),
        ("/v1/realtime/translations?model=gpt-realtime-mini", "sess_3"),
        ("/v1/realtime/translations?session=sess_2", "sess_2"),
        ("/v1/realtime?metadata[customer]=2", "sess_2"),
        ("/v1/realtime?metadata%5Bcustomer%5D=1&model=gpt-realtime", "sess_1"),
    ],
)
def test_the_handshake_names_the_session(calls: EventStore, target: str, session: str) -> None:
    async def first() -> str:
        base = server.url.removesuffix("/v1")
        async with connect(base + target) as connection:
            return str(json.loads(await connection.recv())["session"]["id"])

    with served(recordings_of(calls)) as server:
        assert asyncio.run(first()) == session


@pytest.mark.parametrize(
    ("target", "status", "said"),
    [
        ("/v1/realtime", 404, "name a session"),
        ("/v1/realtime?session=sess_9", 404, "no session sess_9"),
        ("/v1/realtime?model=gpt-9", 404, "no session is like that"),
        ("/v1/realtime?metadata[customer]=9", 404, "no session is like that"),
        ("/v1/realtime?metadata[customer]=%00", 400, "holds a NUL character"),
        ("/v1/realtime?model=%00", 400, "a NUL character"),
        ("/v1/realtime?session=%00", 400, "no control characters"),
    ],
)
def test_a_handshake_that_names_none_is_refused(
    calls: EventStore, target: str, status: int, said: str
) -> None:
    async def refused() -> InvalidStatus:
        with pytest.raises(InvalidStatus) as caught:
            await connect(server.url.removesuffix("/v1") + target)
        return caught.value

    with served(recordings_of(calls)) as server:
        error = asyncio.run(refused())
        assert error.response.status_code == status
        assert said in json.loads(error.response.body or b"")["error"]["message"]


@pytest.mark.parametrize(
    ("origin", "taken"),
    [("http://localhost:3000", True), ("https://evil.example", False), ("null", False)],
)
def test_pages_of_other_hosts_cannot_read_recordings(origin: str, taken: bool) -> None:
    async def status() -> int:
        try:
            async with connect(f"{server.url}/realtime", origin=origin):  # type: ignore[arg-type]
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    with served(one(Call().created("resp_1").frames)) as server:
        assert asyncio.run(status()) == (101 if taken else 403)


# Causes


def turn(user: str = "item_1", text: str = "Hello") -> Call:
    """The client's typed turn, and its answer."""
    item = message(user, "user", text_part(text, "input_text"))
    call = Call().server("session.created", session={"id": "sess_1"})
    call.client("conversation.item.create", event_id="event_c1", item=item).added(item)
    call.client("response.create").created("resp_1")
    return call.answers("resp_1", "item_2", "Hi").done("resp_1")


def test_an_answer_waits_for_its_cause() -> None:
    async def before_and_after() -> tuple[int, int]:
        async with connect(f"{server.url}/realtime") as connection:
            await connection.recv()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.recv(), 0.3)
            for frame in sent_by(recorded, CLIENT)[:1]:
                await connection.send(frame)
            added = json.loads(await connection.recv())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.recv(), 0.3)
            await connection.send('{"type":"response.create"}')
            created = json.loads(await connection.recv())
            return added["type"], created["type"]

    recorded = turn().frames
    with served(one(recorded)) as server:
        told = asyncio.run(before_and_after())
    assert told == ("conversation.item.added", "response.created")


def test_the_rule_none_waits_for_nobody() -> None:
    recorded = turn().frames
    with served(one(recorded), Manner(speed=None, rule="none")) as server:
        came, _, _ = played(server.url, [])
        assert came == sent_by(recorded, SERVER)
        assert server.outcome().drift == []


def test_ids_of_the_live_client_come_back_to_it() -> None:
    item = message("item_live", "user", text_part("Hello", "input_text"))
    live = [
        *asking({"type": "conversation.item.create", "event_id": "event_live", "item": item}),
        *asking({"type": "response.create"}),
    ]
    with served(one(turn().frames), STRICT) as server:
        came, _, _ = played(server.url, live)
        assert server.drift == []
    added = next(json.loads(text) for text in came if "item.added" in text)
    assert added["item"]["id"] == "item_live"
    assert '"item_1"' not in "".join(map(str, came))


def test_a_server_made_id_becomes_the_one_that_the_live_client_chose() -> None:
    item = message("item_s", "user", text_part("Hello", "input_text"))
    call = Call().client(
        "conversation.item.create", item={k: v for k, v in item.items() if k != "id"}
    )
    call.added(item).typed("item_2", "Later", previous="item_s")
    live = asking({"type": "conversation.item.create", "item": {**item, "id": "mine"}})
    with served(one(call.frames), STRICT) as server:
        came, _, _ = played(server.url, live)
        assert server.drift == []
    assert json.loads(came[0])["item"]["id"] == "mine"
    assert json.loads(came[1])["previous_item_id"] == "mine"


def test_streamed_audio_need_not_match() -> None:
    call = Call()
    for _ in range(20):
        call.client("input_audio_buffer.append", audio="AAAA")
    call.client("input_audio_buffer.commit").server(
        "input_audio_buffer.committed", item_id="item_1"
    )
    live = asking(
        {"type": "input_audio_buffer.append", "audio": "AAAAAAAA"},
        {"type": "input_audio_buffer.commit"},
    )
    with served(one(call.frames), STRICT) as server:
        assert len(played(server.url, live)[0]) == 1
        assert server.outcome().drift == []


def test_a_strict_replay_refuses_what_differs() -> None:
    item = message("item_1", "user", text_part("Goodbye", "input_text"))
    live = asking({"type": "conversation.item.create", "event_id": "event_l", "item": item})
    with served(one(turn().frames), STRICT) as server:
        came, code, _ = played(server.url, live)
        error = json.loads(came[-1])["error"]
        assert (code, error["code"], error["event_id"]) == (1008, "replay_drift", "event_l")
        assert "item.content[0].text" in error["message"]
        assert '"Hello"' in error["message"]
        assert '"Goodbye"' in error["message"]
        outcome = server.outcome()
        assert not outcome.whole
        assert [drift.kind for drift in outcome.drift] == ["differs", "missing"]


def test_by_type_what_differs_is_told_and_served() -> None:
    item = message("item_1", "user", text_part("Goodbye", "input_text"))
    live = asking(
        {"type": "input_audio_buffer.clear"},
        {"type": "conversation.item.create", "item": item},
        {"type": "response.create"},
    )
    with served(one(turn().frames)) as server:
        came, _, _ = played(server.url, live)
        assert len(came) == len(sent_by(turn().frames, SERVER))
        kinds = [(drift.kind, drift.type) for drift in server.outcome().drift]
        assert kinds == [
            ("unexpected", "input_audio_buffer.clear"),
            ("differs", "conversation.item.create"),
        ]


def test_what_never_came_is_told() -> None:
    async def leave() -> None:
        async with connect(f"{server.url}/realtime") as connection:
            await connection.recv()

    with served(one(turn().frames)) as server:
        asyncio.run(leave())
        outcome = server.outcome()
        assert [(drift.kind, drift.seq) for drift in outcome.drift] == [
            ("missing", 2),
            ("missing", 4),
        ]
        assert (outcome.sent, outcome.whole) == (1, False)


def test_fresh_ids_and_times_for_each_client() -> None:
    call = Call().server("session.created", session={"id": "sess_1", "expires_at": 1_700_001_800})
    item = message("item_1", "user", text_part('item_2 says "id"', "input_text"))
    call.client("conversation.item.create", item=item).added(item)
    call.client("response.create").created("resp_1").answers("resp_1", "item_2", "Hi").done(
        "resp_1"
    )
    manner = Manner(speed=None, rule="strict", fresh=True)
    with served(one(call.frames), manner) as server:
        seen = [list(map(json.loads, played(server.url, call.frames)[0])) for _ in range(2)]
        assert server.drift == []
    ids = [{event["response"]["id"] for event in came if "response" in event} for came in seen]
    assert len(ids[0]) == len(ids[1]) == 1
    assert ids[0] != ids[1]
    assert all(id_.startswith("resp_") and id_ != "resp_1" for id_ in ids[0] | ids[1])
    # The client chose this one, and the words of a turn are no ids.
    assert seen[0][1]["item"] == item
    assert all(came[0]["session"]["expires_at"] > 1_750_000_000 for came in seen)


# Faults


def faulty(*specs: str) -> Manner:
    return Manner(speed=None, rule="none", faults=tuple(map(parse_fault, specs)))


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ("repeat@2", ["a", "b", "b", "c", "b"]),
        ("repeat@b#*=3", ["a", "b", "b", "b", "c", "b", "b", "b"]),
        ("swap@b", ["a", "c", "b", "b"]),
        ("swap@4", ["a", "b", "c", "b"]),
        ("lose@b#2", ["a", "b", "c"]),
        ("error@c=Oh", ["a", "b", "error", "c", "b"]),
        ("delay@c=0.05", ["a", "b", "c", "b"]),
        ("close@3=4000", ["a", "b"]),
        ("drop@c", ["a", "b"]),
    ],
)
def test_faults(spec: str, types: list[str]) -> None:
    recorded = [Frame(SERVER, json.dumps({"type": type_})) for type_ in "abcb"]
    with served(one(recorded), faulty(spec)) as server:
        came, code, _ = played(server.url, [])
    assert [json.loads(text)["type"] for text in came] == types
    assert code == {"drop@c": 1006, "close@3=4000": 4000}.get(spec, 1000)


def test_a_dropped_connection_is_an_error_to_its_client() -> None:
    async def read() -> None:
        async with connect(f"{server.url}/realtime") as connection:
            await connection.recv()
            await connection.recv()

    recorded = [Frame(SERVER, "{}"), Frame(SERVER, "{}")]
    with served(one(recorded), faulty("drop@2")) as server, pytest.raises(ConnectionClosedError):
        asyncio.run(read())


# Pace, and many at once


def test_frames_come_at_the_recorded_pace() -> None:
    async def arrivals() -> list[float]:
        clock = asyncio.get_running_loop().time
        async with connect(f"{server.url}/realtime") as connection:
            return [clock() async for _ in connection]

    recorded = [Frame(SERVER, "{}", number * 200_000) for number in range(4)]
    with served(one(recorded), Manner(speed=2.0)) as server:
        came = asyncio.run(arrivals())
    # Three times 0.1 s, less what the first one was late; how late is for the benchmark to say.
    assert came[-1] - came[0] > 0.2


def test_many_clients_at_once_each_get_all_of_it() -> None:
    recorded = [
        Frame(entry["direction"], entry["frame"], None) for entry in map(json.loads, call_lines())
    ]

    async def all_of_them() -> list[Any]:
        url = f"{server.url}/realtime"
        return await asyncio.gather(*(play_client(url, recorded) for _ in range(20)))

    with served(one(recorded), Manner(speed=None, rule="strict")) as server:
        results = asyncio.run(all_of_them())
        assert all(came == sent_by(recorded, SERVER) for came, _, _ in results)
        assert server.drift == []


# Bounds


async def never(sent: object) -> None:
    """Let no frame pass: the replay stays open."""
    await asyncio.Event().wait()


def test_a_replay_too_many_is_refused() -> None:
    async def statuses() -> tuple[int, str]:
        async with connect(f"{server.url}/realtime"), connect(f"{server.url}/realtime"):
            with pytest.raises(InvalidStatus) as raised:
                await connect(f"{server.url}/realtime")
            answer = raised.value.response
        async with connect(f"{server.url}/realtime"):  # there is room again
            return answer.status_code, json.loads(answer.body)["error"]["message"]

    waits = Call().created("resp_1").frames
    with served(one(waits), manner=Manner(step=never), most=2) as server:
        assert asyncio.run(statuses()) == (503, "there are 2 replays, and no more at once")


def test_unfinished_messages_of_all_clients_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = UnfinishedMessages(1_000_000)
    monkeypatch.setattr(bounded_connection, "UnfinishedMessages", lambda: bound)

    async def run() -> None:
        async with connect(f"{server.url}/realtime") as small:
            large = await connect(f"{server.url}/realtime")
            await small.send("{}")
            small.transport.write(b"\x01\xfe\xff\xff" + bytes(4) + bytes(10_000))
            large.transport.write(b"\x01\xff" + (2**24).to_bytes(8, "big") + bytes(4))
            for _ in range(30):
                large.transport.write(bytes(100_000))
            await large.wait_closed()
            assert large.close_code == 1006
            assert bound.total <= 1_000_000
            assert small.state is State.OPEN
            small.transport.abort()  # amid a frame, the server would not see that it closes

    waits = Call().created("resp_1").frames
    with served(one(waits), manner=Manner(step=never)) as server:
        asyncio.run(run())
