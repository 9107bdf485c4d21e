"""Acceptance: clients that people use, unmodified, are recorded, replayed and run in cassettes."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import trustme
from clients.running import Driver, changes, differences
from clients.scripted_server import scripted_server
from support.examples import IN_CI
from support.relaying import relaying
from support.replaying import served

from eventstore import EventStore
from eventstore.common.tls import listener_context
from eventstore.replay.cassette.cassette import cassette
from eventstore.replay.server.server import recordings_of
from eventstore.replay.serving.connection import Manner

#: Seconds before an answer and its end, for clients whose own clock counts; others are answered
#: at once.
PAUSE = 0.3
#: How often a cassette is replayed: REPLAYS=20 sees whether a client does the same each time.
REPLAYS = int(os.environ.get("REPLAYS", "1"))
TLS = {"tls": True}
AZURE = {"base": ""}
#: The clients that most people use: `make test` installs these apart from its own environment.
VOICE = ".venv-voice"
#: Packages that take long to load.
SLOW = frozenset({"agents", "pydantic_ai"})
CALLS = frozenset({"call", "output"})
DRIVERS = (
    Driver("python/pydantic_ai_realtime.py", package="pydantic_ai"),
    Driver("python/pydantic_ai_realtime.py", "spoken", package="pydantic_ai"),
    Driver("python/pydantic_ai_realtime.py", "azure", **AZURE, **TLS),
    Driver("python/openai_agents_runner.py", package="agents", without=CALLS),
    Driver("python/livekit_realtime_session.py", venv=VOICE),
    Driver("python/livekit_realtime_session.py", "azure", **AZURE),
    Driver("python/livekit_realtime_session.py", "azure-preview", **AZURE),
    # Whether it cancels an answer that the server cuts off depends on when it hears of that.
    Driver("python/livekit_agent_session.py", venv=VOICE, by_clock=True),
    # Its first update has the tools or not, as it happens.
    Driver("python/pipecat_typed.py", venv=VOICE, match="type"),
    Driver("python/pipecat_typed.py", "azure", match="type", **AZURE),
    Driver("python/pipecat_spoken.py", venv=VOICE, by_clock=True),
    Driver("python/azure_voicelive.py", package="azure.ai.voicelive", **AZURE),
    Driver("python/semantic_kernel_realtime.py"),
    Driver("python/semantic_kernel_realtime.py", "azure", **AZURE, **TLS),
    Driver("python/langsmith_realtime.py"),
    Driver("python/litellm_proxy.py", venv=".venv-litellm"),
    Driver("../node/openai_realtime.mjs", "ws", **TLS),
    Driver("../node/openai_realtime.mjs", "websocket", **TLS),
    Driver("../node/openai_realtime.mjs", "azure", **AZURE, **TLS),
    # It sends an update for tracing before or behind its configuration, as it happens.
    Driver("../node/openai_agents_session.mjs", without=CALLS, match="type"),
    Driver("node/livekit_realtime_session.mjs"),
    Driver("node/livekit_realtime_session.mjs", "azure", **AZURE),
)


each_driver = pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)


class Tls(NamedTuple):
    """What servers listen with, and the authority that clients are to trust."""

    context: ssl.SSLContext
    ca_file: Path


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    authority = trustme.CA()
    context = listener_context()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    return Tls(context, ca_file)


@pytest.fixture
def store(sqlite_template: Path, tmp_path: Path) -> Iterator[EventStore]:
    path = tmp_path / "calls.db"
    shutil.copyfile(sqlite_template, path)
    with EventStore(f"sqlite:///{path}") as opened:
        yield opened


@each_driver
def test_it_is_recorded_by_the_relay_and_served_the_recording(
    driver: Driver, store: EventStore, tls: Tls
) -> None:
    driver.skip_where_it_is_missing()
    listen = tls.context if driver.tls else None
    with scripted_server(pause=PAUSE if driver.by_clock else 0) as server:
        with relaying(store, server.origin, listen_tls=listen) as relay:
            told = driver.run(relay.port, tls.ca_file)
        assert server.faults == []
    assert differences(driver, told, store) == []
    manner = Manner(speed=1.0 if driver.by_clock else None)
    with served(recordings_of(store), manner, tls=listen) as server:
        # A microphone of another make: the same sound in other pieces.
        again = driver.run(server.port, tls.ca_file, chunk_ms=50)
        assert server.outcome().whole
    assert differences(driver, again, store) == []


@each_driver
def test_it_runs_in_a_cassette(driver: Driver, store: EventStore, tmp_path: Path) -> None:
    driver.skip_where_it_is_missing()
    if IN_CI and (driver.venv == VOICE or driver.package in SLOW):
        pytest.skip("it takes long to load: `make clients` runs it")
    path, runs = tmp_path / "call.jsonl", []
    with scripted_server(pause=PAUSE if driver.by_clock else 0) as server:
        how = {"upstream": f"{server.origin}{driver.base}", "tls": driver.tls}
        how["match"] = driver.match
        how["pace"] = "recorded" if driver.by_clock else "instant"
        for _ in range(1 + REPLAYS):
            with cassette(path, **how) as used:
                ca_file = Path(used.ca_file) if driver.tls else None
                runs.append(driver.run(urlsplit(used.endpoint).port, ca_file))
        assert len(server.asked) == 1
    first, *replayed = runs
    store.import_file(path)
    for run in replayed:
        assert changes(driver, first, run) == []
        assert differences(driver, run, store) == []
