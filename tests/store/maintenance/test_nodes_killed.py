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

import pytest
from support.calls import voice_call
from support.cluster_nodes import (
    KILLS,
    WHY_NOT,
    NodeProcess,
    kill,
    local_nodes,
    wait_until_all_answer,
)
from support.echo_calls import check_recorded, check_whole, echo_calls

from eventstore import EventStore
from eventstore.errors import EventStoreError

pytestmark = pytest.mark.skipif(not KILLS, reason=WHY_NOT)

WRITERS = CALLS = 8
FRAMES = [*voice_call().frames] * 20


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
