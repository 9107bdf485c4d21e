"""Nodes of a cluster are killed under eight writers, or calls: nothing is lost, or half there.

It runs where TEST_CITUS names a cluster on this machine, and KILLS says how often: the nodes that
it kills are those that other tests would use.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from support.calls import voice_call
from support.cluster_nodes import (
    KILLS,
    RECOVERY,
    WHY_NOT,
    NodeProcess,
    kill,
    local_nodes,
    wait_until_all_answer,
)
from support.database_files import analyze, files, found_in
from support.echo_calls import check_recorded, check_whole, echo_calls
from support.secret_call import secret_call

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError, EventStoreError

pytestmark = pytest.mark.skipif(not KILLS, reason=WHY_NOT)

WRITERS = CALLS = 8
FRAMES = [*voice_call().frames] * 20
REWRITING = (
    "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
    " AND query LIKE '%DO $rewrite$%'"
)


@pytest.fixture
def nodes() -> Iterator[list[NodeProcess]]:
    with local_nodes() as found:
        yield found


def write(url: str, number: int, written: dict[str, int], stop: threading.Event) -> None:
    """Append call after call, in pieces of any size, until told to stop; each until it is taken."""
    chance, count = random.Random(number), 0
    with EventStore(url) as store:
        while not stop.is_set():
            session_id, done = f"sess_{number}_{count}", 0
            count += 1
            while done < len(FRAMES) and not stop.is_set():
                piece = FRAMES[done : done + chance.choice((1, 1, 5, 20, 150))]
                with suppress(EventStoreError):
                    store.append(session_id, piece, expected_seq=done)
                    done += len(piece)
                    written[session_id] = done
                    continue
                time.sleep(0.1)


def test_nothing_is_lost_when_nodes_are_killed(postgres_url: str, nodes: list[NodeProcess]) -> None:
    written: dict[str, int] = {}
    stop, chance = threading.Event(), random.Random(KILLS)
    writers = [
        threading.Thread(target=write, args=(postgres_url, number, written, stop))
        for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    while len(written) < WRITERS:
        time.sleep(0.1)
    kill(nodes, KILLS, chance)
    time.sleep(5)
    stop.set()
    for writer in writers:
        writer.join()
    wait_until_all_answer(postgres_url)
    with EventStore(postgres_url) as store:
        for session_id, done in written.items():
            texts = [event.text for event in store.events(session_id)]
            assert len(texts) >= done, session_id
            assert texts == [frame.text for frame in FRAMES[: len(texts)]], session_id
        assert store.verify(list(written)).failed == []
        rebuilt = store.rebuild(list(written)).raise_for_errors()
        assert sum(one.changed for one in rebuilt.done) == 0


def test_nothing_of_live_calls_is_lost_when_nodes_are_killed(
    postgres_url: str, nodes: list[NodeProcess], tmp_path: Path
) -> None:
    with echo_calls(postgres_url, tmp_path / "spool", CALLS, pause=0.025) as sent:
        kill(nodes, KILLS, random.Random(KILLS + 1))
        wait_until_all_answer(postgres_url)
    with EventStore(postgres_url) as store:
        check_recorded(store, sent)
        check_whole(store, CALLS)


def erase_beside_a_kill(
    store: EventStore, session_id: str, node: NodeProcess, chance: random.Random
) -> BaseException | None:
    """Kill a node while it rewrites its shards, or soon after that; what erasing raises."""
    raised: list[BaseException] = []

    def erase() -> None:
        try:
            store.erase(session_id).raise_for_errors()
        except BaseException as error:
            raised.append(error)

    with psycopg.connect(node_url(store, node), autocommit=True) as connection:
        erasing = threading.Thread(target=erase)
        erasing.start()
        while erasing.is_alive() and connection.execute(REWRITING).fetchone() is None:
            time.sleep(0.005)
    time.sleep(chance.uniform(0, 1.0))
    node.kill(alone=chance.choice((True, False)))
    erasing.join(timeout=RECOVERY)
    assert not erasing.is_alive(), "erasing waits for a node that is away"
    return raised[0] if raised else None


def node_url(store: EventStore, node: NodeProcess) -> str:
    host, _, port = node.name.rpartition(":")
    url = store.engine.url.set(drivername="postgresql", host=host, port=int(port))
    return url.render_as_string(hide_password=False)


def test_a_node_that_is_killed_while_it_is_scrubbed_is_named(
    postgres_url: str, nodes: list[NodeProcess]
) -> None:
    """The same command does the rest when the node is back."""
    chance, told = random.Random(KILLS), 0
    _, *workers = nodes
    for number in range(KILLS):
        name, node = f"gone{number}x", chance.choice(workers)
        with EventStore(postgres_url) as store:
            store.append(name, secret_call(name).frames, close=True)
            analyze(store)
            error = erase_beside_a_kill(store, name, node, chance)
        node.start()
        wait_until_all_answer(postgres_url)
        if error is not None:
            assert isinstance(error, DatabaseUnavailableError)
            assert node.name in str(error)
            told += 1
            erase_again(postgres_url, name)
        assert found_in(files(postgres_url), name) == {}
    assert told


def erase_again(url: str, session_id: str) -> None:
    """Do what is left, once transactions in doubt are ended."""
    until = time.monotonic() + RECOVERY
    while True:
        try:
            with EventStore(url) as store:
                store.erase(session_id).raise_for_errors()
            return
        except DatabaseUnavailableError:
            assert time.monotonic() < until
            time.sleep(1)
