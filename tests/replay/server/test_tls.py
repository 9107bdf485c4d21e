"""Acceptance: clients that connect by TLS alone are served; they trust the authority made."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import trustme
from support.calls import voice_call
from support.cassettes import openai_talk
from support.node import NODE
from support.node import pytestmark as with_node
from support.replaying import one, play_client, sent_by, served
from websockets.exceptions import InvalidMessage
from websockets.sync.client import connect

from eventstore import InvalidInputError
from eventstore.common.tls import Certificate, ListenerTls, tls_for_listener
from eventstore.errors import MissingExtraError
from eventstore.realtime.frames import SERVER, STORE, parse
from eventstore.replay.cassette.cassette import Cassette, cassette
from eventstore.replay.cassette.cassette_file import read_cassette
from eventstore.replay.serving.connection import Manner

FRAMES = [frame for frame in voice_call().frames if frame.direction != STORE]
SENT = sent_by(FRAMES, SERVER)
TYPES = [parse(str(frame))["type"] for frame in SENT]


@pytest.fixture(scope="module")
def made() -> Iterator[ListenerTls]:
    """A certificate for the tests of a module: each takes a while."""
    with tls_for_listener(Certificate(), "127.0.0.1") as made:
        yield made


@pytest.fixture
def trusted(made: ListenerTls, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test's own clients trust it by the environment."""
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca_file))
    return str(made.ca_file)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.jsonl"


def of_azure(endpoint: str, is_async: bool = False) -> Any:
    kind = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
    return kind(azure_endpoint=endpoint, api_key="none", api_version="2025-04-01-preview")


def first_by_azure(endpoint: str) -> str:
    with of_azure(endpoint).realtime.connect(model="gpt-realtime") as connection:
        return str(connection.recv_bytes().decode())


def test_a_websocket_client_is_given_the_authority(made: ListenerTls) -> None:
    trusting = ssl.create_default_context(cafile=str(made.ca_file))
    with served(one(FRAMES), tls=made.context) as server:
        came, code, _ = asyncio.run(play_client(f"{server.url}/realtime", FRAMES, ssl=trusting))
        assert (came, code) == (SENT, 1000)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(f"{server.url}/realtime")


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_the_openai_package_trusts_by_the_environment(
    made: ListenerTls, trusted: str, is_async: bool
) -> None:
    with served(one(FRAMES), tls=made.context) as server:
        assert openai_talk(server.url, FRAMES, is_async=is_async) == SENT


def test_the_azure_client_of_the_openai_package_connects(made: ListenerTls, trusted: str) -> None:
    async def first(endpoint: str) -> str:
        client = of_azure(endpoint, is_async=True)
        async with client.realtime.connect(model="gpt-realtime") as connection:
            return str((await connection.recv_bytes()).decode())

    # One frame: to close amid many of them takes a client long.
    with served(one(FRAMES[:1]), tls=made.context) as server:
        endpoint = f"https://127.0.0.1:{server.port}"
        assert first_by_azure(endpoint) == asyncio.run(first(endpoint)) == SENT[0]


def test_who_does_not_shake_hands_disturbs_nobody(made: ListenerTls, trusted: str) -> None:
    with served(one(FRAMES), tls=made.context) as server:
        with pytest.raises(InvalidMessage):
            connect(f"ws://127.0.0.1:{server.port}/v1/realtime")
        assert openai_talk(server.url, FRAMES) == SENT


def node(endpoint: str, kind: str, ca_file: str) -> list[str]:
    """What a client of openai-node hears."""
    # Node 20 has its own WebSocket behind this flag.
    command = [shutil.which("node") or "node", "--experimental-websocket"]
    command += [str(NODE / "openai_client.mjs"), endpoint, kind]
    environment = {**os.environ, "NODE_EXTRA_CA_CERTS": ca_file}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done
    types: list[str] = json.loads(done.stdout)
    return types


@with_node
@pytest.mark.parametrize("kind", ["ws", "ws-azure", "websocket", "websocket-azure"])
def test_the_clients_of_openai_node_connect(made: ListenerTls, kind: str) -> None:
    with served(one(FRAMES), Manner(speed=None, rule="none"), tls=made.context) as server:
        assert node(f"https://127.0.0.1:{server.port}", kind, str(made.ca_file)) == TYPES


# Cassettes


def test_a_cassette_is_recorded_and_replayed_with_tls(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with served(one(FRAMES)) as server, cassette(path, upstream=server.url, tls=True) as used:
            assert used.url.startswith("wss://127.0.0.1:")
            with monkeypatch.context() as environment:
                environment.setenv("SSL_CERT_FILE", used.ca_file)
                assert openai_talk(used.url, FRAMES) == SENT
            recorded = bool(server.outcomes)
        assert not Path(used.ca_file).exists()
    assert not recorded
    assert [line.frame.text for line in read_cassette(path)[0]][: len(FRAMES)]


@with_node
def test_a_cassette_is_replayed_to_openai_node(path: Path) -> None:
    lines = ({"direction": frame.direction, "frame": frame.text} for frame in FRAMES)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with cassette(path, "none", match="none", tls=True) as used:
        assert node(used.endpoint, "ws-azure", used.ca_file) == TYPES


def test_clients_of_azure_are_recorded_by_the_endpoint(
    path: Path, made: ListenerTls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upstream is asked with the path of Azure, and trusted as before the block."""
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca_file))
    with served(one(FRAMES[:1]), tls=made.context) as server:
        upstream = f"wss://127.0.0.1:{server.port}"
        with cassette(path, upstream=upstream, tls=True) as used:
            monkeypatch.setenv("SSL_CERT_FILE", used.ca_file)
            assert first_by_azure(used.endpoint) == SENT[0]
    assert len(read_cassette(path)) == 1


def test_without_tls_the_endpoint_is_plain_and_there_is_no_authority(path: Path) -> None:
    with served(one(FRAMES[:1])) as server, cassette(path, upstream=server.url) as used:
        assert used.endpoint == used.url.replace("ws:", "http:").removesuffix("/v1")
        with pytest.raises(InvalidInputError, match="ask for it with tls=True"):
            _ = used.ca_file


def test_a_cassette_takes_a_certificate_of_ones_own(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    both = tmp_path / "both.pem"
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(both)
    authority.cert_pem.write_to_path(both, append=True)
    monkeypatch.chdir(tmp_path)
    with (
        served(one(FRAMES)) as server,
        cassette(path, upstream=server.url, tls=Certificate(Path("both.pem"))) as used,
    ):
        monkeypatch.chdir("/")
        assert used.ca_file == str(both)
        monkeypatch.setenv("SSL_CERT_FILE", used.ca_file)
        assert openai_talk(used.url, FRAMES) == SENT
    assert both.exists()


@pytest.mark.parametrize("files", [(None, Path("nowhere")), (Path("nowhere"), None)])
def test_a_wrong_certificate_is_told_and_nothing_is_started(
    path: Path, files: tuple[Path | None, Path | None]
) -> None:
    with pytest.raises(InvalidInputError, match="nowhere"):
        cassette(path, upstream="ws://h", tls=Certificate(*files)).__enter__()
    assert not any(t.name == "eventstore-cassette" for t in threading.enumerate())


def test_without_the_extra_a_cassette_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(MissingExtraError, match=r"realtime-eventstore\[tls\]"):
        Cassette(path, upstream="ws://h", tls=True).start()
