"""Integration: the recording proxy passes on handshakes, frames and closes as they are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from support.cassettes import websocket_server
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from eventstore import DriftError, InvalidInputError
from eventstore.replay.cassette.cassette import cassette
from eventstore.replay.cassette.cassette_file import read_cassette
from eventstore.replay.cassette.proxy import upstream_url


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def close_oddly(connection: ServerConnection) -> None:
    await connection.send("last words")
    await connection.close(4321, "so be it")


async def cut(connection: ServerConnection) -> None:
    await connection.recv()
    connection.transport.abort()


async def heard_until_closed(connection: ClientConnection) -> list[str | bytes]:
    heard: list[str | bytes] = []
    try:
        while True:
            heard.append(await connection.recv())
    except ConnectionClosed:
        return heard


def texts(path: Path) -> list[tuple[str, str | bytes]]:
    [connection] = read_cassette(path)
    return [(line.frame.direction, line.frame.text) for line in connection]


def test_frames_of_any_kind_pass_both_ways(path: Path) -> None:
    sent = ['{"type":"a"}', "no JSON", "", b"\0\xff", "é" * 100_000, '{"a":"\\ud83d"}']

    async def client(url: str) -> list[str | bytes]:
        async with connect(f"{url}/realtime", max_size=None) as connection:
            for frame in sent:
                await connection.send(frame)
            return [await connection.recv() for _ in sent]

    with websocket_server(echo) as upstream, cassette(path, upstream=upstream) as used:
        assert asyncio.run(client(used.url)) == sent
    for direction in ("client", "server"):
        assert [text for side, text in texts(path) if side == direction] == sent
    with cassette(path, mode="none") as used:
        assert asyncio.run(client(used.url)) == sent


def test_the_request_arrives_without_this_hop(path: Path) -> None:
    requests: list[Request] = []

    def look(connection: ServerConnection, request: Request) -> None:
        requests.append(request)

    headers = {
        "Authorization": "Bearer sk-secret",
        "OpenAI-Beta": "realtime=v1",
        "api-key": "azure-secret",
        "User-Agent": "agent/1",
        "Keep-Alive": "timeout=5",
    }
    offered: Any = ["realtime", "openai-insecure-api-key.sk-secret"]

    async def client(url: str) -> str | None:
        async with connect(
            f"{url}/realtime?model=gpt-realtime&a=%20b",
            additional_headers=headers,
            user_agent_header=None,
            subprotocols=offered,
        ) as connection:
            return connection.subprotocol

    options = {"process_request": look, "subprotocols": ["realtime"]}
    with (
        websocket_server(echo, **options) as upstream,
        cassette(path, upstream=f"{upstream}/of/mine?api-version=1") as used,
    ):
        assert asyncio.run(client(used.url)) == "realtime"
    [request] = requests
    assert request.path == "/v1/of/mine/realtime?api-version=1&model=gpt-realtime&a=%20b"
    for name in ("Authorization", "OpenAI-Beta", "api-key", "User-Agent"):
        assert request.headers.get_all(name) == [headers[name]]
    assert request.headers.get_all("Host") == [upstream.removeprefix("ws://").removesuffix("/v1")]
    assert "Keep-Alive" not in request.headers
    assert request.headers["Sec-WebSocket-Protocol"].split(", ") == offered
    assert b"secret" not in path.read_bytes()


def test_headers_that_come_twice_pass(path: Path) -> None:
    requests: list[Request] = []
    options = {"process_request": lambda _, request: requests.append(request)}
    twice = [
        ("Connection", "x-of-this-hop"),
        ("X-Of-This-Hop", "1"),
        ("X-Two", "1"),
        ("X-Two", "2"),
    ]

    async def client(url: str) -> None:
        async with connect(url, additional_headers=twice):
            pass

    with (
        websocket_server(echo, **options) as upstream,
        cassette(path, upstream=upstream) as used,
    ):
        asyncio.run(client(f"{used.url}/realtime"))
    assert requests[0].headers.get_all("X-Two") == ["1", "2"]
    assert "X-Hop" not in requests[0].headers


def test_a_close_by_the_server_is_passed_on_and_replayed(path: Path) -> None:
    async def client(url: str) -> tuple[list[str | bytes], int | None, str | None]:
        async with connect(f"{url}/realtime") as connection:
            heard = await heard_until_closed(connection)
            return heard, connection.close_code, connection.close_reason

    with websocket_server(close_oddly) as upstream, cassette(path, upstream=upstream) as used:
        assert asyncio.run(client(used.url)) == (["last words"], 4321, "so be it")
    with cassette(path, mode="none") as used:
        assert asyncio.run(client(used.url)) == (["last words"], 4321, "so be it")


def test_a_close_by_the_client_is_passed_on(path: Path) -> None:
    closes: list[tuple[int | None, str | None]] = []

    async def watch(connection: ServerConnection) -> None:
        await connection.wait_closed()
        closes.append((connection.close_code, connection.close_reason))

    async def client(url: str) -> None:
        async with connect(f"{url}/realtime") as connection:
            await connection.send("frames before a close are not lost")
            await connection.close(4000, "enough")

    with websocket_server(watch) as upstream, cassette(path, upstream=upstream) as used:
        asyncio.run(client(used.url))
    assert closes == [(4000, "enough")]
    assert texts(path)[0] == ("client", "frames before a close are not lost")
    note = json.loads(str(texts(path)[-1][1]))
    assert (note["by"], note["code"], note["reason"]) == ("client", 4000, "enough")


def test_a_connection_that_was_cut_off_is_no_cassette(path: Path) -> None:
    async def client(url: str) -> int | None:
        async with connect(f"{url}/realtime") as connection:
            await connection.send("hello")
            await heard_until_closed(connection)
            return connection.close_code

    with (
        websocket_server(cut) as upstream,
        pytest.raises(DriftError, match=r"the server cut it off\n.*\.partial"),
        cassette(path, upstream=upstream) as used,
    ):
        assert asyncio.run(client(used.url)) == 1006
    assert not path.exists()
    [partial] = path.parent.iterdir()
    assert texts(partial)[0] == ("client", "hello")


@pytest.fixture
def refusing() -> Iterator[str]:
    """A server that knows no key."""

    def refuse(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(HTTPStatus.UNAUTHORIZED, '{"error": {"code": "bad_key"}}')
        response.headers["x-request-id"] = "req_1"
        return response

    with websocket_server(echo, process_request=refuse) as url:
        yield url


def refused(url: str) -> Response:
    async def client() -> None:
        async with connect(f"{url}/realtime"):
            pass

    with pytest.raises(InvalidStatus) as raised:
        asyncio.run(client())
    return raised.value.response


def test_a_refusal_is_passed_on_and_no_cassette_is_written(refusing: str, path: Path) -> None:
    with cassette(path, upstream=refusing) as used:
        response = refused(used.url)
    assert (response.status_code, response.body) == (401, b'{"error": {"code": "bad_key"}}')
    assert response.headers["x-request-id"] == "req_1"
    assert list(path.parent.iterdir()) == []


def test_a_server_that_is_not_there_is_told(path: Path) -> None:
    with cassette(path, upstream="ws://127.0.0.1:9/v1") as used:
        response = refused(used.url)
    assert response.status_code == 502
    message = json.loads(response.body)["error"]["message"]
    assert message.startswith("cannot connect to ws://127.0.0.1:9/v1: ")


@pytest.mark.parametrize(
    ("base", "target", "url"),
    [
        (
            "wss://api.openai.com/v1",
            "/v1/realtime?model=m",
            "wss://api.openai.com/v1/realtime?model=m",
        ),
        ("https://h/v1/", "/v1/realtime", "wss://h/v1/realtime"),
        ("http://h", "/v1/realtime?a=1", "ws://h/realtime?a=1"),
        ("wss://h/openai?v=1", "/v1/realtime?a=1", "wss://h/openai/realtime?v=1&a=1"),
        ("wss://h/v1", "/other", "wss://h/v1/other"),
    ],
)
def test_where_a_request_goes(base: str, target: str, url: str) -> None:
    assert upstream_url(base, target) == url


@pytest.mark.parametrize("base", ["api.openai.com", "ftp://h/v1", "", "ws://", "ws://[h"])
def test_an_upstream_that_is_none_is_told(base: str) -> None:
    with pytest.raises(InvalidInputError, match="upstream"):
        upstream_url(base, "/v1/realtime")
