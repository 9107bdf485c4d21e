"""Acceptance: `join` and `calls` record GPT-Live sessions, as processes."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from support.live_calls import sideband
from support.live_clients import events
from support.live_server import LiveServer, live_server
from support.relaying import eventually
from support.taps import kept
from support.terminal import Terminal, told_by
from support.webhook_receiver import receiving
from support.webhooks import SECRET, incoming, live_connected, live_incoming, post

from eventstore import EventStore
from eventstore.capture.calls.sideband import LIVE_UNSEEN

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
KEY = "sk-very-secret"
JOINED = "/v1/live/sessions/live_x1/attach"


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("EVENTSTORE_WEBHOOK_SECRET", SECRET)


def calls(server: LiveServer, *more: str) -> tuple[str, ...]:
    return ("calls", "--upstream", server.url, *more)


@pytest.mark.parametrize("whole", [False, True], ids=["id", "address"])
def test_a_session_is_joined_by_its_id(terminal: Terminal, store: EventStore, whole: bool) -> None:
    with live_server() as server:
        named = (f"{server.url}/live/sessions/live_x1/attach",)
        asked = named if whole else ("live_x1", "--upstream", server.url)
        told = terminal.apart("join", *asked, "--metadata", "customer=42", "--json")
    [session] = kept(store)
    assert told.code == 0
    assert told.json == {
        "session_id": "live_x1",
        "call_id": "live_x1",
        "events": len(sideband()) + 2,
        "closed": {"by": "server", "code": 1000, "reason": ""},
    }
    assert told.err.splitlines()[0] == "Joined live_x1; Ctrl-C leaves it."
    assert events(session.came) == sideband()
    assert server.paths == [JOINED]
    shown = terminal("state", "live_x1").out.splitlines()
    assert [line for line in shown if line.startswith("not recorded: ")] == [
        f"not recorded: {what}" for what in LIVE_UNSEEN
    ]


def ended(process: subprocess.Popen[str]) -> str:
    """The line that tells how a call ended."""
    while True:
        line = told_by(process)
        if " was ended " in line or " is not recorded" in line or not line:
            return line


def test_a_session_of_a_webhook_is_recorded(store: EventStore) -> None:
    with (
        live_server(known=set()) as server,
        receiving(store, *calls(server, "--json", "--header", "X-Customer=customer")) as running,
    ):
        process, url, _ = running
        body = live_incoming("live_x1", From="<sip:+1555@example.com>", X_Customer="42")
        assert post(url, body) == 204
        assert told_by(process) == "live_x1 comes in; waiting until it is accepted\n"
        assert server.known is not None
        server.known.add("live_x1")
        assert ended(process) == "live_x1 was ended by the server (1000): live_x1\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    [session] = kept(store)
    assert (process.returncode, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [
        {
            "session_id": "live_x1",
            "call_id": "live_x1",
            "closed": {"by": "server", "code": 1000, "reason": ""},
        }
    ]
    assert events(session.came) == sideband()
    assert session.opened["metadata"] == {
        "customer": "42",
        "from": "sip:+1555@example.com",
        "call_id": "live_x1",
    }


def test_a_session_is_joined_once_whatever_webhooks_tell_of_it(store: EventStore) -> None:
    with live_server() as server, receiving(store, *calls(server)) as (process, url, _):
        server.together = 2  # it sends nothing yet
        for body in (
            live_incoming(),
            live_incoming(type_="live.call.incoming"),
            live_connected(),
            live_incoming(),
        ):
            assert post(url, body) == 204
        eventually(lambda: server.joined == 1)
        server.together = 1
        assert ended(process) == "live_x1 was ended by the server (1000): live_x1\n"
        # Now it is in the store.
        assert post(url, live_connected()) == 204
        assert ended(process) == "live_x1 is not recorded: it is recorded in live_x1\n"
    assert server.paths == [JOINED]
    assert len(kept(store)) == 1


def test_a_session_over_webrtc_is_recorded(store: EventStore) -> None:
    with live_server() as server, receiving(store, *calls(server)) as (process, url, _):
        assert post(url, live_connected("live_7")) == 204
        assert ended(process) == "live_7 was ended by the server (1000): live_7\n"
    [session] = kept(store)
    assert session.opened["metadata"] == {"call_id": "live_7"}
    assert session.opened["url"] == f"{server.url}/live/sessions/live_7/attach"


def test_a_call_that_realtime_and_gpt_live_announce_is_joined_where_it_is_accepted(
    store: EventStore,
) -> None:
    with (
        live_server() as server,
        receiving(store, *calls(server, "--wait", "1")) as (process, url, _),
    ):
        assert post(url, incoming("rtc_1")) == 204
        assert post(url, live_incoming()) == 204
        told = {ended(process), ended(process)}
    assert "live_x1 was ended by the server (1000): live_x1\n" in told
    assert any(line.startswith("rtc_1 is not recorded: cannot join rtc_1") for line in told)
    [session] = kept(store)
    assert session.id == "live_x1"
