"""Integration: projections that do not return, end the process, or keep much in memory."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import project_forever
from support.calls import voice_call
from support.own_projections import SAID, CountTypes, Misbehaving, rows_of

from eventstore import EventStore, Frame, Projection, StoredEvent
from eventstore.store.consumers.projections import catch_up, inline, kept_states
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


class Hoards(Projection[list[bytes]]):
    """Keeps a megabyte for each event, in a class of its own."""

    name, tables = "own_hoards", (SAID,)

    def __init__(self, inline: bool) -> None:
        self.inline = inline  # type: ignore[misc]

    def begin(self, session_id: str) -> Any:
        return SimpleNamespace(kept=[], owner=self)

    def evolve(self, state: Any, event: StoredEvent) -> Any:
        state.kept.append({"copy": bytes(1_000_000)})
        return state

    def rows(self, state: Any) -> Any:
        return [{"seq": 1, "words": str(len(state.kept))}]


@pytest.mark.parametrize("make", [lambda: Keeps(lambda: None), lambda: Hoards(True)])
def test_what_appends_keep_in_memory_has_a_limit(
    database_url: str, make: Callable[[], Projection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_states, "MOST_BYTES", 3_500_000)
    with EventStore(database_url, projections=[make()]) as store:
        for number in range(8):
            store.append(f"s{number}", FRAMES[:1])
        inline = store.registry.inline()
        assert inline is not None
        kept = inline._kept
        assert len(kept) == 3 and 3_000_000 <= kept.size < 3_500_000
        for number in range(8):
            store.append(f"s{number}", [Frame("client", '{"type":"response.create"}')])
        assert 1 <= len(kept) <= 3 and kept.size < 3_500_000
        for number in range(8):
            store.append(f"s{number}", FRAMES[2:3], close=True)
        assert (len(kept), kept.size) == (0, 0)
        assert (store.projections()[0]["behind"], store.projections()[0]["failed"]) == (0, 0)


def test_what_a_worker_keeps_in_memory_has_a_limit(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_states, "MOST_BYTES", 3_500_000)
    monkeypatch.setattr(kept_states, "MOST_EACH", 2_000_000)
    own = Hoards(False)
    with EventStore(database_url, projection="deferred", projections=[own]) as store:
        for number in range(8):
            store.append(f"s{number}", FRAMES[:1])
        store.append("large", FRAMES[:5])
        store.project().raise_for_errors()
        kept = store._own_workers["own_hoards"]._states
        assert len(kept) == 3 and 3_000_000 <= kept.size < 3_500_000
        assert ("own_hoards", "large") not in kept._kept
        store.append("large", FRAMES[5:9])
        store.project().raise_for_errors()
        assert [row["words"] for row in store.projected("own_hoards", "large")] == ["9"]


def test_states_of_sessions_that_are_erased_are_not_kept(database_url: str) -> None:
    inline, deferred = Misbehaving(lambda: None), CountTypes()
    with EventStore(database_url, projections=[inline, deferred]) as store:
        store.append("a", FRAMES[:5])
        store.project().raise_for_errors()
        kept, other = store.registry.inline(), store._own_workers["own_counts"]._states
        assert kept is not None and len(kept._kept) == 1 and len(other) == 1
        store.erase("a", vacuum=False).raise_for_errors()
        assert (len(kept._kept), len(other)) == (0, 0)


EATS = """
import resource, sys
from eventstore import EventStore
from support.own_projections import CountTypes

class Eats(CountTypes):
    def evolve(self, state, event):
        if event.body.get("type") == "session.created" and event.body["session"].get("id"):
            self.kept = bytearray(4_000_000_000)
        return super().evolve(state, event)

with EventStore(sys.argv[1], projections=[Eats()]) as store:
    resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, resource.RLIM_INFINITY))
    for failure in store.project().failed:
        print(failure.session_id, failure.name, failure.error.kind)
"""


def test_a_projection_that_takes_all_memory_stops_no_other_session(database_url: str) -> None:
    """Where the process has a limit of memory, as operators set it."""
    with EventStore(database_url, projection="deferred", projections=[CountTypes()]) as store:
        for name in ("a", "b"):
            store.append(name, FRAMES[3:9])
        store.append("eats", FRAMES[:5])
        ended = subprocess.run(
            [sys.executable, "-c", EATS, database_url],
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert ended.stdout.split() == ["eats", "eats", "MemoryError"]
        assert rows_of(store, CountTypes(), "a")["own_types"]
        assert rows_of(store, CountTypes(), "b")["own_types"]
        failures = store.projections()[0]["failures"]
        assert [(one["session_id"], one["error"]) for one in failures] == [("eats", "MemoryError")]
        store.project().raise_for_errors()
        assert rows_of(store, CountTypes(), "eats")["own_types"]


def test_a_worker_keeps_no_state_of_a_session_that_has_ended(database_url: str) -> None:
    with EventStore(database_url, projection="deferred", projections=[CountTypes()]) as store:
        store.append("ended", FRAMES, close=True)
        store.append("open", FRAMES)
        store.project().raise_for_errors()
        kept = store._own_workers["own_counts"]._states
        assert list(kept._kept) == [("own_counts", "open")]
        store.append("open", FRAMES, close=True)
        store.set_metadata("ended", {"a": "b"})
        store.project().raise_for_errors()
        assert len(kept) == 0
        assert [one.changed for one in store.rebuild(projection="own_counts").done] == [0, 0]
