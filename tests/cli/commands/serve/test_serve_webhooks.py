"""Acceptance: `serve` sends webhooks beside the server, and what was given up by a click."""

from __future__ import annotations

import itertools
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from support.calls import voice_call
from support.examples import some
from support.postgres import KEEPER_OF_DATA, PostgresServer, stoppable_cluster
from support.shut_database import shut
from support.terminal import Terminal, ended, service, told_by
from support.webhook_app import SECRET, App, app

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError
from eventstore.feed.delivery import Delivery
from eventstore.feed.webhooks.dead_letters import note_dead_letter
from eventstore.web import sending as web_sending
from eventstore.web.sending import Sending, WebhookSender, sending

__all__ = ["app"]

FRAMES = voice_call().frames


def wait(what: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def serving(store: EventStore, app: App) -> tuple[str, ...]:
    url = store.engine.url.render_as_string(hide_password=False)
    to = ("--webhooks-to", app.url, "--webhooks-allow-private")
    return ("serve", "--listen", "0", "--db", url, *to)


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTSTORE_WEBHOOKS_SECRET", SECRET)


@pytest.mark.parametrize("number", some([signal.SIGTERM, signal.SIGINT], 2))
def test_webhooks_are_sent_beside_the_server(
    store: EventStore, app: App, number: signal.Signals
) -> None:
    on = ("--webhooks-on", "session.ended,response.done")
    with service(*serving(store, app), *on) as process:
        assert told_by(process) == f"Sending webhooks to {app.url.partition('?')[0]}\n"
        url = told_by(process).split()[2]
        store.append("a/b", FRAMES, close=True)
        wait(lambda: len(app.got) == 3)
        assert [kind for kind, _ in app.told()] == ["response.done"] * 2 + ["session.ended"]
        assert json.loads(app.got[-1][1])["link"] == f"{url}/sessions/a%2Fb"
        told = Delivery("a/b", len(FRAMES), "session", resource={"id": "a/b"})
        note_dead_letter(store.engine, "webhooks", told, 14, "status 500")
        assert httpx.post(f"{url}/webhooks", data={"all": "yes"}).status_code == 303
        wait(lambda: len(app.got) == 4 and not store.dead_letters())
        code, said = ended(process, number)
    assert (code, said) == (0, [])


def test_an_app_that_hangs_does_not_slow_the_server(store: EventStore, app: App) -> None:
    hanging = threading.Event()
    app.before = lambda body: hanging.wait(30)
    with service(*serving(store, app), "--webhooks-link", "https://x.example/") as process:
        told_by(process)
        url = told_by(process).split()[2]
        for number in range(8):
            store.append(f"s{number}", FRAMES, close=True)
        wait(lambda: len(app.got) >= 4)
        began = time.monotonic()
        for _ in range(20):
            assert httpx.get(f"{url}/healthz").status_code == 200
        assert time.monotonic() - began < 5
        hanging.set()
        wait(lambda: len(app.got) == 8)
        assert json.loads(app.got[-1][1])["link"].startswith("https://x.example/sessions/s")
        assert ended(process, signal.SIGTERM)[0] == 0


def test_so_many_are_sent_at_once(store: EventStore, app: App) -> None:
    hanging = threading.Event()
    app.before = lambda body: hanging.wait(30)
    for number in range(6):
        store.append(f"s{number}", FRAMES[:3])
    with service(*serving(store, app), "--webhooks-at-once", "2") as process:
        told_by(process)
        told_by(process)
        for number in range(6):
            store.append(f"s{number}", FRAMES[3:], close=True)
        wait(lambda: len(app.got) == 2)
        time.sleep(1)
        assert len(app.got) == 2
        hanging.set()
        wait(lambda: len(app.got) == 6)
        assert ended(process, signal.SIGTERM)[0] == 0


def test_a_database_that_goes_away_and_comes_back(
    postgres: PostgresServer, own_postgres_url: str, app: App
) -> None:
    with EventStore(own_postgres_url) as store, service(*serving(store, app)) as process:
        told_by(process)
        told_by(process)
        for number in range(4):
            with EventStore(own_postgres_url) as writer:
                writer.append(f"s{number}", FRAMES, close=True)
            wait(lambda number=number: len(app.got) == number + 1)
            if number < 3:
                shut(postgres, own_postgres_url, True)
                time.sleep(1.5)
                shut(postgres, own_postgres_url, False)
        code, said = ended(process, signal.SIGTERM)
    assert code == 0 and not any("fault" in line for line in said)
    assert [id_ for _, id_ in app.told()] == ["s0", "s1", "s2", "s3"]
    with EventStore(own_postgres_url) as store:
        assert store.subscriptions()[0]["failed"] == 0


def test_a_database_server_that_is_stopped_while_a_webhook_is_sent(app: App) -> None:
    stopped = threading.Event()
    app.before = lambda body: stopped.wait(30)
    app.statuses = [204, 500, 503]
    with stoppable_cluster({"synchronous_commit": "on"}) as server:
        if server is None:
            pytest.skip("there are no binaries of PostgreSQL")
        with EventStore(server.url(), check_schema=False) as store:
            store.init()
        on = ("--webhooks-on", "session.ended,response.done")
        with EventStore(server.url()) as store, service(*serving(store, app), *on) as process:
            told_by(process)
            url = told_by(process).split()[2]
            for number in range(3):
                store.append(f"s{number}", FRAMES, close=True)
            wait(lambda: len(app.got) == 3)
            server.stop()
            stopped.set()
            time.sleep(2)
            assert httpx.get(f"{url}/readyz").status_code == 503
            server.start(KEEPER_OF_DATA)
            wait(lambda: len({headers["webhook-id"] for headers, _ in app.got}) == 9)
            code, said = ended(process, signal.SIGTERM)
        with EventStore(server.url()) as store:
            (status,) = store.subscriptions()
            assert (status["behind"], status["failed"], store.dead_letters()) == (0, 0, [])
    assert code == 0 and not any("fault" in line for line in said)
    for number in range(3):
        link = f"{url}/sessions/s{number}"
        told = [json.loads(body) for _, body in app.got if json.loads(body)["link"] == link]
        ids = [one["data"]["id"] for one in told]
        assert [id_ for id_, _ in itertools.groupby(ids)] == ["resp_1", "resp_2", f"s{number}"]


def test_two_servers_share_the_webhooks(store: EventStore, app: App) -> None:
    with service(*serving(store, app)) as one, service(*serving(store, app)) as other:
        for process in (one, other):
            told_by(process)
            assert told_by(process).startswith("Serving")
        for number in range(12):
            store.append(f"s{number:02}", FRAMES, close=True)
        wait(lambda: len(app.got) >= 12)
        assert [ended(process, signal.SIGINT)[0] for process in (one, other)] == [0, 0]
    assert sorted(id_ for _, id_ in app.told()) == [f"s{number:02}" for number in range(12)]


@pytest.fixture
def sender(store: EventStore, app: App) -> Iterator[WebhookSender]:
    with sending(store, Sending(app.url, SECRET, allow_private=True)) as made:
        yield made


def test_sending_goes_on_after_a_fault(
    store: EventStore,
    app: App,
    sender: WebhookSender,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(web_sending, "FIRST_PAUSE", 0.05)
    failures = iter([OSError("secret"), DatabaseUnavailableError("away"), ValueError("secret")])
    make = sender._make

    def fail() -> object:
        for error in failures:
            raise error
        return make()

    monkeypatch.setattr(sender, "_make", fail)
    sender.start("http://127.0.0.1:1")
    store.append("a", FRAMES, close=True)
    wait(lambda: app.got)
    assert json.loads(app.got[0][1])["link"] == "http://127.0.0.1:1/sessions/a"
    assert "because of a fault" in caplog.text and "secret" not in caplog.text


def test_a_subscription_that_is_dropped_ends_it(
    store: EventStore, sender: WebhookSender, caplog: pytest.LogCaptureFixture
) -> None:
    sender.start(None)
    wait(lambda: sender._running is not None and sender._running._feeds)
    store.drop_subscription("webhooks")
    sender.join(30)
    assert "was dropped" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--webhooks-on", "session.ended"), "--webhooks-on goes with --webhooks-to"),
        (("--webhooks-allow-private",), "--webhooks-allow-private goes with --webhooks-to"),
        (("--webhooks-at-once", "2"), "--webhooks-at-once goes with --webhooks-to"),
        (("--webhooks-to", "https://a.example", "--webhooks-on", "x,y"), "'x': use"),
        (("--webhooks-to", "http://a.example"), "https:// alone"),
        (("--webhooks-to", "https://u:pw@a.example"), "leave credentials out"),
        (("--webhooks-to", "https://a.example", "--webhooks-secret", "short"), "secret is none"),
    ],
)
def test_wrong_options_are_told(terminal: Terminal, arguments: tuple[str, ...], told: str) -> None:
    done = terminal("serve", "--listen", "0", *arguments)
    assert done.code != 0 and told in done.err and "pw" not in done.err


def test_without_a_secret(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENTSTORE_WEBHOOKS_SECRET")
    done = terminal("serve", "--webhooks-to", "https://a.example")
    assert done.code == 2 and "EVENTSTORE_WEBHOOKS_SECRET" in done.err
