"""Acceptance: `join` as a process that records a call until it ends or is left."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from support.call_server import CAME, call_server
from support.calls import voice_call
from support.cassettes import websocket_server
from support.replaying import one, sent_by
from support.taps import Line, kept
from support.terminal import Terminal
from websockets.asyncio.server import ServerConnection

from eventstore import EventStore
from eventstore.capture.calls.sideband import UNSEEN
from eventstore.realtime.frames import SERVER

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FRAMES = voice_call().frames
KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def upstream() -> Iterator[str]:
    """A server with a call that ends."""
    with Line().serve(one(FRAMES), rule="none") as server:
        yield server.url


def test_a_call_is_recorded_until_it_ends(
    terminal: Terminal, store: EventStore, upstream: str
) -> None:
    told = terminal.apart("join", "rtc_1", "--upstream", upstream, "--metadata", "customer=42")
    [session] = kept(store)
    assert (told.code, told.out) == (0, "")
    count = store.last_seq(session.id)
    assert told.err.splitlines() == [
        "Joined rtc_1; Ctrl-C leaves it.",
        f"rtc_1 was ended by the server (1000 done): {count} events in {session.id}",
    ]
    assert session.came == sent_by(FRAMES, SERVER)
    assert session.opened["metadata"] == {"customer": "42", "call_id": "rtc_1"}


def test_secrets_are_taken_out(terminal: Terminal, store: EventStore) -> None:
    secret = "sk-proj-Ab3dEf6hIj9kLm2nOp5q"
    frame = json.dumps({"type": "error", "error": {"message": f"Incorrect key: {secret}"}})
    with call_server(came=[*CAME, frame]) as server:
        told = terminal.apart("join", "rtc_1", "--upstream", server.url, "--redact")
    [session] = kept(store)
    assert (told.code, session.came) == (0, [*CAME, frame.replace(secret, "[removed]")])


def test_json_is_one_document(terminal: Terminal, store: EventStore, upstream: str) -> None:
    told = terminal.apart("join", "rtc_1", "--upstream", upstream, "--json")
    [session] = kept(store)
    assert told.json == {
        "session_id": session.id,
        "call_id": "rtc_1",
        "events": store.last_seq(session.id),
        "closed": {"by": "server", "code": 1000, "reason": "done"},
    }


def test_people_are_shown_what_was_not_recorded(
    terminal: Terminal, store: EventStore, upstream: str
) -> None:
    assert terminal.apart("join", "rtc_1", "--upstream", upstream).code == 0
    [session] = kept(store)
    shown = terminal("state", session.id)
    assert [line for line in shown.out.splitlines() if line.startswith("not recorded: ")] == [
        f"not recorded: {what}" for what in UNSEEN
    ]
    notes = terminal("state", session.id, "--json").json["session"]["eventstore"]
    assert notes["opened"]["unseen"] == list(UNSEEN)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_call(
    terminal: Terminal, store: EventStore, number: signal.Signals
) -> None:
    codes: list[int | None] = []

    async def stay(connection: ServerConnection) -> None:
        await connection.send('{"type":"a"}')
        await connection.wait_closed()
        codes.append(connection.close_code)

    with websocket_server(stay) as url:
        process = terminal.start("join", "rtc_1", "--upstream", url, start_new_session=True)
        assert process.stderr is not None
        assert process.stderr.readline() == b"Joined rtc_1; Ctrl-C leaves it.\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    [session] = kept(store)
    assert process.returncode == 0
    events = "3 events" if session.came else "2 events"
    assert err.decode() == f"rtc_1 was left: {events} in {session.id}\n"
    assert codes == [1000]
    assert session.ending == ("recorder", 1000, "")


def test_a_refusal_is_one_line(terminal: Terminal, store: EventStore) -> None:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(404, '{"error":{"message":"No call with id\\nrtc_1."}}')

    async def nothing(connection: ServerConnection) -> None: ...

    with websocket_server(nothing, process_request=refuse) as url:
        said = terminal.apart("join", "rtc_1", "--upstream", url, "--wait", "0").error(1)
    assert said == "cannot join rtc_1: 404 Not Found: No call with id rtc_1."
    assert kept(store) == []


def test_a_call_that_is_not_there_yet_is_waited_for(terminal: Terminal, store: EventStore) -> None:
    with call_server(accepted=set()) as server:
        address = f"{server.url}/realtime?call_id=rtc_1"
        process = terminal.start("join", address, "--wait", "60", start_new_session=True)
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line == b"rtc_1 is not there yet; trying again for 60 s.\n"
        assert server.accepted is not None
        server.accepted.add("rtc_1")
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    [session] = kept(store)
    assert session.came == CAME
    assert "rtc_1 was ended by the server (1000 over): " in err.decode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rtc_1", "--upstream", "nowhere"], "use an address like"),
        (["rtc_1", "--metadata", "x"], "use KEY=VALUE"),
        ([" "], "rtc_"),
        (["rtc_1", "--key", "sk-1"], "No such option"),
    ],
)
def test_wrong_usage_is_one_line(
    terminal: Terminal, store: EventStore, arguments: list[str], said: str
) -> None:
    assert said in terminal("join", *arguments).error(2)
    assert kept(store) == []


def test_without_a_key_it_says_where_to_put_one(
    terminal: Terminal, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "set OPENAI_API_KEY" in terminal("join", "rtc_1").error(2)
    assert kept(store) == []
