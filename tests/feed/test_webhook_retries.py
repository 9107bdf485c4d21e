"""Integration: webhooks that are not taken: pauses, slow sessions, marks to send once more."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.calls import voice_call
from support.terminal import service
from support.webhook_app import SECRET, App

from eventstore import DamagedError, EventStore, NotFoundError
from eventstore.feed.webhooks import webhooks as sending
from eventstore.feed.webhooks.dead_letters import due_letters, key_of, take_letter
from eventstore.realtime.frames import Frame
from eventstore.store.consumers import checkpoints
from eventstore.store.database.transaction import read, write
from eventstore.store.queries.query_sessions import read_session

FRAMES = voice_call().frames


def made(store: EventStore, app: App, **options: Any) -> sending.Webhooks:
    given = {"from_": "start", "allow_private": True, "once": True, **options}
    return store.webhooks(app.url, SECRET, **given)


def wait(what: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def give_up(store: EventStore, app: App, *names: str) -> sending.Webhooks:
    """Have the webhooks of sessions given up."""
    for name in names:
        store.append(name, FRAMES, close=True)
    app.statuses = [500] * len(names)
    webhooks = made(store, app)
    webhooks._most_tries = 1
    webhooks.run(1)
    return webhooks


def test_pauses_grow_and_one_is_given_up_in_the_end(
    store: EventStore, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "FIRST_PAUSE", 3_600_000_000)
    monkeypatch.setattr(checkpoints, "MOST_PAUSE", 14_400_000_000)
    store.append("a", FRAMES, close=True)
    app.statuses = [500] * 5
    pauses = []
    for _ in range(4):
        webhooks = made(store, app)
        webhooks._most_tries = 5
        webhooks.run(1)
        with write(store.engine) as tx:
            pauses += tx.rows("SELECT tries, (retry_at - failed_at) / 3600000000 FROM checkpoints")
            tx.run("UPDATE checkpoints SET retry_at = 0")
    assert pauses == [(1, 1), (2, 2), (3, 4), (4, 4)]
    webhooks.run(1)
    assert webhooks.given_up == 1 and store.dead_letters()[0].tries == 5
    with read(store.engine) as tx:
        assert tx.rows("SELECT tries, failed_at FROM checkpoints") == [(0, None)]


def test_a_session_to_which_the_app_answers_slowly_delays_no_other(
    store: EventStore, app: App
) -> None:
    for number in range(12):
        store.append(f"s{number:02}", FRAMES, close=True)
    slow = threading.Event()
    app.before = lambda body: slow.wait(30) if json.loads(body)["data"]["id"] == "s05" else None
    thread = threading.Thread(target=made(store, app).run, args=(2,))
    thread.start()
    try:
        wait(lambda: len({id_ for _, id_ in app.told()}) >= 12)
        assert not slow.is_set()
    finally:
        slow.set()
        thread.join(30)
    assert sorted(id_ for _, id_ in app.told()) == [f"s{number:02}" for number in range(12)]


def test_one_that_is_marked_is_sent_by_whoever_sends(store: EventStore, app: App) -> None:
    give_up(store, app, "a", "b", "c")
    letters = store.dead_letters()
    assert [letter.error for letter in letters] == ["status 500"] * 3
    assert letters[0].to == app.url.partition("?")[0] and letters[0].again_at is None
    sender = made(store, app, once=False)
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        time.sleep(0.1)
        assert store.send_again(letters[1].id) == 1
        wait(lambda: len(store.dead_letters()) == 2)
        assert [letter.session_id for letter in store.dead_letters()] == ["a", "c"]
        app.statuses = [502]
        assert store.send_again(name="webhooks") == 2 and store.send_again(name="other") == 0
        wait(lambda: len(store.dead_letters()) == 1 and not store.dead_letters()[0].again_at)
    finally:
        sender.stop()
        thread.join(30)
    (left,) = store.dead_letters()
    assert (left.tries, left.error, left.again_at) == (2, "status 502", None)
    ids = {headers["webhook-id"] for headers, _ in app.got}
    assert len(ids) == 3 and left.as_json()["webhook_id"] in ids


def test_two_senders_share_what_is_marked_and_keep_its_order(store: EventStore, app: App) -> None:
    give_up(store, app, *(f"s{number}" for number in range(8)))
    app.got.clear()
    assert store.send_again() == 8 and store.send_again() == 0
    threads = [threading.Thread(target=made(store, app).run, args=(1,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(id_ for _, id_ in app.told()) == [f"s{number}" for number in range(8)]
    assert store.dead_letters() == []


def test_a_sender_that_died_leaves_it_to_others(store: EventStore, app: App) -> None:
    give_up(store, app, "a")
    store.send_again()
    (letter,) = due_letters(store.engine, "webhooks", 10)
    assert take_letter(store.engine, letter) and not take_letter(store.engine, letter)
    assert due_letters(store.engine, "webhooks", 10) == []
    with write(store.engine) as tx:
        tx.run("UPDATE dead_letters SET again_at = again_at - 60000000")
    assert made(store, app).run(1) is None and store.dead_letters() == []


def test_one_letter_of_a_session_is_sent_at_a_time(store: EventStore, app: App) -> None:
    store.append("a", FRAMES, close=True)
    app.statuses = [500, 500, 500]
    webhooks = made(store, app, on="session.ended, response.done")
    webhooks._most_tries = 1
    webhooks.run(1)
    store.send_again()
    first, second, third = due_letters(store.engine, "webhooks", 10)
    assert take_letter(store.engine, first) and not take_letter(store.engine, second)
    assert third.kind == "session"


def test_pages_of_dead_letters(store: EventStore, app: App) -> None:
    give_up(store, app, "a", "b", "c")
    with write(store.engine) as tx:
        tx.run("UPDATE dead_letters SET failed_at = 5 WHERE session_id <> 'c'")
    store.set_metadata("b", {"customer": "42"})
    page = store.dead_letter_page(limit=1)
    assert page.has_more and page[0].session_id == "c"
    assert [one.session_id for one in page.iter_all()] == ["c", "b", "a"]
    oldest = store.dead_letter_page(limit=2, order="asc")
    assert [one.session_id for one in oldest.iter_all()] == ["a", "b", "c"]
    seen = store.scoped("customer", "42").dead_letter_page()
    assert [one.session_id for one in seen] == ["b"] and not seen.has_more
    with pytest.raises(NotFoundError):
        store.scoped("customer", "42").dead_letter_page(after=page[0].id)
    assert key_of(page[0].id) == page[0].key
    for wrong in ("", "dead_", "dead_W10", "dead_é", page[0].id[:-3], "dead_" + "W1" * 300):
        with pytest.raises(NotFoundError):
            store.dead_letter_page(after=wrong)


def test_half_a_character_is_sent_as_it_is(store: EventStore, app: App) -> None:
    def halved(frame: Frame) -> Frame:
        told = json.loads(frame.text)
        if told["type"] == "response.done":
            told["response"]["metadata"] = {"half": "a\ud83d"}
        return frame._replace(text=json.dumps(told))

    store.append("a", list(map(halved, FRAMES)), close=True)
    done = made(store, app, on=("response.done",))
    done.run(1)
    assert (done.failed, done.sent) == (0, 2)
    assert json.loads(app.got[0][1])["data"]["metadata"] == {"half": "a\ud83d"}


def test_one_whose_sender_is_killed_comes_again_with_the_same_id(
    store: EventStore, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_WEBHOOKS_SECRET", SECRET)
    store.append("a", FRAMES, close=True)
    url = store.engine.url.render_as_string(hide_password=False)
    killed = threading.Event()
    app.before = lambda body: killed.wait(30)
    sent = ("webhooks", "--db", url, "--to", app.url, "--from", "start", "--allow-private")
    with service(*sent) as process:
        wait(lambda: app.got)
        process.kill()
    killed.set()
    assert made(store, app).run(1) is None and len(app.got) == 1  # its lease has not ended
    with write(store.engine) as tx:
        tx.run("UPDATE checkpoints SET until = 0, retry_at = 0")
    made(store, app).run(1)
    first, second = (headers["webhook-id"] for headers, _ in app.got)
    assert first == second and store.dead_letters() == []


@pytest.mark.parametrize("error", [DamagedError("a", 1, 2, "x"), ValueError("secret")])
def test_one_whose_session_cannot_be_read_now_stays_in_the_list(
    store: EventStore, app: App, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    give_up(store, app, "a", "b")

    def fail(engine: object, session_id: str) -> object:
        if session_id == "a":
            raise error
        return read_session(store.engine, session_id)

    monkeypatch.setattr(sending, "read_session", fail)
    store.send_again()
    made(store, app).run(1)
    (left,) = store.dead_letters()
    assert (left.session_id, left.error, left.again_at) == ("a", type(error).__name__, None)
