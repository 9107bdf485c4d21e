"""The primary is killed under live calls and its replica is promoted: nothing is lost unsaid.

Integration: a primary and its replica, the relay, and clients on loopback. FAILOVERS says how often
it is tried; `make endurance` does so twenty times.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cassettes import websocket_server
from support.postgres import stoppable_cluster, streaming_replica
from support.relaying import eventually, recorded, relaying
from support.replication import Servers
from websockets.asyncio.server import ServerConnection
from websockets.sync.client import connect

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.realtime.frames import CLIENT, SERVER, STORE, parse

CALLS = 4
FAILOVERS = int(os.environ.get("FAILOVERS", "1"))


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@pytest.fixture
def pair() -> Iterator[Servers]:
    """Two servers for one test, since a failover ends what they are to each other."""
    with stoppable_cluster({"synchronous_commit": "on"}) as primary:
        if primary is None:
            pytest.skip("there are no binaries of PostgreSQL")
        with streaming_replica(primary) as replica:
            yield Servers(primary, replica)


def both(servers: Servers) -> str:
    """The URL that leads to whichever of the two servers is the primary."""
    places = [f"127.0.0.1:{one.parameters['port']}" for one in servers]
    hosts = "&".join(f"host={place}" for place in places)
    return f"postgresql://postgres@/postgres?{hosts}&target_session_attrs=read-write"


def fail_over(servers: Servers) -> None:
    """Kill the primary, and make its replica the primary."""
    servers.primary.stop()
    time.sleep(random.uniform(0, 0.5))
    servers.replica.run("SELECT pg_promote()")


def call(url: str, number: int, stop: threading.Event, sent: dict[int, list[str]]) -> None:
    """Send frame after frame, and take the answer to each."""
    with connect(f"{url}/realtime?model={number}", proxy=None) as client:
        while not stop.is_set():
            frame = f'{{"type": "x", "call": {number}, "n": {len(sent[number])}}}'
            client.send(frame)
            sent[number].append(frame)
            assert client.recv(timeout=20) == frame
            stop.wait(0.003)


def record_through_a_failover(
    servers: Servers, spool: Path, before: float, midway: Callable[[Servers], None] = lambda _: None
) -> tuple[EventStore, list[list[str]]]:
    """Record calls during a failover; the store after it, and what each call has sent."""
    with EventStore(servers.primary.url(), check_schema=False) as made:
        made.init()
    sent: dict[int, list[str]] = {number: [] for number in range(CALLS)}
    stop = threading.Event()
    recorder = Recorder(both(servers), spool=spool)
    with websocket_server(echo) as upstream, relaying(recorder, upstream) as relay:
        calls = [
            threading.Thread(target=call, args=(relay.url, number, stop, sent)) for number in sent
        ]
        for one in calls:
            one.start()
        eventually(lambda: servers.primary.run("SELECT COUNT(*) FROM streams") == [(CALLS,)])
        midway(servers)
        time.sleep(before)
        fail_over(servers)
        time.sleep(1.0)
        stop.set()
        for one in calls:
            one.join()
        relay.ended(CALLS)
    return EventStore(both(servers)), list(sent.values())


@pytest.mark.parametrize("attempt", range(FAILOVERS))
def test_nothing_is_lost_if_commits_wait_for_the_replica(
    pair: Servers, tmp_path: Path, attempt: int
) -> None:
    pair.primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
    pair.primary.run("SELECT pg_reload_conf()")
    store, sent = record_through_a_failover(pair, tmp_path / "spool", 0.5 + attempt % 7 * 0.1)
    with store:
        assert min(len(texts) for texts in sent) > 50
        for direction in (CLIENT, SERVER):
            assert sorted(recorded(store, direction)) == sorted(sent)
        assert not told_of_gaps(store)
        check_whole(store)
    assert not any((tmp_path / "spool").glob("*/*"))


@pytest.mark.parametrize("attempt", range(FAILOVERS))
def test_what_is_lost_with_the_primary_is_noted(
    pair: Servers, tmp_path: Path, attempt: int
) -> None:
    """Without waiting, PostgreSQL loses commits that the replica has not got yet."""
    store, sent = record_through_a_failover(pair, tmp_path / "spool", 1.0, cut_off)
    with store:
        lost = told_of_gaps(store)
        assert lost
        check_whole(store)
        kept = recorded(store, CLIENT) + recorded(store, SERVER)
        assert 2 * sum(map(len, sent)) == sum(map(len, kept)) + sum(lost)


def cut_off(servers: Servers) -> None:
    """Let the replica get nothing more: what is committed from here on is lost with the primary."""
    servers.replica.run("ALTER SYSTEM SET primary_conninfo = ''")
    servers.replica.run("SELECT pg_reload_conf()")


def told_of_gaps(store: EventStore) -> list[int]:
    """How many frames are lost, as the recorder has noted it."""
    texts = [parse(str(text)) or {} for texts in recorded(store, STORE) for text in texts]
    gaps = [note for note in texts if note["type"] == "eventstore.session.gap"]
    assert {gap["reason"] for gap in gaps} <= {"database_lost"}
    return [gap["frames"] for gap in gaps]


def check_whole(store: EventStore) -> None:
    ids = list(store.session_ids())
    assert len(ids) == CALLS
    assert store.verify(ids).failed == []
    rebuilt = store.rebuild(ids).raise_for_errors()
    assert sum(one.changed for one in rebuilt.done) == 0
