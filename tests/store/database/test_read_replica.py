"""Queries on a streaming replica: what they may not miss, and when they go to the primary.

Integration: a primary and its replica, both real servers.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from support.calls import voice_call
from support.postgres import KEEPER_OF_DATA, streaming_replica
from support.replication import Servers

from eventstore import EventStore
from eventstore.errors import ClosedError, DatabaseUnavailableError, InvalidInputError
from eventstore.store.database.connections.pool import connections_of
from eventstore.store.database.engine_options import replica_of

FRAMES = list(voice_call().frames)


@pytest.fixture
def store(servers: Servers, replicated_name: str) -> Iterator[EventStore]:
    primary, replica = servers.primary.url(replicated_name), servers.replica.url(replicated_name)
    with EventStore(primary, read_url=replica, read_lag=1.0) as opened:
        yield opened


def ids(store: EventStore) -> list[str]:
    return sorted(session["id"] for session in store.sessions(limit=100))


def reads(store: EventStore) -> tuple[int, int]:
    """How many transactions ran on the replica, and how many on the primary in its place."""
    replica = replica_of(store.reader.engine)
    assert replica is not None
    return replica.reads, replica.reads_of_primary


def read_on_replica(store: EventStore) -> None:
    """Wait until the replica answers a query: on a busy machine, it may be late."""
    before, end = reads(store)[0], time.monotonic() + 30
    while reads(store)[0] == before:
        assert time.monotonic() < end
        ids(store)
        time.sleep(0.05)


def problem(store: EventStore) -> str | None:
    replica = store.status()["replica"]
    assert replica is not None
    return replica["problem"]


def test_queries_run_on_the_replica(store: EventStore) -> None:
    store.append("one", FRAMES, close=True)
    store.usage()  # It prices the session, which the replica has to get, too.
    read_on_replica(store)
    before = reads(store)
    assert ids(store) == ["one"]
    assert store.state("one")["session"]["id"] == "one"
    assert store.usage()["total"]["responses"] >= 1
    assert store.transcript("one")
    assert len(list(store.export("one"))) == len(FRAMES)
    after = reads(store)
    assert after[0] > before[0]


def test_what_a_process_has_written_it_reads(store: EventStore) -> None:
    for number in range(50):
        store.append(f"s{number:02}", FRAMES[:3])
        assert len(ids(store)) == number + 1
        store.set_metadata(f"s{number:02}", {"turn": str(number)})
        assert len(store.sessions(metadata={"turn": str(number)})) == 1


def test_what_a_process_has_written_it_reads_while_the_replica_stands_still(
    servers: Servers, store: EventStore
) -> None:
    store.append("old", FRAMES)
    servers.catch_up()
    servers.pause()
    store.append("new", FRAMES)
    assert ids(store) == ["new", "old"]
    started = time.monotonic()
    for _ in range(20):  # It is not waited for each time.
        assert ids(store) == ["new", "old"]
    assert time.monotonic() - started < 20 * 0.2
    servers.go_on()
    servers.catch_up()
    read_on_replica(store)
    assert ids(store) == ["new", "old"]


def test_another_store_of_the_process_counts_as_the_process(
    servers: Servers, replicated_name: str, store: EventStore
) -> None:
    with EventStore(servers.primary.url(replicated_name)) as other:
        servers.pause()
        other.append("by_another", FRAMES)
        assert ids(store) == ["by_another"]


def test_what_others_have_written_is_read_after_the_lag_at_the_latest(
    servers: Servers, replicated_name: str, store: EventStore
) -> None:
    assert ids(store) == []
    servers.pause()
    with psycopg.connect(servers.primary.url(replicated_name), autocommit=True) as other:
        other.execute(
            "INSERT INTO streams (session_id, head_seq, opened_at, projected_seq,"
            " projector_version, sealed_seq) VALUES ('unseen', 0, 1, 0, 7, 0)"
        )
    assert ids(store) == []  # Within the lag, the replica answers as it is.
    before = reads(store)
    time.sleep(1.1)
    assert ids(store) == []
    assert reads(store)[1] == before[1] + 1  # After it, the primary is read.


WRITE = """
import itertools, sys
from eventstore import EventStore
from eventstore.realtime.frames import Frame
with EventStore(sys.argv[1]) as store:
    for number in itertools.count(1):
        store.append("growing", [Frame("server", "{}", number)])
"""


def test_no_state_is_older_than_one_that_was_read_before(
    servers: Servers, replicated_name: str, store: EventStore
) -> None:
    """Another process appends all the time, and the replica is paused again and again."""
    stop = threading.Event()

    def pause() -> None:
        while not stop.wait(0.1):
            servers.pause()
            stop.wait(0.6)
            servers.go_on()

    pausing = threading.Thread(target=pause)
    writer = subprocess.Popen([sys.executable, "-c", WRITE, servers.primary.url(replicated_name)])
    seen, turns = 0, 0
    try:
        while "growing" not in ids(store):
            time.sleep(0.05)
        pausing.start()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            count = store.reader.last_seq("growing")
            assert count >= seen
            seen = count
            if turns % 10 == 0:
                # The primary. It may show a commit a moment later than the replica.
                seen = max(seen, store.last_seq("growing"))
            turns += 1
    finally:
        stop.set()
        writer.kill()
        writer.wait()
        pausing.join()
    assert min(reads(store)) > 0


def test_without_the_replica_the_primary_is_read(
    servers: Servers, store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.append("one", FRAMES)
    read_on_replica(store)
    servers.replica.stop()
    try:
        # A query that meets the end of the replica may fail. The next one is made elsewhere.
        for _ in range(2):
            try:
                assert ids(store) == ["one"]
            except DatabaseUnavailableError:
                continue
        assert ids(store) == ["one"]
        told = [r.message for r in caplog.records if "not from the replica" in r.message]
        assert len(told) == 1
        assert problem(store)
    finally:
        servers.replica.start(KEEPER_OF_DATA)


def test_a_store_opens_without_its_replica(servers: Servers, replicated_name: str) -> None:
    servers.replica.stop()
    try:
        url = servers.primary.url(replicated_name)
        with EventStore(url, read_url=servers.replica.url(replicated_name)) as store:
            store.append("one", FRAMES)
            assert ids(store) == ["one"]
    finally:
        servers.replica.start(KEEPER_OF_DATA)


def test_without_the_primary_the_replica_answers(servers: Servers, store: EventStore) -> None:
    store.append("one", FRAMES)
    read_on_replica(store)
    servers.primary.stop()
    try:
        assert ids(store) == ["one"]
        time.sleep(1.1)
        assert ids(store) == ["one"]
        with pytest.raises(DatabaseUnavailableError):
            store.append("two", FRAMES)
        assert ids(store) == ["one"]
    finally:
        servers.primary.start(KEEPER_OF_DATA)


def test_what_a_process_has_written_is_not_missed_when_the_primary_ends(
    servers: Servers, store: EventStore
) -> None:
    store.append("one", FRAMES)
    servers.primary.stop()
    try:
        # Nobody can tell any more up to where the replica must have come.
        with pytest.raises(DatabaseUnavailableError):
            ids(store)
    finally:
        servers.primary.start(KEEPER_OF_DATA)
    assert ids(store) == ["one"]


def test_another_database_is_refused(servers: Servers, replicated_name: str) -> None:
    servers.primary.run("CREATE DATABASE other")
    try:
        with EventStore(servers.primary.url("other"), check_schema=False) as other:
            other.init()
        with pytest.raises(InvalidInputError, match="leads to another database"):
            EventStore(servers.primary.url(replicated_name), read_url=servers.primary.url("other"))
        servers.catch_up()
        with pytest.raises(InvalidInputError, match="leads to another database"):
            EventStore(servers.primary.url(replicated_name), read_url=servers.replica.url("other"))
    finally:
        servers.primary.run("DROP DATABASE other WITH (FORCE)")


def test_a_server_that_was_promoted_is_refused(servers: Servers, replicated_name: str) -> None:
    with streaming_replica(servers.primary) as clone:
        url, elsewhere = servers.primary.url(replicated_name), clone.url(replicated_name)
        with EventStore(url, read_url=elsewhere, read_lag=0.2) as store:
            store.append("one", FRAMES)
            assert ids(store) == ["one"]
            clone.run("SELECT pg_promote()")
            clone.run("SELECT pg_switch_wal()", replicated_name)
            store.append("two", FRAMES)
            assert ids(store) == ["one", "two"]
            assert problem(store)
        with pytest.raises(InvalidInputError, match=r"another database|no replica"):
            EventStore(url, read_url=elsewhere)


def test_the_primary_itself_may_be_named(servers: Servers, replicated_name: str) -> None:
    url = servers.primary.url(replicated_name)
    with EventStore(url, read_url=url.replace("127.0.0.1", "localhost")) as store:
        store.append("one", FRAMES)
        assert ids(store) == ["one"]
        assert reads(store)[0] > 0


@pytest.mark.parametrize("read_url", ["sqlite:///there.db", "mysql://there", "no URL", ""])
def test_what_cannot_be_a_replica_is_refused(
    servers: Servers, replicated_name: str, read_url: str
) -> None:
    with pytest.raises(InvalidInputError):
        EventStore(servers.primary.url(replicated_name), read_url=read_url)


def test_sqlite_has_no_replica(tmp_path: object) -> None:
    with pytest.raises(InvalidInputError, match="only PostgreSQL"):
        EventStore(f"sqlite:///{tmp_path}/a.db", read_url="postgresql://postgres@127.0.0.1/x")


def test_a_closed_store_closes_the_connections_to_its_replica(store: EventStore) -> None:
    store.append("one", FRAMES)
    ids(store)
    replica = replica_of(store.reader.engine)
    assert replica is not None and connections_of(replica.engine).idle
    store.close()
    assert not connections_of(replica.engine).idle
    with pytest.raises(ClosedError):
        ids(store)


def test_an_encrypted_store_is_read_from_its_replica(
    servers: Servers, replicated_name: str, tmp_path: object
) -> None:
    url, keys = servers.primary.url(replicated_name), f"sqlite:///{tmp_path}/keys.db"
    with EventStore(url, keys=keys, check_schema=False) as made:
        made.init()
    with EventStore(url, keys=keys, read_url=servers.replica.url(replicated_name)) as store:
        store.append("one", FRAMES)
        read_on_replica(store)
        assert store.transcript("one")
        store.erase("one").raise_for_errors()
        assert ids(store) == []
