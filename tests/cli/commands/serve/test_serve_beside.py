"""Acceptance: `serve` as a process with the replay server and the relay in it, and real clients."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from support.api_keys import ALL, ANNA, FILE, WRITER
from support.calls import voice_call
from support.examples import some
from support.record_command import HELLO, answer_close, hang
from support.relaying import asking, bare_client, bare_server, closing, read_all, read_head
from support.replaying import one, play_client, sent_by, served
from support.scoped_calls import call
from support.terminal import Terminal, ended, service, told_by
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, SERVER

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FRAMES = voice_call().frames


@contextmanager
def serving(
    store: EventStore, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The process, and what listens where: `Replaying`, `Recording` and `Serving`."""
    url = store.engine.url.render_as_string(hide_password=False)
    places: dict[str, str] = {}
    with service("serve", "--listen", "0", "--db", url, *arguments) as process:
        while "Serving" not in places:
            told = told_by(process)
            found = re.match(r"(\w+) .*?((?:ws|http)://127[^\s;]+)", told)
            assert found is not None, told
            places[found[1]] = found[2]
        yield process, places


async def first_of(url: str, **options: Any) -> dict[str, Any]:
    """The first event that a client gets."""
    async with connect(url, **options) as connection:
        event: dict[str, Any] = json.loads(await connection.recv())
        return event


def status_of(url: str, **options: Any) -> int:
    try:
        asyncio.run(first_of(url, **options))
    except InvalidStatus as error:
        told = "error" in json.loads(error.response.body or b"")
        return error.response.status_code if told else 0
    return 101


@pytest.mark.parametrize("number", some([signal.SIGTERM, signal.SIGINT], 2))
def test_a_call_is_recorded_listed_and_replayed_by_one_process(
    store: EventStore, number: signal.Signals
) -> None:
    with (
        served(one(FRAMES)) as upstream,
        serving(store, "--replay", "0", "--record", "0", "--upstream", upstream.url) as (
            process,
            at,
        ),
    ):
        live = f"{at['Recording']}/v1/realtime?model=gpt-realtime&metadata[customer]=42"
        assert asyncio.run(play_client(live, FRAMES))[0] == sent_by(FRAMES, SERVER)
        listed: list[Any] = []
        while not listed:  # until its last frames are there, too
            query = {"metadata[customer]": "42", "status": "ended"}
            answer = httpx.get(f"{at['Serving']}/v1/realtime/sessions", params=query)
            listed = answer.json()["data"]
        replayed = f"{at['Replaying']}?session={listed[0]['id']}"
        assert asyncio.run(play_client(replayed, FRAMES))[0] == sent_by(FRAMES, SERVER)
        exit_code, told = ended(process, number)
    assert exit_code == 0
    begun, over = told
    assert ": begins: " in begun and f"1: {listed[0]['eventstore']['session_id']}: ends: " in over
    kept = list(store.events(listed[0]["id"]))
    for side in (CLIENT, SERVER):
        assert [event.text for event in kept if event.direction == side] == sent_by(FRAMES, side)


@on_sqlite
def test_the_stock_client_is_replayed_to(store: EventStore) -> None:
    store.append("sess_1", FRAMES, close=True)

    async def types(base: str) -> list[str]:
        client = AsyncOpenAI(api_key="none", websocket_base_url=base)
        async with client.realtime.connect(model="gpt-realtime") as connection:
            return [(await connection.recv()).type for _ in range(2)]

    with serving(store, "--replay", "0") as (process, at):
        assert set(at) == {"Replaying", "Serving"}
        found = asyncio.run(types(at["Replaying"].removesuffix("/realtime")))
        assert found == ["session.created", "conversation.created"]
        assert ended(process, signal.SIGTERM) == (0, [])


def test_a_replay_takes_a_key_and_gives_its_tenants_sessions(
    store: EventStore, tmp_path: Path
) -> None:
    for tenant in ("anna", "berta"):
        store.append(f"{tenant}_1", call(tenant, 1).frames, close=True)
    keys = tmp_path / "keys.toml"
    keys.write_text(FILE)

    def bearer(key: str) -> dict[str, Any]:
        return {"additional_headers": {"Authorization": f"Bearer {key}"}}

    def as_page(key: str) -> dict[str, Any]:
        protocols = ["realtime", f"openai-insecure-api-key.{key}"]
        return {"subprotocols": protocols, "origin": "https://store.example"}

    with serving(store, "--replay", "0", "--api-keys", str(keys)) as (process, at):
        url = at["Replaying"]
        berta = f"{url}?session=berta_1"
        assert status_of(berta) == 401
        assert status_of(berta, **bearer("k" * 30)) == 401
        assert status_of(berta, **bearer("")) == 401
        assert status_of(berta, **bearer(WRITER)) == 403
        for send, like in ((bearer, "model=m"), (as_page, "metadata[tenant]=anna")):
            assert status_of(berta, **send(ALL)) == 101
            assert status_of(berta, **send(ANNA)) == 404
            assert status_of(f"{url}/berta_1", **send(ANNA)) == 404
            assert status_of(f"{url}?metadata[tenant]=berta", **send(ANNA)) == 404
            newest = asyncio.run(first_of(f"{url}?{like}", **send(ANNA)))
            assert newest["session"]["id"] == "sess_anna"
        # What another key has just opened is at hand, and hidden all the same.
        assert status_of(berta, **bearer(ANNA)) == 404
        code, told = ended(process, signal.SIGTERM)
    assert code == 0 and "kkkk" not in "".join(told)


@on_sqlite
def test_a_live_call_and_a_stream_end_with_the_process(store: EventStore) -> None:
    store.append("open", FRAMES[:3])
    with (
        bare_server(answer_close) as upstream,
        serving(store, "--record", "0", "--upstream", upstream.url) as (process, at),
    ):
        path = f"{at['Serving']}/v1/realtime/sessions/open/events"
        port = int(at["Recording"].rpartition(":")[2])
        with httpx.stream("GET", path, params={"stream": True}) as stream:
            lines = stream.iter_lines()
            next(lines)
            with bare_client(port, asking()) as client:
                read_head(client)
                assert client.recv(100) == HELLO
                process.send_signal(signal.SIGTERM)
                assert read_all(client) == b"\x88\x02\x03\xe8"
            assert "event: end" not in list(lines)
        _, told = process.communicate(timeout=15)
    assert process.returncode == 0
    assert "Stopping: waiting up to 20 s for 1 call to end." in told
    (recorded,) = [one["id"] for one in store.sessions().data if one["id"] != "open"]
    closed = json.loads([event.text for event in store.events(recorded)][-1])
    assert (closed["by"], closed["code"]) == ("server", 1000)


@on_sqlite
def test_a_second_signal_ends_calls_at_once(store: EventStore) -> None:
    with (
        bare_server(hang) as upstream,
        serving(store, "--record", "0", "--upstream", upstream.url) as (process, at),
        bare_client(int(at["Recording"].rpartition(":")[2]), asking()) as client,
    ):
        read_head(client)
        assert process.stderr is not None
        process.send_signal(signal.SIGTERM)
        while "Stopping" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    assert process.returncode == 0
    assert closing(store) == ("recorder", 1001, "the relay is going away")


@on_sqlite
@pytest.mark.parametrize("option", ["--listen", "--replay", "--record"])
def test_a_port_that_is_taken_is_one_line(terminal: Terminal, option: str) -> None:
    places = {"--listen": "0", "--replay": "0", "--record": "0", "--upstream": "ws://127.0.0.1:9"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places[option] = str(taken.getsockname()[1])
        told = terminal("serve", *(word for pair in places.items() for word in pair))
    assert told.code == 1
    assert f"cannot listen on 127.0.0.1:{places[option]}" in told.err.splitlines()[-1]
    assert "Traceback" not in told.err


@on_sqlite
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--replay", "0.0.0.0:0"], "without API keys it listens on this machine alone"),
        (["--listen", "0.0.0.0:0"], "without API keys it listens on this machine alone"),
        (["--replay", "x"], "--replay"),
        (["--record", "0"], "--upstream wss://api.openai.com"),
        (["--record", "x", "--upstream", "ws://h"], "--record"),
        (["--record", "0", "--upstream", "h"], "use an address like wss://api.openai.com"),
        (["--upstream", "ws://h"], "--upstream goes with --record or --calls"),
    ],
)
def test_wrong_usage_is_one_line(terminal: Terminal, arguments: list[str], said: str) -> None:
    assert said in terminal("serve", *arguments).error(2)
