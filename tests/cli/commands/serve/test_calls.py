"""Acceptance: `calls`, and `serve --calls`, as processes that record the calls of webhooks."""

from __future__ import annotations

import json
import re
import signal
import ssl

import httpx
import pytest
from support.call_server import CAME, CallServer, call_server
from support.relaying import eventually
from support.taps import kept
from support.terminal import Terminal, told_by
from support.webhook_receiver import receiving
from support.webhooks import SECRET, incoming, post, signed

from eventstore import EventStore

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
KEY = "sk-very-secret"
#: A secret that a frame tells.
TOLD_KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5q"
TOLD = json.dumps({"type": "error", "error": {"message": f"Incorrect key: {TOLD_KEY}"}})


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("EVENTSTORE_WEBHOOK_SECRET", SECRET)


def calls(server: CallServer, *more: str) -> tuple[str, ...]:
    return ("calls", "--upstream", server.url, *more)


def test_a_call_is_recorded_and_told_by_line(store: EventStore) -> None:
    with (
        call_server() as server,
        receiving(store, *calls(server, "--json", "--header", "X-Customer=customer")) as running,
    ):
        process, url, told = running
        assert told == [
            f"Receiving webhooks on {url}, recording calls of {server.url}; Ctrl-C ends it.\n"
        ]
        assert post(url, incoming("rtc_1", X_Customer="42")) == 204
        lines = [told_by(process) for _ in range(3)]
        health = httpx.get(url.replace("/v1/webhooks/openai", "/healthz")).json()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    [session] = kept(store)
    assert (process.returncode, err) == (0, "")
    assert lines == [
        "rtc_1 comes in; waiting until it is accepted\n",
        "rtc_1 begins\n",
        f"rtc_1 was ended by the server (1000 over): {session.id}\n",
    ]
    assert [json.loads(line) for line in out.splitlines()] == [
        {
            "session_id": session.id,
            "call_id": "rtc_1",
            "closed": {"by": "server", "code": 1000, "reason": "over"},
        }
    ]
    assert session.came == CAME
    assert session.opened["metadata"] == {"customer": "42", "call_id": "rtc_1"}
    assert health["status"] == "ok" and health["sessions_live"] == 0


@pytest.mark.parametrize("command", [("calls",), ("serve", "--calls")], ids=["calls", "serve"])
def test_secrets_are_taken_out(store: EventStore, command: tuple[str, ...]) -> None:
    with (
        call_server(came=[*CAME, TOLD]) as server,
        receiving(store, *command, "--upstream", server.url, "--redact") as (process, url, _),
    ):
        assert post(url, incoming("rtc_1")) == 204
        assert [told_by(process) for _ in range(3)][-1].startswith("rtc_1 was ended")
    [session] = kept(store)
    assert session.came == [*CAME, TOLD.replace(TOLD_KEY, "[removed]")]


def test_it_listens_with_tls(store: EventStore) -> None:
    with call_server() as server, receiving(store, *calls(server, "--tls")) as (process, url, told):
        (ca_file,) = set(re.findall(r"=(\S+ca\.pem)", told[0]))
        context = ssl.create_default_context(cafile=ca_file)
        body = incoming()
        answer = httpx.post(url, content=body, headers=signed(body), verify=context, timeout=20)
        assert answer.status_code == 204
        assert "was ended by the server" in [told_by(process) for _ in range(3)][2]
    assert url.startswith("https://127.0.0.1:")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_calls(store: EventStore, number: signal.Signals) -> None:
    with (
        call_server(over=set()) as server,
        receiving(store, *calls(server, "--json")) as (process, url, _),
    ):
        assert post(url, incoming()) == 204
        assert [told_by(process) for _ in range(2)][1] == "rtc_1 begins\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        eventually(lambda: server.codes == [1000])
    [session] = kept(store)
    assert process.returncode == 0
    assert err.startswith("rtc_1 was left")
    assert json.loads(out)["closed"] == {"by": "recorder", "code": 1000, "reason": ""}
    assert session.ending == ("recorder", 1000, "")


def test_a_call_that_is_not_accepted_is_told(store: EventStore) -> None:
    with (
        call_server(accepted=set()) as server,
        receiving(store, *calls(server, "--json", "--wait", "0")) as (process, url, _),
    ):
        assert post(url, incoming()) == 204
        _, line = told_by(process), told_by(process)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    why = "cannot join rtc_1: 404 Not Found: No call rtc_1."
    assert line == f"rtc_1 is not recorded: {why}\n"
    assert json.loads(out) == {
        "session_id": None,
        "call_id": "rtc_1",
        "closed": None,
        "error": why,
    }
    assert kept(store) == []


def test_what_came_before_a_kill_is_kept_and_is_not_recorded_again(store: EventStore) -> None:
    with call_server(over=set()) as server:
        with receiving(store, *calls(server)) as (process, url, _):
            assert post(url, incoming()) == 204
            assert [told_by(process) for _ in range(2)][1] == "rtc_1 begins\n"
            eventually(lambda: len(list(store.sessions().data)) == 1)
            eventually(lambda: len(kept(store)[0].came) == len(CAME))
            process.kill()
            process.wait(30)
            eventually(lambda: kept(store)[0].closed is not None)
        with receiving(store, *calls(server)) as (process, url, _):
            assert post(url, incoming()) == 204
            lines = [told_by(process) for _ in range(2)]
    [session] = kept(store)
    assert session.came == CAME
    assert session.ending == ("recorder", None, "the program that recorded it ended")
    assert lines[1] == f"rtc_1 is not recorded: it is recorded in {session.id}\n"
    assert server.asked["rtc_1"] == 1


def test_serve_takes_webhooks_beside_its_api(store: EventStore) -> None:
    arguments = ("serve", "--calls", "--upstream", "UPSTREAM", "--header", "X-Customer=customer")
    with call_server() as server:
        told = (server.url if word == "UPSTREAM" else word for word in arguments)
        with receiving(store, *told) as (process, url, _):
            assert post(url, incoming("rtc_1", X_Customer="42")) == 204
            lines = [told_by(process) for _ in range(3)]
            listed = httpx.get(
                url.replace("webhooks/openai", "realtime/sessions"),
                params={"metadata[call_id]": "rtc_1"},
            ).json()["data"]
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=30)
    [session] = kept(store)
    assert (process.returncode, err) == (0, "")
    assert [one["id"] for one in listed] == [session.id]
    assert lines[2] == f"rtc_1 was ended by the server (1000 over): {session.id}\n"
    assert session.opened["metadata"]["customer"] == "42"


def test_serve_leaves_a_call_that_goes_on(store: EventStore) -> None:
    with (
        call_server(over=set()) as server,
        receiving(store, "serve", "--calls", "--upstream", server.url) as (process, url, _),
    ):
        assert post(url, incoming()) == 204
        assert [told_by(process) for _ in range(2)][1] == "rtc_1 begins\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    [session] = kept(store)
    assert process.returncode == 0
    assert session.ending == ("recorder", 1000, "")


@pytest.mark.parametrize("command", [("calls",), ("serve", "--calls")])
@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("EVENTSTORE_WEBHOOK_SECRET", "set EVENTSTORE_WEBHOOK_SECRET"),
        ("OPENAI_API_KEY", "set OPENAI_API_KEY"),
    ],
)
def test_without_a_secret_or_a_key_it_does_not_start(
    terminal: Terminal,
    store: EventStore,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    missing: str,
    said: str,
) -> None:
    monkeypatch.delenv(missing)
    assert said in terminal(*command, "--listen", "0").error(2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["calls", "--header", "X Y=z"], "use NAME=KEY"),
        (["calls", "--header", "Authorization=x"], "use NAME=KEY"),
        (["calls", "--header", "=x"], "use NAME=KEY"),
        (["calls", "--header", f"X={'k' * 65}"], "use NAME=KEY"),
        (["calls", "--header", "X=from"], "from is set already"),
        (["calls", "--header", "X=a", "--header", "Y=a"], "a is set already"),
        (["calls", "--header", "X=a", "--metadata", "a=b"], "a is set already"),
        (["calls", *(w for n in range(14) for w in ("--header", f"X-{n}"))], "at most 16 pairs"),
        (["calls", "--metadata", "x"], "use KEY=VALUE"),
        (["calls", "--upstream", "nowhere"], "use an address like"),
        (["calls", "--listen", "x"], "--listen"),
        (["serve", "--header", "X"], "--header goes with --calls"),
        (["serve", "--upstream", "ws://h"], "--upstream goes with --record or --calls"),
    ],
)
def test_wrong_usage_is_one_line(
    terminal: Terminal, store: EventStore, arguments: list[str], said: str
) -> None:
    assert said in terminal(*arguments).error(2)


def test_a_secret_that_is_none_is_not_shown(
    terminal: Terminal, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_WEBHOOK_SECRET", "whsec_hush!")
    said = terminal("calls", "--listen", "0").error(2)
    assert "the webhook's secret is none" in said and "hush" not in said
