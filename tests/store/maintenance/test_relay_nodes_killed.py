"""Nodes of a cluster are killed under calls through `eventstore record`, and the command as well.

The relay and its recorder are processes of their own, as users run them. It runs where TEST_CITUS
names a cluster on this machine, and KILLS says how often.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.cluster_nodes import (
    KILLS,
    WHY_NOT,
    NodeProcess,
    kill,
    local_nodes,
    wait_until_all_answer,
)
from support.echo_calls import check_whole, lost_frames
from support.relay_command import Callers, RelayCommand, naming_upstream

from eventstore import EventStore, Recorder
from eventstore.realtime.frames import CLIENT, SERVER

pytestmark = pytest.mark.skipif(not KILLS, reason=WHY_NOT)

CALLS = 8
PAUSE = 0.025
#: What a recorder writes within 50 milliseconds, it writes on a busy machine within this.
SOON = 1.0


@pytest.fixture
def nodes() -> Iterator[list[NodeProcess]]:
    with local_nodes() as found:
        yield found


@contextmanager
def calls_through(relay: RelayCommand) -> Iterator[tuple[Callers, str]]:
    """Have calls through a relay while the block runs; they have ended, and it has, after that."""
    callers = Callers(relay.url, CALLS, PAUSE)
    with naming_upstream() as upstream:
        try:
            relay.start(upstream)
            callers.start()
            try:
                yield callers, upstream
            finally:
                callers.stop()
            assert relay.stop() == 0
        finally:
            relay.end()


def numbers_of(store: EventStore, session_id: str, direction: str) -> list[tuple[int, int]]:
    """The numbers of the calls and frames that one side has sent, by the log."""
    texts = [json.loads(e.text) for e in store.events(session_id) if e.direction == direction]
    return [(text["call"], text["n"]) for text in texts if text["type"] == "x"]


def kept_frames(store: EventStore) -> Counter[int]:
    """How many frames of each call are in the log: the first ones, once each and in order."""
    kept: Counter[int] = Counter()
    for session_id in store.session_ids():
        client, server = (numbers_of(store, session_id, side) for side in (CLIENT, SERVER))
        if not client:
            assert not server
            continue
        number = client[0][0]
        assert number not in kept
        assert client == [(number, place) for place in range(len(client))]
        assert server == client[: len(server)]
        assert len(client) - len(server) <= 1
        kept[number] = len(client)
    return kept


def test_nothing_is_lost_when_nodes_are_killed_under_the_command(
    postgres_url: str, nodes: list[NodeProcess], tmp_path: Path
) -> None:
    relay = RelayCommand(postgres_url, tmp_path / "spool")
    with calls_through(relay) as (callers, _):
        kill(nodes, KILLS, random.Random(KILLS + 2))
        wait_until_all_answer(postgres_url)
    assert len(callers.exchanges) == CALLS
    with EventStore(postgres_url) as store:
        sent = {number: len(exchange.sent) for number, exchange in callers.exchanges.items()}
        assert kept_frames(store) == sent
        assert not lost_frames(store)
        check_whole(store, CALLS)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("durable", [False, True], ids=["usual", "durable"])
def test_the_command_is_killed_after_a_node_was_killed(
    postgres_url: str, nodes: list[NodeProcess], tmp_path: Path, durable: bool
) -> None:
    """What its spool has is written when it runs again, whether the database is back or not."""
    relay = RelayCommand(postgres_url, tmp_path / "spool", *(["--durable"] if durable else []))
    chance, left = random.Random(KILLS + 3), 0
    with calls_through(relay) as (callers, upstream):
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.5, 2.0))
            node = chance.choice(nodes)
            node.kill()
            time.sleep(chance.uniform(0.0, 1.5))
            relay.kill(whole=chance.random() < 0.7)
            left += sum(path.stat().st_size for path in (tmp_path / "spool").rglob("*.spool"))
            if chance.random() < 0.5:
                node.start()
                relay.start(upstream)
            else:
                relay.start(upstream)
                time.sleep(chance.uniform(0.1, 1.0))
                node.start()
        wait_until_all_answer(postgres_url)
    assert left or durable  # a durable relay's calls wait, so that hardly a frame comes
    with Recorder(postgres_url, tmp_path / "spool") as recorder:
        while recorder.trouble is not None:
            time.sleep(0.05)
    assert list((tmp_path / "spool").iterdir()) == []
    with EventStore(postgres_url) as store:
        kept = kept_frames(store)
        for number, exchange in callers.exchanges.items():
            certain = exchange.certain(0.0 if durable else SOON)
            assert certain <= kept[number] <= len(exchange.sent), number
        check_whole(store, len(list(store.session_ids())))
