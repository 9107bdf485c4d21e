"""Integration: webhooks are signed, in order, sent again, given up, and never to private places."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from openai import OpenAI
from support.calls import voice_call
from support.webhook_app import SECRET, App

from eventstore import EventStore, InvalidInputError
from eventstore.feed.webhooks import post as posting
from eventstore.feed.webhooks import webhooks as sending
from eventstore.feed.webhooks.destination import parse_destination
from eventstore.feed.webhooks.post import PostError, post
from eventstore.store.database.transaction import write

FRAMES = voice_call().frames
BOTH = ("response.done", "session.ended")


def send(store: EventStore, app: App, **options: Any) -> sending.Webhooks:
    """Send all webhooks that there are now."""
    given = {"on": BOTH, "from_": "start", "allow_private": True, "once": True, **options}
    webhooks = store.webhooks(app.url, SECRET, **given)
    webhooks.run(threads=2)
    return webhooks


def end_pauses(store: EventStore) -> None:
    with write(store.engine) as tx:
        tx.run("UPDATE checkpoints SET retry_at = 0")


def test_webhooks_are_signed_and_in_order(store: EventStore, app: App) -> None:
    for name in ("a", "b"):
        store.append(name, FRAMES, close=True)
    assert send(store, app, link="https://calls.example.com/").sent == 6
    client = OpenAI(api_key="none", webhook_secret=SECRET)
    for headers, body in app.got:
        client.webhooks.verify_signature(body, headers)
        told = json.loads(body)
        assert told.keys() == {"type", "timestamp", "data", "link"}
    for name in ("a", "b"):
        link = f"https://calls.example.com/sessions/{name}"
        of_session = [one for _, one in app.got if json.loads(one)["link"] == link]
        assert [json.loads(one)["type"] for one in of_session] == [
            "response.done",
            "response.done",
            "session.ended",
        ]
        assert json.loads(of_session[-1])["data"] == store.session(name)
    assert len({headers["webhook-id"] for headers, _ in app.got}) == 6
    assert send(store, app).sent == 0


def test_one_that_is_not_taken_is_sent_again_before_those_behind_it(
    store: EventStore, app: App
) -> None:
    store.append("a", FRAMES, close=True)
    app.statuses = [500, 302]
    for expected in (0, 0, 3):
        assert send(store, app).sent == expected
        end_pauses(store)
    assert [id_ for _, id_ in app.told()] == ["resp_1", "resp_1", "resp_1", "resp_2", "a"]
    assert len({headers["webhook-id"] for headers, _ in app.got}) == 3
    assert store.dead_letters() == []


def test_one_that_is_given_up_is_listed_and_can_be_sent_again(
    store: EventStore, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MOST_TRIES", 2)
    store.append("a", FRAMES, close=True)
    app.statuses = [500, 500]
    webhooks = store.webhooks(
        app.url, SECRET, on=BOTH, from_="start", allow_private=True, once=True
    )
    webhooks._most_tries = 2
    webhooks.run(1)
    end_pauses(store)
    webhooks.run(1)
    assert (webhooks.failed, webhooks.given_up, webhooks.sent) == (2, 1, 2)
    (letter,) = store.dead_letters()
    assert (letter.session_id, letter.kind, letter.response_id) == ("a", "response", "resp_1")
    assert (letter.tries, letter.error) == (2, "status 500")
    assert store.dead_letters("other") == []
    app.statuses = [503]
    assert [error for _, error in webhooks.send_again()] == ["status 503"]
    assert store.dead_letters()[0].tries == 3
    assert [error for _, error in webhooks.send_again()] == [None]
    assert store.dead_letters() == [] and app.told()[-1] == ("response.done", "resp_1")


def test_what_was_erased_is_not_sent(store: EventStore, app: App) -> None:
    store.append("a", FRAMES, close=True)
    app.statuses = [500]
    webhooks = store.webhooks(
        app.url, SECRET, on=BOTH, from_="start", allow_private=True, once=True
    )
    webhooks._most_tries = 1
    webhooks.run(1)
    assert len(store.dead_letters()) == 1
    store.erase("a", vacuum=False).raise_for_errors()
    assert store.dead_letters() == [] and list(webhooks.send_again()) == []


def test_they_go_on_until_they_are_stopped(store: EventStore, app: App) -> None:
    webhooks = store.webhooks(app.url, SECRET, allow_private=True)
    thread = threading.Thread(target=webhooks.run)
    thread.start()
    store.append("a", FRAMES, close=True)
    until = time.monotonic() + 30
    while not app.got and time.monotonic() < until:
        time.sleep(0.01)
    webhooks.stop()
    thread.join(30)
    assert app.told() == [("session.ended", "a")] and not thread.is_alive()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost:8000/",
        "https://0.0.0.0/",
        "https://192.168.0.1/",
        "https://2130706433/",
    ],
)
def test_private_addresses_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TIMEOUT", 0.5)
    with pytest.raises(PostError, match=r"private address|unknown host"):
        post(parse_destination(url, allow_private=False), {}, b"{}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "http://example.com/"},
        {"to": "ftp://example.com/"},
        {"to": "https://user:password@example.com/"},
        {"to": "https://exa mple.com/"},
        {"to": "https://example.com:x/"},
        {"to": ""},
        {"secret": "short"},
        {"secret": "whsec_!"},
        {"on": "session.started"},
        {"on": []},
        {"name": "a b"},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(store: EventStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as raised:
        store.webhooks(**{"to": "https://example.com/", "secret": SECRET, **wrong})
    assert "password" not in str(raised.value)


def test_an_app_that_is_away_is_told(app: App) -> None:
    away = parse_destination("http://127.0.0.1:1/", allow_private=True)
    with pytest.raises(PostError, match="no connection"):
        post(away, {}, b"{}")
    tls = parse_destination(app.url.replace("http:", "https:"), allow_private=True)
    with pytest.raises(PostError, match=r"no TLS|no connection"):
        post(tls, {}, b"{}")
