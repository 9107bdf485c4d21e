"""Integration: rebuilds of projections while appends go on, also when they are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from support import rebuild_forever as program
from support.calls import voice_call
from support.events import SESSION
from support.forking import fork
from support.own_projections import Counts, CountTypes, expected_rows, rows_of

from eventstore import AsyncEventStore, EventStore
from eventstore.store.database.connections import forks
from eventstore.store.database.transaction import write

KILLS = int(os.environ.get("KILLS", "3"))
FRAMES = voice_call().frames
TESTS = Path(program.__file__).parents[1]


def check_all(store: EventStore) -> None:
    """Check that the rows of all sessions are those of the events, and of a fresh rebuild."""
    own = CountTypes()
    for session_id in store.session_ids():
        wanted = expected_rows(own, session_id, store.events(session_id))
        found = rows_of(store, own, session_id)
        for name, rows in wanted.items():
            assert sorted(map(repr, found[name])) == sorted(map(repr, rows)), session_id
    outcome = store.rebuild(projection=own.name).raise_for_errors()
    assert [one.changed for one in outcome.done] == [0] * len(list(store.session_ids()))


def leases_are_over(store: EventStore) -> None:
    with write(store.engine) as tx:
        tx.run("UPDATE checkpoints SET until = 0 WHERE until IS NOT NULL")


def kill_after(url: str, seconds: float) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "support.rebuild_forever", url],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None and worker.stdout.readline()
    time.sleep(seconds)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()


def test_rebuilt_and_killed_while_appends_go_on(database_url: str) -> None:
    stop = threading.Event()

    def append(thread: int) -> int:
        number = 0
        with EventStore(database_url, projections=[CountTypes(inline=True)]) as writer:
            while not stop.is_set():
                number += 1
                # Threads share sessions, so that one of them often has no state at hand.
                writer.append(f"s{(number + thread) % 5}", FRAMES[: 1 + number % 7])
                time.sleep(0.002)
        return number

    with EventStore(database_url, projections=[CountTypes(inline=True)]) as store:
        with ThreadPoolExecutor() as pool:
            writing = [pool.submit(append, thread) for thread in range(2)]
            try:
                for number in range(KILLS):
                    kill_after(database_url, 0.05 + 0.03 * (number % 10))
            finally:
                stop.set()
            assert all(one.result() > 0 for one in writing)
        leases_are_over(store)
        store.project().raise_for_errors()
        check_all(store)
        assert (store.projections()[0]["behind"], store.projections()[0]["failed"]) == (0, 0)


class Slow(CountTypes):
    """Takes longer than an append."""

    def rows(self, state: Counts) -> dict[Any, Iterable[dict[str, Any]]]:
        time.sleep(0.1)
        return super().rows(state)


def test_a_rebuild_while_appends_go_on_does_every_session(database_url: str) -> None:
    stop, began = threading.Event(), threading.Event()

    def append() -> None:
        with EventStore(database_url, projections=[CountTypes(inline=True)]) as writer:
            while not stop.is_set():
                writer.append(SESSION, FRAMES[:2])
                began.set()
                time.sleep(0.01)

    with EventStore(database_url, projections=[Slow(inline=True)]) as store:
        store.append(SESSION, FRAMES)
        with ThreadPoolExecutor() as pool:
            writing = pool.submit(append)
            try:
                assert began.wait(30)
                for _ in range(2):
                    done = store.rebuild(projection="own_counts").raise_for_errors().done
                    assert [one.session_id for one in done] == [SESSION]
            finally:
                stop.set()
            writing.result()
        store.project().raise_for_errors()
        check_all(store)


def test_a_session_that_a_killed_rebuild_has_is_told(database_url: str) -> None:
    with EventStore(database_url, projections=[CountTypes(inline=True)]) as store:
        store.append(SESSION, FRAMES)
        with write(store.engine) as tx:
            tx.run(
                "UPDATE checkpoints SET worker = 'dead', until = ?",
                (time.time_ns() // 1000 + 10**8,),
            )
        (failure,) = store.rebuild(projection="own_counts").failed
        assert "another worker has it" in str(failure.error)
        leases_are_over(store)
        check_all(store)


def test_a_forked_child_appends_and_works(database_url: str) -> None:
    with EventStore(database_url, projections=[CountTypes(inline=True)]) as store:
        store.append("parent", FRAMES[:10])
        store.rebuild(projection="own_counts").raise_for_errors()

        def work() -> int:
            store.append("child", FRAMES)
            store.append("parent", FRAMES[10:20])
            store.rebuild(projection="own_counts").raise_for_errors()
            return store.projections()[0]["behind"]

        assert fork(work).said() == "0"
        store.append("parent", FRAMES[20:])  # the state that is kept here is an older one
        store.append("child", FRAMES)
        store.project().raise_for_errors()
        check_all(store)
        assert store.projections()[0]["behind"] == 0


def test_the_asynchronous_store_has_the_same_rows(database_url: str) -> None:
    async def use() -> None:
        own = CountTypes(inline=True)
        async with AsyncEventStore(database_url, projections=[own]) as store:
            for frame in FRAMES:
                await store.append(SESSION, [frame])
            rows = [row async for row in store.projected("own_counts", table="own_types")]
            assert len(rows) > 3
            (done,) = (await store.rebuild(projection="own_counts")).done
            assert done.changed == 0
            assert (await store.projections())[0]["behind"] == 0

    asyncio.run(use())


class Interrupted:
    """Notes in a forked child whether the fork gave up waiting for calls of SQLite."""

    found: bool

    def renew(self) -> None:
        self.found = forks.interrupted()


def test_a_fork_while_projections_are_added(database_url: str) -> None:
    stop, noted = threading.Event(), Interrupted()
    forks.renew_in_children(noted)

    def add_and_drop() -> int:
        number = 0
        with EventStore(database_url) as store:
            while not stop.is_set():
                number += 1
                store._add([CountTypes()])
                store.drop_projection("own_counts")
        return number

    with ThreadPoolExecutor() as pool:
        adding = pool.submit(add_and_drop)
        try:
            # A fork waits five seconds for a call; who is stuck in one would hold each of them up.
            found = {fork(lambda: noted.found).said() for _ in range(6)}
        finally:
            stop.set()
        assert adding.result() > 0
    assert "False" in found
