"""Acceptance: `record` as a process, with a real upstream and real clients."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO
from urllib.request import urlopen

import pytest
import trustme
from support.calls import voice_call
from support.examples import some
from support.record_command import HELLO, answer_close, hang, port_of, recording
from support.recordings import frames
from support.relaying import (
    asking,
    bare_client,
    bare_server,
    both_sides,
    closing,
    eventually,
    notes,
    read_all,
    read_head,
)
from support.replaying import one, play_client, sent_by, served
from support.terminal import COMMAND, Terminal, ended, environment
from websockets.asyncio.client import connect

from eventstore import EventStore
from eventstore.common.tls import listener_context
from eventstore.realtime.frames import CLIENT, SERVER

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FRAMES = voice_call().frames


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@on_sqlite
def test_a_call_is_recorded_until_the_process_is_stopped(
    store: EventStore, number: signal.Signals
) -> None:
    with (
        served(one(FRAMES)) as server,
        recording(store, "--upstream", server.url, "--metadata", "env=prod") as (process, at),
    ):
        url = f"{at}/v1/realtime?model=gpt-realtime&api-key=sk-secret"
        came, code, _ = asyncio.run(play_client(url, FRAMES))
        assert (came, code) == (sent_by(FRAMES, SERVER), 1000)
        exit_code, told = ended(process, number)
    assert exit_code == 0
    begins, ends = told
    base = server.url.removesuffix("/v1")
    assert begins == (f"1: begins: {base}/v1/realtime?model=gpt-realtime&api-key=[removed]")
    (kept,) = store.sessions().data
    assert ends.startswith(f"1: {kept['eventstore']['session_id']}: ends: ")
    assert f"ends: {len(sent_by(FRAMES, SERVER)) + len(sent_by(FRAMES, CLIENT))} frames" in ends
    assert both_sides(store) == (sent_by(FRAMES, CLIENT), sent_by(FRAMES, SERVER))
    assert notes(store)[0]["metadata"] == {"env": "prod"}


def is_stopping(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


@on_sqlite
def test_a_live_call_may_end_by_itself(store: EventStore) -> None:
    with (
        bare_server(answer_close) as upstream,
        recording(store, "--upstream", upstream.url) as (process, at),
    ):
        with bare_client(port_of(at), asking()) as client:
            read_head(client)
            assert client.recv(100) == HELLO
            process.send_signal(signal.SIGTERM)
            assert read_all(client) == b"\x88\x02\x03\xe8"
        _, told = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Stopping: waiting up to 20 s for 1 call to end." in told
    assert closing(store) == ("server", 1000, "")


@on_sqlite
@pytest.mark.parametrize("signals", [1, 2])
def test_a_live_call_is_ended_behind_the_grace(store: EventStore, signals: int) -> None:
    grace = "0.5" if signals == 1 else "60"

    async def talk(process: subprocess.Popen[str], at: str) -> tuple[int | None, str | None]:
        async with connect(f"{at}/v1/realtime") as call:
            assert await call.recv() == "hello"
            process.send_signal(signal.SIGTERM)
            if signals == 2:
                while not await asyncio.to_thread(is_stopping, port_of(at)):
                    await asyncio.sleep(0.01)
                process.send_signal(signal.SIGINT)
            await asyncio.wait_for(call.wait_closed(), 20)
            return call.close_code, call.close_reason

    with (
        bare_server(hang) as upstream,
        recording(store, "--upstream", upstream.url, "--grace", grace) as (process, at),
    ):
        assert asyncio.run(talk(process, at)) == (1001, "the relay is going away")
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert closing(store) == ("recorder", 1001, "the relay is going away")
    assert both_sides(store) == ([], ["hello"])


@on_sqlite
def test_keys_are_nowhere(store: EventStore, tmp_path: Path) -> None:
    with (
        bare_server(answer_close) as upstream,
        recording(store, "--upstream", upstream.url.replace("//", "//user:sk-secret@")) as (
            process,
            at,
        ),
    ):
        headers = b"Authorization: Bearer sk-secret\r\nSec-WebSocket-Protocol: realtime,"
        headers += b" openai-insecure-api-key.sk-secret\r\n"
        with bare_client(port_of(at), asking("/v1/realtime?key=sk-secret", headers)) as client:
            read_all(client)
        code, told = ended(process, signal.SIGTERM)
    assert code == 0
    assert upstream.heads[0].count(b"sk-secret") == 3
    assert "sk-secret" not in "".join(told)
    store.engine.dispose()
    path = Path(str(store.engine.url.database))
    data = b"".join(file.read_bytes() for file in path.parent.rglob("*") if file.is_file())
    assert b"[removed]" in data and b"sk-secret" not in data


@on_sqlite
def test_it_listens_with_tls_and_trusts_an_authority(store: EventStore, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    cert, key, ca = (tmp_path / name for name in ("cert.pem", "key.pem", "ca.pem"))
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    ca.write_bytes(authority.cert_pem.bytes())
    serving = listener_context()
    certificate.configure_cert(serving)
    trusting = ssl.create_default_context(cafile=str(ca))

    async def talk(at: str) -> str | bytes:
        async with connect(f"{at}/v1/realtime", ssl=trusting) as call:
            return await call.recv()

    files = ("--cert", str(cert), "--key", str(key), "--ca", str(ca))
    with (
        bare_server(answer_close, tls=serving) as upstream,
        recording(store, "--upstream", f"wss://localhost:{upstream.port}", *files) as (_, at),
    ):
        assert at.startswith("wss://")
        assert asyncio.run(talk(at)) == "hello"


@on_sqlite
def test_a_port_that_is_taken_is_one_line(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = terminal("record", "--listen", port, "--upstream", "ws://127.0.0.1:9").error(1)
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in told


@on_sqlite
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--upstream wss://api.openai.com"),
        (["--upstream", "api.openai.com"], "use an address like wss://api.openai.com"),
        (["--upstream", "ws://h", "--listen", "x"], "--listen"),
        (["--upstream", "ws://h", "--key", "KEY"], "--key goes with --cert"),
        (["--upstream", "ws://h", "--cert", "KEY"], "no certificate in PEM"),
        (["--upstream", "ws://h", "--ca", "KEY"], "no certificates in PEM"),
        (["--upstream", "ws://h", "--cert", "nowhere"], "No such file"),
        (["--upstream", "ws://h", "--ca", "nowhere"], "not there"),
        (["--upstream", "ws://h", "--metadata", "x"], "KEY=VALUE"),
        (["--upstream", "ws://h", "--grace", "-1"], "--grace"),
    ],
)
def test_wrong_usage_is_one_line(
    terminal: Terminal, tmp_path: Path, arguments: list[str], said: str
) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    given = [str(nonsense) if argument == "KEY" else argument for argument in arguments]
    assert said in terminal("record", *given).error(2)


@on_sqlite
@pytest.mark.parametrize(
    ("upstream", "held"),
    [
        ("wss://user:sk-secret@api.example", True),
        ("wss://api.example/v1?api-key=sk-secret", True),
        ("wss://api.example/v1?model=m&api-version=1", False),
        ("wss://api.example", False),
    ],
)
def test_an_upstream_with_credentials_is_for_this_machine(
    terminal: Terminal, upstream: str, held: bool
) -> None:
    # The origin is looked at behind the credentials: nothing is started here.
    given = ("record", "--listen", "0.0.0.0:0", "--upstream", upstream, "--allow-origin", "x")
    told = terminal(*given).error(2)
    assert "secret" not in told
    assert ("say `record --share-credentials`" in told) is held
    assert held or "origin 'x': use one like https://app.example" in told
    for more in ("--share-credentials", "--listen=127.0.0.1:0"):
        assert "origin 'x'" in terminal(*given, more).error(2)


@on_sqlite
def test_more_connections_than_the_system_has_files_for(terminal: Terminal) -> None:
    asked = ("record", "--upstream", "ws://localhost", "--max-connections", "2000")
    script = (
        "import resource as r, sys; from eventstore.cli.main import run;"
        " r.setrlimit(r.RLIMIT_NOFILE, (256, 1024)); sys.exit(run(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *asked],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "Error: --max-connections 2000: the system lets a process open 1,024 files, enough for"
        " 312; raise that (ulimit -n 4400), or name fewer\n"
    )


@on_sqlite
def test_the_upstream_may_be_named_by_the_environment(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        asked.set()

    with bare_server(talk) as upstream:
        monkeypatch.setenv("EVENTSTORE_UPSTREAM", upstream.url)
        with recording(store) as (process, at), bare_client(port_of(at), asking()) as client:
            assert b" 502 " in read_all(client)
            code, told = ended(process, signal.SIGTERM)
    assert asked.is_set() and code == 0
    assert told == [f"1: 502: {upstream.url} closed the connection unasked"]


def test_every_recording_through_the_command_is_recorded_as_it_is(
    store: EventStore, recordings: list[Path]
) -> None:
    """Every other one of them (in CI of four), half of those durably; those between elsewhere."""
    odd = int(store.engine.dialect.name == "sqlite")
    for number, path in enumerate(some(recordings[odd::2], 2)):
        source = frames(path)
        durable = ["--durable"] if number % 2 else []
        with (
            served(one(source)) as server,
            recording(
                store, "--upstream", server.url, "--metadata", f"file={path.stem}", *durable
            ) as (process, at),
        ):
            asyncio.run(play_client(f"{at}/v1/realtime?model=m", source))
            assert ended(process, signal.SIGTERM)[0] == 0
        (session,) = store.sessions(metadata={"file": path.stem}).data
        kept = list(store.events(session["eventstore"]["session_id"]))
        for side in (CLIENT, SERVER):
            assert [e.text for e in kept if e.direction == side] == sent_by(source, side)


def behind(health: IO[bytes]) -> int:
    """How many frames are neither in the database nor in the spool."""
    with health:
        counters = json.load(health)["recorder"]
    return int(counters["accepted"]) - int(counters["spooled"])


def test_a_call_is_recorded_while_the_database_is_away(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    path.write_bytes(b"no database" * 100)
    command = [*COMMAND, "record", "--listen", "0", "--db", f"sqlite:///{path}"]
    with served(one(FRAMES)) as server:
        process = subprocess.Popen(
            [*command, "--upstream", server.url],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert process.stderr is not None
        assert f"frames go to the spool {path}-spool" in process.stderr.readline()
        found = re.search(r"ws://127[^\s;]+", process.stderr.readline())
        assert found is not None
        asyncio.run(play_client(f"{found[0]}/v1/realtime?model=m", FRAMES))
        health = found[0].replace("ws://", "http://") + "/healthz"
        eventually(lambda: not behind(urlopen(health)))
        path.unlink()
        code, told = ended(process, signal.SIGTERM)
    assert code == 0
    assert "the spool is written to the database" in told
    with EventStore(f"sqlite:///{path}") as store:
        assert both_sides(store) == (sent_by(FRAMES, CLIENT), sent_by(FRAMES, SERVER))
    assert list(Path(f"{path}-spool").iterdir()) == []
