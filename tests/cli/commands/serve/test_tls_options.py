"""Acceptance: commands listen with TLS, and say how apps trust a certificate that they made."""

from __future__ import annotations

import asyncio
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import trustme
from support.calls import voice_call
from support.replaying import one, play_client, sent_by, served
from support.terminal import Terminal, ended, service, told_by

from eventstore import EventStore
from eventstore.realtime.frames import SERVER

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FRAMES = voice_call().frames
SENT = sent_by(FRAMES, SERVER)


class Running(NamedTuple):
    """A service that listens.

    Attributes:
        at: where, by the first word of the line that says so.
        ca_file: the authority that it told of, if it did.
    """

    process: subprocess.Popen[str]
    at: dict[str, str]
    ca_file: str | None


@contextmanager
def running(store: EventStore, last: str, *arguments: str) -> Iterator[Running]:
    """A command, up to its line that begins with a word."""
    url = store.engine.url.render_as_string(hide_password=False)
    places: dict[str, str] = {}
    ca_file = None
    with service(*arguments, "--db", url) as process:
        while last not in places:
            told = told_by(process)
            if variables := re.search(
                r": export NODE_EXTRA_CA_CERTS=(\S+) SSL_CERT_FILE=\1$", told
            ):
                ca_file = variables[1]
                continue
            found = re.match(r"(\w+) .*?((?:wss?|https?)://127[^\s;]+)", told)
            assert found is not None, told
            places[found[1]] = found[2]
        yield Running(process, places, ca_file)


def heard(url: str, ca_file: str) -> list[str | bytes]:
    trusting = ssl.create_default_context(cafile=ca_file)
    return asyncio.run(play_client(url, FRAMES, ssl=trusting))[0]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, str]:
    """A certificate, its key, and the authority of both."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    cert, key, ca = (tmp_path / f"{name}.pem" for name in ("cert", "key", "ca"))
    leaf.cert_chain_pems[0].write_to_path(cert)
    leaf.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(ca)
    return str(cert), str(key), str(ca)


def test_replay_makes_a_certificate_for_its_run(store: EventStore) -> None:
    store.append("sess_1", FRAMES, close=True)
    arguments = ("replay", "sess_1", "--serve", "0", "--instant", "--tls")
    with running(store, "Serving", *arguments) as run:
        assert run.at["Serving"].startswith("wss://") and run.ca_file is not None
        assert heard(run.at["Serving"], run.ca_file) == SENT
        assert Path(run.ca_file).is_file()
        assert ended(run.process, signal.SIGTERM)[0] == 0
    assert not Path(run.ca_file).parent.exists()


def test_replay_takes_a_certificate(store: EventStore, files: tuple[str, str, str]) -> None:
    store.append("sess_1", FRAMES, close=True)
    cert, key, ca = files
    arguments = ("replay", "sess_1", "--serve", "0", "--instant", "--cert", cert, "--key", key)
    with running(store, "Serving", *arguments) as run:
        assert run.ca_file is None
        assert heard(run.at["Serving"], ca) == SENT


def test_all_that_serve_listens_on_has_tls(store: EventStore) -> None:
    store.append("sess_1", FRAMES, close=True)
    beside = ("--replay", "0", "--record", "0")
    with (
        served(one(FRAMES)) as upstream,
        running(
            store, "Serving", "serve", "--listen", "0", *beside, "--upstream", upstream.url, "--tls"
        ) as run,
    ):
        assert run.ca_file is not None
        assert heard(f"{run.at['Replaying']}?session=sess_1", run.ca_file) == SENT
        assert heard(f"{run.at['Recording']}/v1/realtime", run.ca_file) == SENT
        trusting = ssl.create_default_context(cafile=run.ca_file)
        with httpx.Client(verify=trusting, base_url=run.at["Serving"], trust_env=False) as client:
            listed = client.get("/v1/realtime/sessions").json()["data"]
            assert "sess_1" in {session["id"] for session in listed}
            assert run.at["Replaying"] in client.get("/sessions/sess_1").text
        with pytest.raises(httpx.HTTPError):
            httpx.get(run.at["Serving"].replace("https", "http"), trust_env=False)
        assert ended(run.process, signal.SIGTERM)[0] == 0


def test_record_makes_a_certificate_for_its_run(store: EventStore) -> None:
    with (
        served(one(FRAMES)) as upstream,
        running(
            store, "Recording", "record", "--listen", "0", "--upstream", upstream.url, "--tls"
        ) as run,
    ):
        assert run.ca_file is not None
        assert heard(f"{run.at['Recording']}/v1/realtime", run.ca_file) == SENT


REPLAY = ("replay", "sess_1", "--serve", "0")
SERVE = ("serve", "--listen", "0")


@pytest.mark.parametrize("command", [REPLAY, SERVE, ("record", "--upstream", "ws://h")])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--key", "KEY"), "--key goes with --cert"),
        (("--tls", "--cert", "CERT"), "--tls makes a certificate and --cert names one"),
        (("--cert", "CERT"), "there is no key in PEM in it; name its key as well"),
        (("--cert", "CERT", "--key", "CA"), "there is no key in PEM in it"),
        (("--cert", "nowhere"), "cannot read the certificate nowhere: No such file"),
        (("--cert", "CERT", "--key", "nowhere"), "cannot read the key nowhere: No such file"),
    ],
)
def test_wrong_usage_is_one_line(
    terminal: Terminal,
    store: EventStore,
    files: tuple[str, str, str],
    command: tuple[str, ...],
    options: tuple[str, ...],
    said: str,
) -> None:
    store.append("sess_1", FRAMES[:2], close=True)
    paths = dict(zip(("CERT", "KEY", "CA"), files, strict=True))
    given = [paths.get(option, option) for option in options]
    assert said in terminal(*command, *given).error(2)


def test_it_goes_with_serve(terminal: Terminal) -> None:
    assert "--tls and --cert go with --serve" in terminal("replay", "sess_1", "--tls").error(2)


@pytest.mark.parametrize("command", [REPLAY, SERVE])
def test_without_the_extra_a_line_says_what_to_install(
    terminal: Terminal,
    store: EventStore,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    store.append("sess_1", FRAMES[:2], close=True)
    monkeypatch.setitem(sys.modules, "trustme", None)
    told = terminal(*command, "--tls").error(1)
    assert told == "trustme is not installed; run: pip install 'realtime-eventstore[tls]'"
