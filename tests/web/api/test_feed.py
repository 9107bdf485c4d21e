"""The feed over HTTP: at least once, in order, acknowledged by `Last-Event-ID`, within a scope."""

from __future__ import annotations

import itertools
import threading
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api_keys import ALL, ANNA, FILE, READER, WRITER, client
from support.api_serving import Serve
from support.examples import examples
from support.feed_reader import Reader
from support.own_projections import unsettled
from support.scoped_calls import call

from eventstore import EventStore
from eventstore.feed import acknowledgement
from eventstore.feed.acknowledgement import cursor, read_cursor
from eventstore.web.api import feed as feed_route
from eventstore.web.server.access import parse_keys


def test_what_is_acknowledged_does_not_come_again(store: EventStore, serve: Serve) -> None:
    frames = call("anna", 1).frames
    store.append("a", frames)
    with client(serve(), None) as asking:
        reader = Reader(asking, "mine", **{"from": "start"})
        every = [("a", seq) for seq in range(1, len(frames) + 1)]
        assert reader.until_checkpoint(1) == every
        unsure, reader.last_id = reader.last_id, ""
        assert reader.until_checkpoint(1) == every
        reader.last_id = unsure
        store.append("b", frames[:2])
        assert reader.until_checkpoint(2) == [("b", 1), ("b", 2)]
        store.append("a", frames[:1])
        assert reader.until_checkpoint(1) == [("a", len(frames) + 1)]
        with reader.connected() as told:
            store.append("b", frames[2:3])
            assert next(told)[1]["seq"] == 3
        (listed,) = asking.get("/feed").json()["data"]
        assert (listed["name"], listed["of"], listed["begins"]) == ("mine", "events", "start")
        assert asking.delete("/feed/mine").json()["name"] == "mine"
        assert asking.get("/feed").json()["data"] == []
        assert asking.delete("/feed/mine").status_code == 400


def test_it_goes_on_at_another_server(store: EventStore, serve: Serve) -> None:
    for number in range(3):
        store.append(f"a_{number}", call("anna", number).frames, close=True)
    last_id = ""
    for number in range(3, 6):
        with client(serve(), None) as asking:
            reader = Reader(asking, "mine", of="sessions", **{"from": "start"})
            reader.last_id = last_id
            ids = [id_ for id_, _ in reader.until_checkpoint(1 if last_id else 3)]
            expected = [f"a_{number - 1}"] if last_id else ["a_0", "a_1", "a_2"]
            assert sorted(ids) == expected
            last_id = reader.last_id
        store.append(f"a_{number}", call("anna", number).frames, close=True)


def test_two_tenants_and_a_third_see_their_own_alone(store: EventStore, serve: Serve) -> None:
    for number in range(3):
        for tenant in ("anna", "berta"):
            store.append(f"{tenant}_{number}", call(tenant, number).frames, close=True)
    third = FILE + '[[key]]\nname = "carl"\nkey = "kkkkkkkkkkkkkkkkkkkkcarl"\n'
    url = serve(parse_keys(third + 'rights = ["read"]\nmetadata = { tenant = "carl" }\n'))
    options = {"of": "endings", "from": "start"}
    with (
        client(url, ANNA) as anna,
        client(url, READER) as everybody,
        client(url, "kkkkkkkkkkkkkkkkkkkkcarl") as carl,
    ):
        mine, all_ = Reader(anna, "one", **options), Reader(everybody, "one", **options)
        theirs = Reader(carl, "one", **options)
        with theirs.connected() as told:
            assert {id_ for id_, _ in mine.until_checkpoint(6)} == {f"anna_{n}" for n in range(3)}
            assert len(all_.until_checkpoint(12)) == 12
            store.append("carl_0", call("carl", 0).frames, close=True)
            kinds = [next(told) for _ in range(2)]
            assert [(name, data["session_id"]) for name, data in kinds] == [
                ("response", "carl_0"),
                ("session", "carl_0"),
            ]
        # A cursor of another tenant's subscription moves nothing.
        theirs.last_id = all_.last_id
        assert [id_ for id_, _ in theirs.until_checkpoint(2)] == ["carl_0", "carl_0"]
        # Nor does a filter for another tenant's sessions show them.
        spying = Reader(carl, "two", **options, **{"metadata[tenant]": "anna"})
        carl.timeout = httpx.Timeout(1)
        with pytest.raises(httpx.ReadTimeout):
            spying.until_checkpoint(1)
        assert [one["name"] for one in anna.get("/feed").json()["data"]] == ["one"]
        assert anna.delete("/feed/two").status_code == 400


def test_who_says_no_filter_gets_what_the_subscription_was_of(
    store: EventStore, serve: Serve
) -> None:
    for tenant in ("anna", "berta"):
        store.append(tenant, call(tenant, 1).frames, close=True)
    url, start = serve(parse_keys(FILE)), {"from": "start"}
    for key, asked in ((ALL, {"tenant": "anna"}), (ANNA, {"topic": "none"})):
        with client(url, key) as asking:
            metadata = {f"metadata[{name}]": value for name, value in asked.items()}
            with Reader(asking, "some", of="sessions", **start, **metadata).connected():
                pass
            reader = Reader(asking, "some")
            if key == ALL:
                assert [id_ for id_, _ in reader.until_checkpoint(1)] == ["anna"]
            asking.timeout = httpx.Timeout(1)  # There is nothing more to come.
            with pytest.raises(httpx.ReadTimeout):
                reader.until_checkpoint(1)
    wanted = {tuple(one["metadata"]) for one in store.subscriptions()}
    assert wanted == {("tenant=anna",), ("tenant=anna", "topic=none")}


def test_what_is_refused(store: EventStore, serve: Serve) -> None:
    url = serve(parse_keys(FILE))
    for key, path, status in (
        (None, "x", 401),
        (WRITER, "x", 403),
        (READER, "x", 403),
        (READER, "x?of=events", 403),
        (ALL, "x?of=nothing", 400),
        (ALL, "x?from=then", 400),
        (ALL, "x?of=responses&type=error", 400),
        (ALL, "x?metdata[a]=1", 400),
        (ALL, "-x", 400),
        (ALL, "x" * 65, 400),
    ):
        with client(url, key) as asking:
            answer = asking.get(f"/feed/{path}")
            assert answer.status_code == status, (path, answer.text)
    assert store.subscriptions() == []


def test_a_tenant_has_so_many_subscriptions(store: EventStore, serve: Serve) -> None:
    with client(serve(), None) as asking:
        for number in range(feed_route.MOST_SUBSCRIPTIONS):
            with Reader(asking, f"feed-{number}").connected():
                pass
        told = asking.get("/feed/one-more")
        assert told.status_code == 400 and "drop one" in told.json()["error"]["message"]
        with Reader(asking, "feed-0").connected():
            pass


def test_sessions_that_it_delivers_nothing_of_are_settled(store: EventStore, serve: Serve) -> None:
    with client(serve(), None) as asking:
        reader = Reader(asking, "mine", of="sessions", **{"metadata[tenant]": "berta"})
        with reader.connected() as told:
            store.append("a", call("anna", 1).frames, close=True)
            store.append("b", call("berta", 1).frames, close=True)
            assert next(told)[1]["session_id"] == "b"
        while unsettled(store) != ["b"]:
            time.sleep(0.02)
        reader.until_checkpoint(1)
        with reader.connected():
            while unsettled(store):
                time.sleep(0.02)


def test_nothing_is_missed_by_clients_that_are_cut_off(store: EventStore, serve: Serve) -> None:
    frames = call("anna", 1).frames
    count, last = 12, len(frames)
    written = threading.Event()

    def write() -> None:
        for seq in range(last):
            for number in range(count):
                store.append(f"a_{number}", frames[seq : seq + 1])
        written.set()

    writer = threading.Thread(target=write)
    found: dict[str, list[int]] = {f"a_{number}": [] for number in range(count)}

    def is_all() -> bool:
        return all(seqs and seqs[-1] == last for seqs in found.values())

    with client(serve(), None) as asking:
        reader = Reader(asking, "mine", **{"from": "start"})
        writer.start()
        cut = 0
        while not is_all():
            cut += 1
            with reader.connected() as told:
                for number, (name, data) in enumerate(told):
                    if name != "checkpoint":
                        found[data["session_id"]].append(data["seq"])
                    elif number >= cut % 7 or is_all():
                        break
        writer.join()
    for seqs in found.values():
        assert sorted(set(seqs)) == list(range(1, last + 1))
        # What comes again comes from an acknowledged place on, in its order.
        assert all(after <= before + 1 for before, after in itertools.pairwise(seqs))


@examples(100)
@given(st.dictionaries(st.text(min_size=1), st.tuples(st.integers(1, 2**50), st.booleans())))
def test_a_cursor_is_read_as_it_was_made(places: dict[str, tuple[int, bool]]) -> None:
    places = {id_: place for id_, place in places.items() if "\0" not in id_}
    made = cursor("http.all.x", places)
    assert made.isascii() and " " not in made
    assert read_cursor(made, "http.all.x") == places
    assert read_cursor(made, "http.all.y") == {}


@examples(200)
@given(st.text() | st.binary().map(lambda raw: acknowledgement.base64.b64encode(raw).decode()))
def test_a_damaged_cursor_acknowledges_nothing(text: str) -> None:
    assert read_cursor(text, "x") == {}


def test_a_cursor_moves_nothing_back_or_beyond(store: EventStore) -> None:
    frames = call("anna", 1).frames
    store.append("a", frames)
    with store.subscribe("x", from_="start", once=True) as feed:
        assert len(list(feed)) == len(frames)
    for places in ({"a": (1, False)}, {"a": (2**52, False)}, {"nobody": (3, True)}):
        acknowledgement.acknowledge(store.engine, "x", places)
    store.append("a", frames[:1])
    with store.subscribe("x", once=True) as feed:
        assert [one.seq for one in feed] == [len(frames) + 1]
