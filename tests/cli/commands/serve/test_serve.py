"""Acceptance: `replay --serve` as a process, and real clients of it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from support.calls import voice_call
from support.live_delegations import delegating_call
from support.replaying import play_client, sent_by
from support.served_live import live_talk
from support.terminal import Terminal, ended, service, told_by
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from eventstore import EventStore
from eventstore.realtime.frames import SERVER

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FRAMES = voice_call().frames


@contextmanager
def serving(url: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and where it listens."""
    with service("replay", *arguments, "--db", url, stdin=subprocess.PIPE) as process:
        told = told_by(process)
        found = re.search(r"ws://[^\s;]+", told)
        assert found is not None, told
        yield process, found[0]


@on_sqlite
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_session_is_served_until_the_process_is_stopped(
    store: EventStore, number: signal.Signals
) -> None:
    store.append("sess_1", FRAMES, close=True)
    url = store.engine.url.render_as_string(hide_password=False)
    with serving(url, "sess_1", "--serve", "0", "--instant", "--match", "strict") as (process, at):
        came, code, _ = asyncio.run(play_client(at, FRAMES))
        assert (came, code) == (sent_by(FRAMES, SERVER), 1000)
        exit_code, told = ended(process, number)
    assert exit_code == 0
    count = len(sent_by(FRAMES, SERVER))
    assert told == ["1: sess_1 begins", f"1: sess_1: {count} frames, to its end"]


@on_sqlite
def test_a_session_of_gpt_live_is_served_at_the_address_of_its_clients(store: EventStore) -> None:
    recorded = delegating_call().frames
    store.append("shop-1", recorded, close=True)
    url = store.engine.url.render_as_string(hide_password=False)
    with serving(url, "shop-1", "--serve", "0", "--instant", "--match", "strict") as (process, at):
        assert at.endswith("/v1/live/sessions")
        came = live_talk(at.removesuffix("/live/sessions"), recorded)
        assert came == sent_by(recorded, SERVER)
        _, told = ended(process, signal.SIGTERM)
    assert told == ["1: shop-1 begins", f"1: shop-1: {len(came)} frames, to its end"]


@on_sqlite
def test_the_store_is_served_to_clients_that_name_a_session(store: EventStore) -> None:
    store.append("sess_1", FRAMES, close=True)
    url = store.engine.url.render_as_string(hide_password=False)
    with serving(url, "--serve", "localhost:0", "--instant") as (_, at):
        came, _, _ = asyncio.run(play_client(f"{at}?session=sess_1", FRAMES))
        assert came == sent_by(FRAMES, SERVER)


@on_sqlite
def test_a_store_is_served_at_the_addresses_of_both_protocols(store: EventStore) -> None:
    recorded = delegating_call().frames
    store.append("shop-1", recorded, close=True)
    url = store.engine.url.render_as_string(hide_password=False)
    with service("replay", "--serve", "0", "--instant", "--db", url) as process:
        told = told_by(process)
        realtime, live = re.findall(r"ws://[^\s;]+", told)
        assert realtime.removesuffix("/realtime") == live.removesuffix("/live/sessions")
        assert live_talk(live.removesuffix("/live/sessions"), recorded) == sent_by(recorded, SERVER)


@on_sqlite
def test_a_session_is_served_once_and_the_process_ends(store: EventStore) -> None:
    store.append("sess_1", FRAMES, close=True)
    url = store.engine.url.render_as_string(hide_password=False)
    with serving(url, "sess_1", "--serve", "0", "--instant", "--once") as (process, at):
        came, code, _ = asyncio.run(play_client(at, FRAMES))
        assert (came, code) == (sent_by(FRAMES, SERVER), 1000)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    count = len(sent_by(FRAMES, SERVER))
    assert told.splitlines() == ["1: sess_1 begins", f"1: sess_1: {count} frames, to its end"]


@on_sqlite
def test_drift_is_told_in_words(store: EventStore) -> None:
    store.append("sess_1", FRAMES, close=True)
    url = store.engine.url.render_as_string(hide_password=False)

    async def misbehave(at: str) -> None:
        async with connect(at) as connection:
            await connection.send('{"type":"\\u001b[31mresponse.cancel"}')
            with suppress(ConnectionClosed):
                while True:  # who reads no frames is not told the end, either
                    await connection.recv()

    with serving(url, "sess_1", "--serve", "0", "--instant", "--match", "strict") as (process, at):
        asyncio.run(misbehave(at))
        _, told = ended(process, signal.SIGTERM)
    assert any("unexpected" in line for line in told)
    assert "\x1b" not in "".join(told)


@on_sqlite
def test_each_enter_lets_a_frame_pass(store: EventStore) -> None:
    store.append("sess_1", FRAMES, close=True)
    url = store.engine.url.render_as_string(hide_password=False)

    async def first_two(at: str, process: subprocess.Popen[str]) -> list[str]:
        assert process.stdin is not None
        async with connect(at) as connection:
            came = []
            for _ in range(2):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(connection.recv(), 0.2)
                process.stdin.write("\n")
                process.stdin.flush()
                came.append(str(await asyncio.wait_for(connection.recv(), 30)))
            return came

    with serving(url, "sess_1", "--serve", "0", "--step", "--match", "none") as (process, at):
        assert asyncio.run(first_two(at, process)) == sent_by(FRAMES, SERVER)[:2]


@on_sqlite
def test_a_port_that_is_taken_is_one_line(terminal: Terminal, store: EventStore) -> None:
    store.append("sess_1", FRAMES, close=True)
    url = store.engine.url.render_as_string(hide_password=False)
    with serving(url, "sess_1", "--serve", "0") as (_, at):
        port = re.findall(r":(\d+)/", at)[0]
        assert "address already in use" in terminal("replay", "sess_1", "--serve", port).error(1)


@on_sqlite
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--serve", "x"], 2, "[HOST:]PORT"),
        (["--serve", "70000"], 2, "[HOST:]PORT"),
        (["nope", "--serve", "0"], 1, "no session nope"),
        (["--serve", "0", "--fault", "drop"], 2, "KIND@PLACE"),
        (["--serve", "no.such.host.invalid:0"], 1, "cannot listen on no.such.host.invalid:0"),
        (["--serve", "0", "--json"], 2, "neither --interactive nor --json"),
        (["--fresh"], 2, "go with --serve"),
        (["sess_1", "--once"], 2, "go with --serve"),
        (["--serve", "0", "--once"], 2, "--once goes with a SESSION"),
        ([], 2, "name a session"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    terminal: Terminal, arguments: list[str], code: int, said: str
) -> None:
    assert said in terminal("replay", *arguments).error(code)


def test_a_fault_is_as_written(database_url: str, store: EventStore) -> None:
    store.append("sess_1", FRAMES, close=True)
    url = store.engine.url.render_as_string(hide_password=False)
    options = ("--serve", "0", "--instant", "--match", "none", "--fault", "error@*=Too busy")
    with serving(url, "sess_1", *options) as (_, at):
        came, _, _ = asyncio.run(play_client(at, []))
    assert json.loads(came[0])["error"]["message"] == "Too busy"
