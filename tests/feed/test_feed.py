"""Integration: subscriptions deliver each event, response and session, in order, at least once."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS, voice_call
from support.events import SESSION
from support.examples import examples
from support.gate import gate_to_database
from support.gpt_live import responses_call
from support.own_projections import NOTE, unsettled
from support.postgres import PostgresServer
from support.strategies import streams

from eventstore import EventStore, Frame, InvalidInputError
from eventstore.feed import read_deliveries, turns
from eventstore.feed.delivery import Delivery
from eventstore.store.consumers import checkpoints, news
from eventstore.store.database.transaction import read, write

FRAMES = voice_call().frames


def seqs(store: EventStore, name: str = "a", **options: Any) -> dict[str, list[int]]:
    """What a subscription delivers now: the seqs by session."""
    found: dict[str, list[int]] = defaultdict(list)
    with store.subscribe(name, once=True, **options) as feed:
        for one in feed:
            found[one.session_id].append(one.seq)
    return dict(found)


def test_each_event_is_delivered_once_and_in_order(store: EventStore) -> None:
    store.append("before", FRAMES)
    assert seqs(store, "now") == {}
    assert seqs(store, from_="start") == {"before": list(range(1, len(FRAMES) + 1))}
    store.append("before", [NOTE])
    store.append("after", FRAMES[:7])
    for name in ("a", "now"):
        assert seqs(store, name) == {"before": [len(FRAMES) + 1], "after": list(range(1, 8))}
        assert seqs(store, name) == {}
    assert unsettled(store) == []


def test_events_are_as_they_were_received(store: EventStore) -> None:
    store.append(SESSION, SAMPLE_STREAMS[0])
    with store.subscribe("a", from_="start", once=True) as feed:
        assert [one.event for one in feed] == list(store.events(SESSION))
    types = ["response.done", "session.created"]
    with store.subscribe("b", from_="start", types=types, once=True) as feed:
        found = [one.event for one in feed]
    assert found == [event for event in store.events(SESSION) if event.type in types]
    assert {one["name"]: one["behind"] for one in store.subscriptions()} == {"a": 0, "b": 0}


@pytest.mark.parametrize("live", [False, True])
def test_finished_responses_are_resources(store: EventStore, live: bool) -> None:
    frames = responses_call().frames if live else FRAMES
    with store.subscribe("a", "responses", once=True) as feed:
        assert list(feed) == []
    for frame in frames:
        store.append(SESSION, [frame])
    with store.subscribe("a", "responses", once=True) as feed:
        found = [one.resource for one in feed]
    wanted = store.responses(session=SESSION, order="asc", kind="delegated" if live else None).data
    assert found == [one for one in wanted if one["status"] != "in_progress"]
    assert found


def test_a_session_is_delivered_once_when_it_has_ended(store: EventStore) -> None:
    store.append("open", FRAMES)
    store.append("ended", FRAMES, close=True)

    def ended() -> list[Any]:
        with store.subscribe("a", "sessions", "start", once=True) as feed:
            return [(one.session_id, one.resource) for one in feed]

    assert ended() == [("ended", store.session("ended"))]
    store.set_metadata("ended", {"rated": "5"})
    assert ended() == []
    store.append("open", [NOTE], close=True)
    assert [id_ for id_, _ in ended()] == ["open"]


def test_read_models_that_are_behind_are_waited_for(database_url: str) -> None:
    with EventStore(database_url, projection="deferred") as store:
        store.append(SESSION, FRAMES, close=True)
        for of in ("responses", "sessions"):
            assert seqs(store, of, of=of, from_="start") == {}
        assert len(seqs(store, "events", from_="start")[SESSION]) == len(FRAMES)
        store.project().raise_for_errors()
        assert len(seqs(store, "responses", of="responses")[SESSION]) == 2
        assert seqs(store, "sessions", of="sessions") == {SESSION: [len(FRAMES)]}


def test_metadata_choose_sessions(store: EventStore) -> None:
    for name in ("a", "b"):
        store.set_metadata(name, {"tenant": name})
        store.append(name, FRAMES)
    found = seqs(store, from_="start", metadata={"tenant": "a"})
    assert found.keys() == {"a"} and len(found["a"]) == len(FRAMES) + 1
    assert seqs(store, "p", from_="start", metadata="tenant^=b").keys() == {"b"}


def test_a_handler_that_fails_gets_the_same_again(store: EventStore) -> None:
    for name in ("a", "b"):
        store.append(name, FRAMES[:5])
    handled: list[tuple[str, int]] = []
    fails = True

    def handle(delivery: Delivery) -> None:
        if delivery.session_id == "a" and delivery.seq == 3 and fails:
            raise RuntimeError("what was said")
        handled.append((delivery.session_id, delivery.seq))

    with store.subscribe("a", from_="start", once=True) as feed:
        feed.run(handle)
    assert handled == [("a", 1), ("a", 2), *(("b", seq) for seq in range(1, 6))]
    (status,) = store.subscriptions()
    assert (status["failed"], status["behind"]) == (1, 1)
    assert status["failures"][0]["seq"] == 2 and status["failures"][0]["error"] == "RuntimeError"
    fails = False
    with write(store.engine) as tx:  # its pause is over
        tx.run("UPDATE checkpoints SET retry_at = 0 WHERE session_id = 'a'")
    with store.subscribe("a", once=True) as feed:
        feed.run(handle)
    assert handled[7:] == [("a", 3), ("a", 4), ("a", 5)]
    assert store.subscriptions()[0]["failed"] == 0


def test_what_a_handler_writes_in_the_transaction_is_written_once(store: EventStore) -> None:
    with write(store.engine) as tx:
        tx.run("CREATE TABLE handled (session_id VARCHAR(128), seq BIGINT)")
    store.append(SESSION, FRAMES[:9])
    tries = itertools.count()

    def handle(delivery: Delivery, execute: Any) -> None:
        execute("INSERT INTO handled VALUES (?, ?)", (delivery.session_id, delivery.seq))
        if delivery.seq == 5 and next(tries) == 0:
            raise ValueError
        assert execute("SELECT COUNT(*) FROM handled") == [(delivery.seq,)]

    for _ in range(2):
        with store.subscribe("a", from_="start", once=True) as feed:
            feed.run_in_transaction(handle)
        with write(store.engine) as tx:
            tx.run("UPDATE checkpoints SET retry_at = 0")
    with write(store.engine) as tx:
        assert tx.rows("SELECT seq FROM handled ORDER BY seq") == [(n,) for n in range(1, 10)]
        tx.run("DROP TABLE handled")


def test_a_handler_that_would_wait_for_its_own_transaction_is_told(database_url: str) -> None:
    with EventStore(database_url) as store:
        for name in ("a", "b"):
            store.append(name, FRAMES[:3])

        def handle(delivery: Delivery, execute: Any) -> None:
            if delivery.session_id == "a":
                store.score("b", "helpful", 1)

        with store.subscribe("mine", from_="start", once=True) as feed:
            feed.run_in_transaction(handle)
        (found,) = store.subscriptions()
        # PostgreSQL can write both at once.
        failed = [(one["session_id"], one["error"]) for one in found["failures"]]
        is_sqlite = database_url.startswith("sqlite")
        assert failed == ([("a", "InvalidInputError")] if is_sqlite else [])


def test_a_loop_that_is_left_gets_its_last_delivery_again(store: EventStore) -> None:
    store.append(SESSION, FRAMES)
    with store.subscribe("a", from_="start") as feed:
        for one in feed:
            if one.seq == 5:
                break
    assert seqs(store)[SESSION][0] == 5


def test_a_feed_waits_for_more_until_it_is_stopped(store: EventStore) -> None:
    found: list[int] = []
    feed = store.subscribe("a")

    def follow() -> None:
        with feed:
            for one in feed:
                found.append(one.seq)

    thread = threading.Thread(target=follow)
    thread.start()
    for number in range(3):
        store.append(SESSION, [NOTE])
        until = time.monotonic() + 30
        while len(found) <= number and time.monotonic() < until:
            time.sleep(0.005)
    feed.stop()
    thread.join(30)
    assert found == [1, 2, 3] and not thread.is_alive()


def test_several_feeds_share_the_sessions(database_url: str, store: EventStore) -> None:
    for number in range(30):
        store.append(f"s{number}", FRAMES[:20])

    def follow(_: int) -> list[tuple[str, int]]:
        with EventStore(database_url) as own, own.subscribe("a", from_="start", once=True) as feed:
            return [(one.session_id, one.seq) for one in feed]

    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(follow, range(3)))
    parts.append([(id_, seq) for id_, found in seqs(store).items() for seq in found])
    every = [one for part in parts for one in part]
    assert sorted(every) == sorted(
        (f"s{number}", seq) for number in range(30) for seq in range(1, 21)
    )
    for part in parts:  # each in its order
        for id_ in {name for name, _ in part}:
            own = [seq for name, seq in part if name == id_]
            assert own == sorted(own)


def test_a_session_of_a_dead_feed_is_taken_over(store: EventStore) -> None:
    store.append(SESSION, FRAMES)
    dead = store.subscribe("a", from_="start", lease=0.05)
    assert next(iter(dead)).seq == 1
    time.sleep(0.1)  # its lease is over
    with write(store.engine) as tx:
        tx.run("UPDATE checkpoints SET retry_at = 0")
    assert seqs(store)[SESSION] == list(range(1, len(FRAMES) + 1))


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_session_that_another_worker_took_meanwhile_is_left_to_it(
    store: EventStore, in_transaction: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b"):
        store.append(name, FRAMES[:3])
    found: list[tuple[str, int]] = []
    take = "UPDATE checkpoints SET worker = ?, until = ? WHERE session_id = ?"
    taken = ("another", news.now() + 600_000_000, "b")

    def handle(delivery: Delivery, execute: Any = None) -> None:
        if not found:
            time.sleep(0.6)  # it is time to write checkpoints
            if execute is not None:
                execute(take, taken)
            else:
                with write(store.engine) as tx:
                    tx.run(take, taken)
        found.append((delivery.session_id, delivery.seq))

    with store.subscribe("a", from_="start", lease=1, once=True) as feed:
        feed.run_in_transaction(handle) if in_transaction else feed.run(handle)
    assert found == [("a", 1), ("a", 2), ("a", 3)]
    assert caplog.text == "" and store.subscriptions()[0]["failed"] == 0


def test_a_session_is_not_taken_from_a_worker_with_a_longer_lease(store: EventStore) -> None:
    store.append(SESSION, FRAMES)
    with store.subscribe("a", from_="start", lease=600) as long:
        assert next(iter(long)).seq == 1
        assert seqs(store, lease=1) == {}
        with read(store.engine) as tx:
            known = checkpoints.read_checkpoint(tx, SESSION, "a")
        assert known is not None
        earlier = checkpoints.Checkpoint(known.seq, known.version)
        for at in (news.now() - 10_000_000, news.now()):  # who asks waited for a lock meanwhile
            with write(store.engine) as tx:
                assert not checkpoints.claim(tx, SESSION, "a", earlier, "b", at, 1_000_000)


def test_an_erased_session_is_delivered_no_more(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_FRESH", 0.0)
    store.append("a", FRAMES)
    store.append("b", FRAMES)
    with store.subscribe("a", from_="start", once=True) as feed:
        found = []
        for one in feed:
            found.append(one.session_id)
            if len(found) == 1:
                store.erase(["a", "b"], vacuum=False).raise_for_errors()
    assert len(set(found)) == 1
    assert seqs(store) == {}


def test_a_subscription_that_nobody_followed_for_long_misses_nothing(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("old", FRAMES[:3])
    for name, from_ in (("away", "now"), ("all", "start"), ("here", "now")):
        seqs(store, name, from_=from_)
    later = news.now() + news.LEFT_OUT + 1
    monkeypatch.setattr(news, "now", lambda: later)
    with write(store.engine) as tx:
        tx.run("UPDATE consumers SET seen_at = ? WHERE name = 'here'", (later,))
    store.append("old", [NOTE])
    store.append("new", FRAMES[:2])
    assert seqs(store, "here") == {"old": [4], "new": [1, 2]}
    assert unsettled(store) == []
    with write(store.engine) as tx:
        tx.run("UPDATE consumers SET seen_at = 0 WHERE name <> 'here'")
    assert seqs(store, "away") == {"old": [4], "new": [1, 2]}
    assert seqs(store, "all") == {"old": [4], "new": [1, 2]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "x" * 101},
        {"of": "items"},
        {"from_": "end"},
        {"of": "sessions", "types": ["a"]},
        {"types": "a"},
        {"types": ["half a character: \ud800"]},
        {"types": ["a\0"]},
        {"types": ["a"] * 101},
        {"lease": 0},
        {"lease": 1e6},
        {"metadata": 5},
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(store: EventStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        store.subscribe(**{"name": "a", **wrong})


def test_a_subscription_stays_of_what_it_is(store: EventStore) -> None:
    store.subscribe("a").close()
    with pytest.raises(InvalidInputError, match="is of events"):
        store.subscribe("a", "sessions")
    store.drop_subscription("a")
    store.subscribe("a", "sessions").close()
    with pytest.raises(InvalidInputError, match="no subscription"):
        store.drop_subscription("b")


@pytest.mark.parametrize(
    "told",
    ["", "{", "[]", '{"of": 5}', '{"of": "events", "types": [5]}', "[" * 9999,
     '{"of": "events", "metadata": [[1, 2]]}', '{"of": "events", "metadata": [["a", "~", "b"]]}'],
)  # fmt: skip
def test_a_list_that_was_changed_stops_nothing(store: EventStore, told: str) -> None:
    seqs(store)
    with write(store.engine) as tx:
        tx.run("UPDATE consumers SET definition = ?", (told,))
    with pytest.raises(InvalidInputError):
        store.subscribe("a")
    assert store.append(SESSION, [NOTE]).last_seq == 1
    assert seqs(store, "b", from_="start") == {SESSION: [1]}
    assert len(store.subscriptions()) == 2 and store.status()["projections"] == []
    store.drop_subscription("a")
    assert store.erase(SESSION, vacuum=False).done


def test_any_appends_are_delivered_in_order(store: EventStore) -> None:
    names = itertools.count()

    @examples(30)
    @given(
        st.lists(st.tuples(st.integers(0, 2), streams(6), st.booleans()), max_size=6),
        st.sampled_from([None, ["response.done"]]),
    )
    def check(steps: list[tuple[int, list[Frame], bool]], types: list[str] | None) -> None:
        run = next(names)
        name = f"sub{run}"
        found: dict[str, list[int]] = defaultdict(list)
        seqs(store, name, types=types)
        for session, frames, look in steps:
            store.append(f"r{run}_{session}", frames)
            if look:
                for id_, new in seqs(store, name, types=types).items():
                    found[id_] += new
        for id_, new in seqs(store, name, types=types).items():
            found[id_] += new
        for session in {one for one, _, _ in steps}:
            id_ = f"r{run}_{session}"
            events = store.events(id_)
            wanted = [one.seq for one in events if types is None or one.type in types]
            assert found.get(id_, []) == wanted
        store.drop_subscription(name)

    check()


def test_a_long_session_that_was_let_go_half_way_is_gone_on_with(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_PAGE", 1)
    monkeypatch.setattr(read_deliveries, "MOST_EVENTS", 10)
    store.append("a", FRAMES[:35])
    store.append("b", FRAMES[:5])
    seqs(store, "other", from_="start")
    assert unsettled(store) == []
    found = []
    with store.subscribe("a", from_="start") as feed:
        for one in feed:
            if one.session_id == "b":
                break
            found.append(one.seq)
    assert found == list(range(1, 11))
    assert seqs(store) == {"b": [1, 2, 3, 4, 5], "a": list(range(11, 36))}


def test_a_database_that_goes_is_waited_for(
    request: pytest.FixtureRequest, postgres: PostgresServer
) -> None:
    name = postgres.create_database(request.getfixturevalue("postgres_template"))
    url = postgres.url(name)
    with (
        gate_to_database(url) as (gate, through),
        EventStore(url) as store,
        EventStore(through) as other,
    ):
        store.append(SESSION, FRAMES[:20])
        found = []
        with other.subscribe("a", from_="start", lease=0.5) as feed:
            for one in feed:
                found.append(one.seq)
                if one.seq in (5, 25):
                    gate.shut()
                    store.append(SESSION, FRAMES[:20])
                    threading.Timer(0.3, gate.open).start()
                if one.seq == 60:
                    break
        assert sorted(set(found)) == list(range(1, 61))
    postgres.drop_database(name)


def test_changes_tell_each_session_once_for_all_that_came(store: EventStore) -> None:
    store.append("a", FRAMES)
    assert seqs(store, of="changes", from_="start") == {"a": [len(FRAMES)]}
    store.append("a", [NOTE])
    store.append("a", [NOTE])
    store.append("b", FRAMES[:2])
    assert seqs(store) == {"a": [len(FRAMES) + 2], "b": [2]}
