"""What a server made of a session's sound is gone with the session, whoever erased it; and with the
server, whatever ended it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import httpx
import pytest
from exports.calls_to_export import SAMPLE, put_sample
from support.relaying import eventually
from support.terminal import service, told_by

from eventstore import EventStore

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of servers."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setenv("TMPDIR", str(made))
    return made


@contextmanager
def serving(store: EventStore) -> Iterator[tuple[Popen[str], httpx.Client]]:
    url = store.engine.url.render_as_string(hide_password=False)
    with service("serve", "--listen", "0", "--db", url) as process:
        found = re.search(r"http://127[^\s;]+", told_by(process))
        assert found is not None
        with httpx.Client(base_url=f"{found[0]}/v1/realtime/sessions", timeout=60) as client:
            yield process, client


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        put_sample(opened)
        opened.append(SAMPLE, [], close=True)
        yield opened


def held(process: Popen[str], folder: Path) -> int:
    """Bytes in files of the temporary folder that the process has open."""
    total = 0
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            if str(descriptor.readlink()).startswith(str(folder)):
                total += descriptor.stat().st_size
        except OSError:
            continue
    return total


def ask(client: httpx.Client) -> list[int]:
    paths = ("audio", "audio?format=flac", "waveform", "audio?side=user")
    return [client.get(f"/{SAMPLE}/{path}").status_code for path in paths]


def test_an_erase_by_another_process_empties_its_files(store: EventStore, folder: Path) -> None:
    with serving(store) as (process, client):
        assert ask(client) == [200] * 4
        assert held(process, folder) > 1_000_000 and list(folder.iterdir()) == []
        store.erase(SAMPLE, audio_only=True, vacuum=False).raise_for_errors()
        eventually(lambda: held(process, folder) == 0, 60)
        assert ask(client) == [404, 404, 200, 404]
        assert held(process, folder) > 1_000
        store.erase(SAMPLE, vacuum=False).raise_for_errors()
        eventually(lambda: held(process, folder) == 0, 60)
        assert ask(client) == [410] * 4


@on_sqlite
def test_a_killed_server_leaves_nothing(store: EventStore, folder: Path) -> None:
    with serving(store) as (process, client):
        assert ask(client) == [200] * 4
        process.kill()
        process.wait(30)
    assert list(folder.iterdir()) == []


@on_sqlite
def test_what_former_versions_left_is_swept_at_the_start(store: EventStore, folder: Path) -> None:
    elsewhere = folder / "else"
    for made in (folder / "eventstore-sound-abc", elsewhere):
        made.mkdir()
        (made / "call").write_text("heard")
    (folder / "eventstore-sound-link").symlink_to(elsewhere)
    with serving(store) as (_, client):
        assert ask(client) == [200] * 4
    assert {path.name for path in folder.iterdir()} == {"else", "eventstore-sound-link"}
    assert (elsewhere / "call").read_text() == "heard"
