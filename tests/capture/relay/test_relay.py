"""Acceptance: real clients call real servers through the relay, and every frame is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import openai
import pytest
from support.calls import voice_call
from support.cassettes import openai_talk, talk, talk_async, websocket_server
from support.recordings import each_recording, frames
from support.relaying import (
    both_sides,
    closing,
    eventually,
    notes,
    recorded,
    relaying,
)
from support.replaying import one, play_client, sent_by, served
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from eventstore import EventStore, Frame
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.replay.server.server import recordings_of
from eventstore.replay.serving.handshake import refusal

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
pytestmark = on_sqlite
BETA = frozenset({"openai-beta-interrupted"})
TRANSLATION = frozenset({"openai-translation"})


def translation_talk(url: str, source: Sequence[Frame], is_async: bool) -> list[str]:
    kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
    resource = kind(api_key="sk-none", websocket_base_url=url).realtime.translations
    return asyncio.run(talk_async(resource, source)) if is_async else talk(resource, source)


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def same(store: EventStore, source: Sequence[Frame]) -> None:
    assert both_sides(store) == (sent_by(source, CLIENT), sent_by(source, SERVER))


@each_recording
def test_every_recording_passes_and_is_recorded(store: EventStore, recording: Path) -> None:
    source = frames(recording)
    with served(one(source)) as server, relaying(store, server.url) as relayed:
        came, code, _ = asyncio.run(play_client(f"{relayed.url}/realtime", source))
        assert came == sent_by(source, SERVER)
        relayed.ended()
    same(store, source)
    assert closing(store)[:2] == ("server", code)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@each_recording
def test_the_openai_package_is_recorded(store: EventStore, recording: Path, is_async: bool) -> None:
    source = frames(recording)
    with served(one(source)) as server, relaying(store, server.url) as relayed:
        if recording.stem in TRANSLATION:
            came = translation_talk(relayed.url, source, is_async)
        else:
            came = openai_talk(relayed.url, source, recording.stem in BETA, is_async)
        assert came == sent_by(source, SERVER)
        relayed.ended()
    client, got = both_sides(store)
    assert got == sent_by(source, SERVER)
    # The client writes JSON in its own way.
    assert list(map(json.loads, client)) == list(map(json.loads, sent_by(source, CLIENT)))


@pytest.mark.parametrize("durable", [False, True])
def test_several_at_once_are_kept_apart(store: EventStore, durable: bool) -> None:
    source = voice_call().frames

    async def all_of_them(url: str) -> list[Any]:
        return await asyncio.gather(*(play_client(f"{url}/realtime", source) for _ in range(8)))

    with (
        served(one(source)) as server,
        relaying(store, server.url, durable=durable) as relayed,
    ):
        for came, code, _ in asyncio.run(all_of_them(relayed.url)):
            assert (came, code) == (sent_by(source, SERVER), 1000)
        relayed.ended(8)
        assert relayed.relay.live == 0
    assert recorded(store, SERVER) == [sent_by(source, SERVER)] * 8
    assert recorded(store, CLIENT) == [sent_by(source, CLIENT)] * 8


@pytest.mark.parametrize("compression", ["deflate", None])
def test_text_binary_fragments_and_compression(store: EventStore, compression: str | None) -> None:
    messages: list[str | bytes] = ["é" * 3000, b"\0\xff" * 40_000, "", b"", "x" * 2_000_000]

    async def talk(url: str) -> list[str | bytes]:
        async with connect(f"{url}/realtime", compression=compression, max_size=None) as call:
            assert bool(call.protocol.extensions) is (compression is not None)
            came = []
            for message in messages:
                await call.send(message)
                came.append(await call.recv())
            await call.send(["in ", "three ", "fragments"])
            return [*came, await call.recv()]

    with (
        websocket_server(echo, compression=compression, max_size=None) as upstream,
        relaying(store, upstream) as relayed,
    ):
        expected = [*messages, "in three fragments"]
        assert asyncio.run(talk(relayed.url)) == expected
        relayed.ended()
    assert both_sides(store) == (expected, expected)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "é"), (3000, "no"), (4999, "x")])
@pytest.mark.parametrize("by", [CLIENT, SERVER])
def test_close_codes_pass_both_ways(store: EventStore, by: str, code: int, reason: str) -> None:
    seen: list[tuple[int | None, str | None]] = []

    async def serve(connection: ServerConnection) -> None:
        if by == SERVER:
            await connection.close(code, reason)
        await connection.wait_closed()
        seen.append((connection.close_code, connection.close_reason))

    async def talk(url: str) -> None:
        async with connect(f"{url}/realtime") as call:
            if by == CLIENT:
                await call.close(code, reason)
            await call.wait_closed()
            seen.append((call.close_code, call.close_reason))

    with websocket_server(serve) as upstream, relaying(store, upstream) as relayed:
        asyncio.run(talk(relayed.url))
        (end,) = relayed.ended()
        eventually(lambda: len(seen) == 2)
    assert seen == [(code, reason)] * 2
    assert closing(store) == (by, code, reason)
    assert f"closed by the {by} with {code}" in end


def test_a_close_frame_without_a_code(store: EventStore) -> None:
    async def serve(connection: ServerConnection) -> None:
        connection.protocol.send_close()
        connection.transport.write(b"".join(connection.protocol.data_to_send()))
        await connection.wait_closed()

    async def talk(url: str) -> int | None:
        async with connect(f"{url}/realtime") as call:
            await call.wait_closed()
            return call.close_code

    with websocket_server(serve) as upstream, relaying(store, upstream) as relayed:
        assert asyncio.run(talk(relayed.url)) == 1005
        relayed.ended()
    assert closing(store) == ("server", 1005, "")


def test_pings_go_through_both_ways(store: EventStore) -> None:
    pinged: list[bytes] = []

    async def serve(connection: ServerConnection) -> None:
        inner = connection.protocol.recv_frame

        def recv_frame(frame: WireFrame) -> None:
            if frame.opcode is Opcode.PING:
                pinged.append(bytes(frame.data))
            inner(frame)

        connection.protocol.recv_frame = recv_frame  # type: ignore[method-assign]
        await (await connection.ping(b"from the server"))
        await connection.send("ponged")
        await connection.wait_closed()

    async def talk(url: str) -> None:
        async with connect(f"{url}/realtime", ping_interval=None) as call:
            assert await call.recv() == "ponged"
            await asyncio.wait_for(await call.ping(b"from the client"), 10)

    with (
        websocket_server(serve, ping_interval=None) as upstream,
        relaying(store, upstream) as relayed,
    ):
        asyncio.run(talk(relayed.url))
        relayed.ended()
    assert pinged == [b"from the client"]
    assert both_sides(store) == ([], ["ponged"])


def test_a_refusal_passes_with_status_headers_and_body(store: EventStore) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        answer = refusal(HTTPStatus.UNAUTHORIZED, "no such key")
        answer.headers["X-Request-Id"] = "req_1"
        return answer

    async def talk(url: str) -> None:
        async with connect(f"{url}/realtime"):
            pass

    with (
        websocket_server(echo, process_request=refuse) as upstream,
        relaying(store, upstream) as relayed,
    ):
        with pytest.raises(InvalidStatus) as raised:
            asyncio.run(talk(relayed.url))
        assert relayed.told == ["1: the upstream refused it with 401"]
        assert relayed.relay.counts.refused == {401: 1}
    response = raised.value.response
    assert (response.status_code, response.headers["X-Request-Id"]) == (401, "req_1")
    assert b"no such key" in (response.body or b"")
    assert recorded(store, SERVER) == []


def test_subprotocols_and_notes(store: EventStore) -> None:
    seen: list[Request] = []

    async def serve(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request)

    secrets = ["sk-subprotocol", "sk-header", "sk-query", "sk-user"]

    async def talk(url: str) -> Subprotocol | None:
        async with connect(
            f"{url}/realtime?model=gpt-realtime&api-key=sk-query",
            subprotocols=[
                Subprotocol("realtime"),
                Subprotocol("openai-insecure-api-key.sk-subprotocol"),
            ],
            additional_headers={"Authorization": "Bearer sk-header", "OpenAI-Beta": "realtime=v1"},
            user_agent_header="an app",
        ) as call:
            await call.wait_closed()
            return call.subprotocol

    def add_id(connection: ServerConnection, request: Request, response: Response) -> None:
        response.headers["x-request-id"] = "req_7"

    with websocket_server(
        serve, subprotocols=[Subprotocol("realtime")], process_response=add_id
    ) as upstream:
        port = upstream.rpartition(":")[2].removesuffix("/v1")
        with relaying(store, f"http://app:sk-user@127.0.0.1:{port}/v1") as relayed:
            assert asyncio.run(talk(relayed.url)) == "realtime"
            relayed.ended()
    (got,) = seen
    assert got.path == "/v1/realtime?model=gpt-realtime&api-key=sk-query"
    assert got.headers["Authorization"] == "Bearer sk-header"
    assert got.headers["Host"] == f"127.0.0.1:{port}"
    assert "sk-subprotocol" in got.headers["Sec-WebSocket-Protocol"]
    (opened, _) = notes(store)
    assert {name: opened[name] for name in ("by", "url", "user_agent")} == {
        "by": "relay",
        "url": f"ws://127.0.0.1:{port}/v1/realtime?model=gpt-realtime&api-key=[removed]",
        "user_agent": "an app",
    }
    assert (opened["subprotocol"], opened["request_id"]) == ("realtime", "req_7")
    told = "\n".join(relayed.told)
    assert "model=gpt-realtime" in told
    assert not any(secret in told for secret in secrets)
    store.engine.dispose()
    path = Path(str(store.engine.url.database))
    files = [file.read_bytes() for file in path.parent.rglob("*") if file.is_file()]
    assert any(b"an app" in data for data in files)
    assert not any(secret.encode() in data for secret in secrets for data in files)


def test_metadata_is_taken_off_and_set(store: EventStore) -> None:
    seen: list[Request] = []

    async def serve(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request)

    async def talk(url: str) -> None:
        headers = [
            ("X-Eventstore-Metadata", '{"customer": "42", "env": "test"}'),
            ("x-eventstore-metadata", "topic=a+b&city=%C3%85s"),
        ]
        query = "a=%20+1&metadata[ticket]=7&model=m&metadata%5Btopic%5D=c%26d&z"
        async with connect(f"{url}/realtime?{query}", additional_headers=headers) as call:
            await call.wait_closed()

    with (
        websocket_server(serve) as upstream,
        relaying(store, upstream, metadata={"env": "prod", "team": "voice"}) as relayed,
    ):
        asyncio.run(talk(relayed.url))
        relayed.ended()
    (got,) = seen
    assert got.path == "/v1/realtime?a=%20+1&model=m&z"
    assert not [name for name in got.headers if "eventstore" in name.lower()]
    (opened, _) = notes(store)
    assert opened["metadata"] == {
        **{"env": "prod", "team": "voice", "customer": "42", "city": "Ås"},
        **{"topic": "c&d", "ticket": "7"},
    }
    assert opened["metadata_refused"] == "a key is set by the relay"


def test_bad_metadata_breaks_no_call(store: EventStore) -> None:
    async def talk(url: str) -> None:
        headers = [
            ("X-Eventstore-Metadata", '{"good": "1", "long": "' + "v" * 600 + '"}'),
            ("X-Eventstore-Metadata", "{nonsense-value"),
        ]
        async with connect(f"{url}/realtime", additional_headers=headers) as call:
            await call.send("hello")
            assert await call.recv() == "hello"

    with websocket_server(echo) as upstream, relaying(store, upstream) as relayed:
        asyncio.run(talk(relayed.url))
        relayed.ended()
    opened = notes(store)[0]
    assert opened["metadata"] == {"good": "1"}
    assert "'long' has 600 characters" in opened["metadata_refused"]
    assert "no JSON object" in opened["metadata_refused"]
    assert "vvvv" not in opened["metadata_refused"] and "nonsense" not in opened["metadata_refused"]


def test_live_sessions_are_told_to_go_away(store: EventStore) -> None:
    seen: list[tuple[int | None, str | None]] = []

    async def serve(connection: ServerConnection) -> None:
        await connection.send("hello")
        await connection.wait_closed()
        seen.append((connection.close_code, connection.close_reason))

    async def talk(url: str, stop: Any) -> None:
        async with connect(f"{url}/realtime") as call:
            assert await call.recv() == "hello"
            stopping = asyncio.create_task(asyncio.to_thread(stop))
            with pytest.raises(ConnectionClosed):
                await call.recv()
            seen.append((call.close_code, call.close_reason))
            await stopping

    with websocket_server(serve) as upstream, relaying(store, upstream) as relayed:
        asyncio.run(talk(relayed.url, relayed.drain))
        relayed.ended()
        eventually(lambda: len(seen) == 2)
        with pytest.raises(OSError):
            asyncio.run(talk(relayed.url, relayed.drain))
    assert seen == [(1001, "the relay is going away")] * 2
    assert closing(store) == ("recorder", 1001, "the relay is going away")


@pytest.mark.parametrize(
    "target",
    [
        "/metadata/customer=%C3%A9%2F1/v1/realtime?model=gpt-realtime",
        "/v1/realtime?metadata[customer]=%C3%A9/1?model=gpt-realtime",
    ],
)
def test_what_a_recording_was_tagged_with_finds_it_again(store: EventStore, target: str) -> None:
    seen: list[str] = []
    source = voice_call().frames

    def note(connection: ServerConnection, request: Request) -> None:
        seen.append(request.path)

    async def say(connection: ServerConnection) -> None:
        await connection.send(source[0].text)

    with (
        websocket_server(say, process_request=note) as upstream,
        relaying(store, upstream) as relayed,
    ):
        base = relayed.url.removesuffix("/v1")
        asyncio.run(play_client(base + target, []))
        relayed.ended()
    assert seen == ["/v1/realtime?model=gpt-realtime"]
    (listed,) = store.sessions().data
    assert listed["eventstore"]["metadata"] == {"customer": "é/1"}
    with served(recordings_of(store)) as server:
        came, _, _ = asyncio.run(play_client(server.url.removesuffix("/v1") + target, []))
        assert came == [source[0].text]


def test_a_short_calls_end_is_told_with_its_id(store: EventStore) -> None:
    async def say(connection: ServerConnection) -> None:
        await connection.send('{"type": "session.created", "session": {"id": "sess_1"}}')

    with websocket_server(say) as upstream, relaying(store, upstream) as relayed:
        asyncio.run(play_client(f"{relayed.url}/realtime", []))
        asyncio.run(play_client(f"{relayed.url}/realtime", []))
        first, second = relayed.ended(2)
    assert first.startswith("1: sess_1: ends: ")
    assert second.startswith("2: sess_") and ": ends: " in second
