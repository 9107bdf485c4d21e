"""Acceptance: clients that people use, unmodified, are recorded, replayed and run in cassettes."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from clients.running import Driver, Item, changes, differences, items_of
from clients.scripted_server import scripted_server
from support.relaying import relaying
from support.replaying import INSTANT, served

from eventstore import EventStore
from eventstore.replay.cassette import cassette
from eventstore.replay.matching import Rule
from eventstore.replay.server import recordings_of

NO_TLS = "no TLS yet"
TLS = {"tls": True, "replay_lacks": NO_TLS, "cassette_lacks": NO_TLS}
AZURE = {"base": ""}
DRIVERS = (
    Driver("python/pydantic_ai_realtime.py"),
    Driver("python/pydantic_ai_realtime.py", "spoken"),
    Driver("python/pydantic_ai_realtime.py", "azure", **AZURE, **TLS),
    Driver("python/livekit_realtime_session.py"),
    Driver("python/livekit_realtime_session.py", "azure", **AZURE),
    Driver("python/livekit_realtime_session.py", "azure-preview", **AZURE),
    Driver("python/livekit_agent_session.py"),
    Driver("python/pipecat_typed.py"),
    Driver("python/pipecat_typed.py", "azure", **AZURE),
    Driver("python/pipecat_spoken.py", by_clock=True),
    Driver("python/azure_voicelive.py", **AZURE),
    Driver("python/semantic_kernel_realtime.py"),
    Driver("python/semantic_kernel_realtime.py", "azure", **AZURE, **TLS),
    Driver("python/langsmith_realtime.py"),
    Driver("../node/openai_realtime.mjs", "ws", **TLS),
    Driver("../node/openai_realtime.mjs", "websocket", **TLS),
    Driver("../node/openai_realtime.mjs", "azure", **AZURE, **TLS),
)


def each_driver(lacks: str = "") -> pytest.MarkDecorator:
    """Runs a test once for each; those that lack something are known to fail."""
    parameters = [
        pytest.param(driver, id=driver.name, marks=_marks(driver, lacks)) for driver in DRIVERS
    ]
    return pytest.mark.parametrize("recorded", parameters, indirect=True)


def _marks(driver: Driver, lacks: str) -> list[pytest.MarkDecorator]:
    # Its tests share a recording.
    marks = [pytest.mark.xdist_group(driver.script + driver.case)]
    reason = getattr(driver, lacks) if lacks else ""
    return [*marks, pytest.mark.xfail(reason=reason)] if reason else marks


@dataclass
class Recorded:
    """A client's call, recorded through the relay.

    Attributes:
        told: the items that the client had in the end.
        items: those that the store has.
    """

    driver: Driver
    store: EventStore
    told: list[tuple[str, str]]
    items: list[Item]


@dataclass
class Tls:
    """What servers listen with, and the authority that clients are to trust."""

    context: ssl.SSLContext
    ca_file: Path


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    return Tls(context, ca_file)


@pytest.fixture(scope="module")
def recorded(
    request: pytest.FixtureRequest,
    sqlite_template: Path,
    tls: Tls,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Recorded]:
    driver: Driver = request.param
    if driver.missing:
        pytest.skip(driver.missing)
    path = tmp_path_factory.mktemp("recorded") / "calls.db"
    shutil.copyfile(sqlite_template, path)
    listen = tls.context if driver.tls else None
    with EventStore(f"sqlite:///{path}") as store, scripted_server() as server:
        with relaying(store, server.origin, listen_tls=listen) as relay:
            told = driver.run(relay.port, tls.ca_file)
        assert server.faults == []
        yield Recorded(driver, store, told, items_of(store))


@each_driver()
def test_it_is_recorded_by_the_relay(recorded: Recorded) -> None:
    assert differences(recorded.told, recorded.items) == []


@each_driver("replay_lacks")
def test_it_is_served_the_recording(recorded: Recorded, tls: Tls) -> None:
    with served(recordings_of(recorded.store), INSTANT) as server:
        told = recorded.driver.run(server.port, tls.ca_file)
        assert server.outcome().whole
    assert differences(told, recorded.items) == []


@each_driver("cassette_lacks")
def test_it_runs_in_a_cassette(recorded: Recorded, tls: Tls, tmp_path: Path) -> None:
    runs = []
    match: Rule = "type" if recorded.driver.by_clock else "strict"
    with scripted_server() as server:
        upstream = f"{server.origin}{recorded.driver.base}"
        for _ in range(2):
            with cassette(tmp_path / "call.jsonl", match=match, upstream=upstream) as used:
                port = int(used.url.rpartition(":")[2].partition("/")[0])
                runs.append(recorded.driver.run(port, tls.ca_file))
        assert len(server.asked) == 1
    first, second = runs
    assert changes(recorded.driver, first, second) == []
    assert differences(second, recorded.items) == []
