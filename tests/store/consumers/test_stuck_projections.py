"""Integration: projections that do not return, end the process, or keep much in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import project_forever
from support.calls import voice_call
from support.own_projections import SAID, CountTypes, Misbehaving, rows_of

from eventstore import EventStore, Frame
from eventstore.store.consumers.projections import catch_up, inline
from eventstore.store.database.transaction import write

FRAMES = voice_call().frames
TESTS = Path(project_forever.__file__).parents[1]


class Endless(Misbehaving):
    """Loops without an end in one session, until the test says so."""

    def __init__(self, inline: bool, stuck: str = "a") -> None:
        super().__init__(lambda: None, inline=inline)
        self.stuck, self.stop, self.began = stuck, threading.Event(), threading.Event()

    def begin(self, session_id: str) -> int:
        if session_id == self.stuck:
            self.began.set()
            while not self.stop.is_set():
                pass
        return 0


@pytest.fixture
def endless() -> Iterator[Endless]:
    made = Endless(inline=False)
    yield made
    made.stop.set()


def test_a_worker_that_is_stuck_leaves_the_other_sessions_to_others(
    database_url: str, endless: Endless, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "MOST_SECONDS", 0.2)
    with EventStore(database_url, projection="deferred", projections=[endless]) as store:
        for name in ("a", "b", "c"):
            store.append(name, FRAMES[:5])
        assert [one.name for one in store.project().failed] == ["a"]
        assert [one["session_id"] for one in store.projections()[0]["failures"]] == ["a"]
        assert store.project(waits=True).failed == []
        with EventStore(database_url, projections=[Endless(False, "none")]) as other:
            done = {one.session_id for one in other.project(waits=True).done}
            assert done == {"b", "c"}
        endless.stop.set()
        time.sleep(0.1)
        store.project().raise_for_errors()
        assert len(list(store.projected("own_bad"))) == 15


def test_an_append_does_not_wait_for_a_worker_of_its_process(
    database_url: str, endless: Endless, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "MOST_SECONDS", 0.2)
    endless.inline = True  # type: ignore[misc]
    with EventStore(database_url, projection="deferred") as store:
        store.append("a", FRAMES[:5])
    with (
        EventStore(database_url, projections=[endless]) as store,
        ThreadPoolExecutor() as pool,
    ):
        working = pool.submit(store.project)
        try:
            assert endless.began.wait(30)
            began_at = time.monotonic()
            store.append("b", FRAMES[:5])
            assert time.monotonic() - began_at < 10
        finally:
            endless.stop.set()
        working.result()
        store.project().raise_for_errors()
        assert len(list(store.projected("own_bad"))) == 10


EXITS = """
import os, sys
from eventstore import EventStore
from support.own_projections import CountTypes

class Exits(CountTypes):
    def begin(self, session_id):
        if session_id == "a":
            os._exit(7)
        return super().begin(session_id)

with EventStore(sys.argv[1], projections=[Exits()]) as store:
    store.project()
"""


def test_a_session_that_ends_its_worker_is_done_last(database_url: str) -> None:
    with EventStore(database_url, projection="deferred", projections=[CountTypes()]) as store:
        for name in ("a", "b", "c"):
            store.append(name, FRAMES[:5])
        for _ in range(2):
            ended = subprocess.run(
                [sys.executable, "-c", EXITS, database_url],
                cwd=TESTS,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                check=False,
            )
            assert ended.returncode == 7
            with write(store.engine) as tx:  # the lease is over
                tx.run("UPDATE checkpoints SET until = 0 WHERE until IS NOT NULL")
        assert rows_of(store, CountTypes(), "b")["own_types"]
        assert rows_of(store, CountTypes(), "c")["own_types"]
        assert rows_of(store, CountTypes(), "a")["own_types"] == []
        store.project().raise_for_errors()
        assert rows_of(store, CountTypes(), "a")["own_types"]


class Keeps(Misbehaving):
    """Has a large row for each session."""

    name, tables = "own_keeps", (SAID,)

    def rows(self, state: int) -> Any:
        return [{"seq": 1, "words": "x" * 1_000_000}]


def test_rows_in_memory_have_a_limit(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline, "MOST_BYTES", 3_500_000)
    with EventStore(database_url, projections=[Keeps(lambda: None)]) as store:
        for number in range(8):
            store.append(f"s{number}", FRAMES[:2])
        kept = store.registry.inline()
        assert kept is not None and len(kept._kept) == 3
        for number in range(8):
            store.append(f"s{number}", [Frame("client", '{"type":"response.create"}')])
        assert len(kept._kept) == 3 and kept._bytes < 3_500_000
        for number in range(8):
            store.append(f"s{number}", FRAMES[2:3], close=True)
        assert kept._kept == {} and kept._bytes == 0
        assert (store.projections()[0]["behind"], store.projections()[0]["failed"]) == (0, 0)


def test_a_worker_keeps_no_state_of_a_session_that_has_ended(database_url: str) -> None:
    with EventStore(database_url, projection="deferred", projections=[CountTypes()]) as store:
        store.append("ended", FRAMES, close=True)
        store.append("open", FRAMES)
        store.project().raise_for_errors()
        assert list(store._own_workers["own_counts"]._states) == ["open"]
        store.append("open", FRAMES, close=True)
        store.set_metadata("ended", {"a": "b"})
        store.project().raise_for_errors()
        assert store._own_workers["own_counts"]._states == {}
        assert [one.changed for one in store.rebuild(projection="own_counts").done] == [0, 0]
