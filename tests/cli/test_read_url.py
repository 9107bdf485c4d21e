"""Commands and the API read from a replica that EVENTSTORE_READ_URL or --read-url names.

Acceptance: a primary and its replica, both real servers.
"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from support.calls import voice_call
from support.replication import Servers
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.web.in_thread import serving

FRAMES = list(voice_call().frames)
#: Commands that only read, of the session `one`.
READING = [
    ("sessions", "--json"),
    ("show", "one", "--json"),
    ("show", "one", "--at", "+1", "--json"),
    ("responses", "--json"),
    ("events", "one", "--json"),
    ("usage", "--by", "day", "--json"),
    ("latency", "--json"),
    ("metadata", "--json"),
    ("export", "one"),
    ("export", "one", "--format", "chat"),
    ("replay", "one", "--instant"),
]


@pytest.fixture
def named(
    servers: Servers, replicated_name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Terminal:
    """A terminal in which the environment names the store and its replica."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENTSTORE_URL", servers.primary.url(replicated_name))
    monkeypatch.setenv("EVENTSTORE_READ_URL", servers.replica.url(replicated_name))
    return Terminal()


@pytest.mark.parametrize("command", READING, ids=lambda one: " ".join(one))
def test_a_command_prints_what_it_prints_of_the_primary(
    servers: Servers,
    replicated_name: str,
    named: Terminal,
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with EventStore(servers.primary.url(replicated_name)) as store:
        store.append("one", FRAMES, close=True)
        store.set_metadata("one", {"customer": "42"})
    on_replica = named(*command)
    monkeypatch.delenv("EVENTSTORE_READ_URL")
    assert on_replica == named(*command)
    assert on_replica.code == 0


def test_a_command_reads_what_was_written_before_it_began(
    servers: Servers, named: Terminal, tmp_path: Path
) -> None:
    servers.pause()
    (tmp_path / "call.jsonl").write_text('{"type": "session.created", "session": {"id": "one"}}\n')
    assert named("import", "call.jsonl").code == 0
    assert [one["id"] for one in named("sessions", "--json").json["data"]] == ["one"]


def test_status_tells_of_the_replica(servers: Servers, named: Terminal) -> None:
    assert named("status", "--json").json["replica"]["problem"] is None
    assert "replica    postgresql+psycopg://postgres@" in named("status").out
    named("init", "--db", "sqlite:///here.db")
    refused = named("sessions", "--db", "sqlite:///here.db")
    assert refused.code == 2
    assert "only PostgreSQL has replicas" in refused.err


def test_what_is_appended_by_the_api_is_read_by_it(servers: Servers, replicated_name: str) -> None:
    url, read_url = servers.primary.url(replicated_name), servers.replica.url(replicated_name)
    with EventStore(url, read_url=read_url) as store, serving(store) as address:
        servers.pause()
        for number in range(1, 4):
            body = {"events": [{"direction": "server", "frame": f'{{"type": "x{number}"}}'}]}
            done = httpx.post(f"{address}/v1/realtime/sessions/one/events", json=body)
            assert done.status_code in (200, 201), done.text
            events = httpx.get(f"{address}/v1/realtime/sessions/one/events").json()["data"]
            assert len(events) == number
        assert httpx.delete(f"{address}/v1/realtime/sessions/one").status_code == 200
        assert httpx.get(f"{address}/v1/realtime/sessions/one").status_code in (404, 410)
        assert "eventstore_replica_reads_total" in httpx.get(f"{address}/metrics").text
