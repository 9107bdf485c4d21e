"""Integration: workers of projections that are killed, work side by side, or were away for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import project_forever as program
from support.calls import voice_call
from support.own_projections import LATER, NOTE, CountTypes, expected_rows, rows_of, unsettled

from eventstore import EventStore
from eventstore.store.consumers import checkpoints, news, passes
from eventstore.store.consumers.checkpoints import read_checkpoint
from eventstore.store.consumers.projections import catch_up
from eventstore.store.database.transaction import read, write
from eventstore.times import now

KILLS = int(os.environ.get("KILLS", "2"))
FRAMES = voice_call().frames
TESTS = Path(program.__file__).parents[1]


def check_all(store: EventStore, own: CountTypes) -> None:
    """Check the rows of all sessions."""
    for session_id in store.session_ids():
        wanted = expected_rows(own, session_id, store.events(session_id))
        found = rows_of(store, own, session_id)
        for name, rows in wanted.items():
            assert sorted(map(repr, found[name])) == sorted(map(repr, rows)), session_id


def test_a_worker_that_is_killed_leaves_whole_rows(database_url: str) -> None:
    own = CountTypes()
    stop = threading.Event()

    def append() -> int:
        number = 0
        with EventStore(database_url, projection="deferred") as writer:
            while not stop.is_set():
                number += 1
                writer.append(f"s{number % 7}", FRAMES[: 5 + number % 20])
        return number

    with EventStore(database_url, projections=[own]), ThreadPoolExecutor() as pool:
        writing = pool.submit(append)
        try:
            for number in range(KILLS):
                worker = subprocess.Popen(
                    [sys.executable, "-m", "support.project_forever", database_url],
                    cwd=TESTS,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                    stdout=subprocess.PIPE,
                )
                assert worker.stdout is not None and worker.stdout.readline()
                time.sleep(0.02 * (number % 10))
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                worker.stdout.close()
        finally:
            stop.set()
        assert writing.result() > 0
    with EventStore(database_url, projection="deferred", projections=[own]) as store:
        with write(store.engine) as tx:  # the leases of the killed are over
            tx.run("UPDATE checkpoints SET until = 0 WHERE until IS NOT NULL")
        store.project().raise_for_errors()
        check_all(store, own)
        assert store.projections()[0]["behind"] == 0 and unsettled(store) == []


def test_workers_side_by_side_do_each_session_once(database_url: str) -> None:
    own = CountTypes()
    with EventStore(database_url, projection="deferred", projections=[own]) as store:
        for number in range(12):
            store.append(f"s{number}", FRAMES)

        def work(_: int) -> list[str]:
            with EventStore(database_url, projections=[CountTypes()]) as worker:
                done = worker.project(waits=True).done
                return [one.session_id for one in done if one.projection]

        with ThreadPoolExecutor(3) as pool:
            done = [id_ for ids in pool.map(work, range(3)) for id_ in ids]
        store.project().raise_for_errors()
        assert sorted(done) == sorted(f"s{number}" for number in range(12))
        check_all(store, own)


def test_a_session_whose_worker_died_waits_and_stops_no_other(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = CountTypes()
    with EventStore(database_url, projection="deferred", projections=[own]) as store:
        for name in ("a", "b"):
            store.append(name, FRAMES)
        with write(store.engine) as tx:
            checkpoints.begin_checkpoint(tx, "a", own.name, 0, 1)
            known = read_checkpoint(tx, "a", own.name)
            assert known is not None
            assert checkpoints.claim(tx, "a", own.name, known, "dead", now(), 60_000_000)
        assert [one.session_id for one in store.project(waits=True).done if one.projection] == ["b"]
        with read(store.engine) as tx:
            found = read_checkpoint(tx, "a", own.name)
        assert found is not None and found.tries == 1
        later = now() + 3 * 3600 * 1_000_000
        for module in (news, catch_up, passes):
            monkeypatch.setattr(module, "now", lambda: later)
        assert [one.session_id for one in store.project(waits=True).done if one.projection] == ["a"]
        check_all(store, own)


def test_sessions_do_not_stay_unsettled_for_a_projection_that_nobody_runs(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = CountTypes(), CountTypes()
    other.name, other.tables = "own_other", LATER  # type: ignore[misc]
    with EventStore(database_url, projection="deferred", projections=[own, other]) as store:
        store.append("a", FRAMES)
        store.project().raise_for_errors()
    with EventStore(database_url, projection="deferred", projections=[own]) as store:
        store.append("b", FRAMES)
        store.project().raise_for_errors()
        assert unsettled(store) == ["b"]  # it waits for the other one
        later = now() + news.LEFT_OUT + 1
        for module in (news, catch_up, passes):
            monkeypatch.setattr(module, "now", lambda: later)
        store.append("b", [NOTE])
        store.project().raise_for_errors()
        assert unsettled(store) == []
    with EventStore(database_url, projection="deferred", projections=[own, other]) as store:
        store.project().raise_for_errors()  # it passes over all sessions again
        check_all(store, other)
        assert {one["name"]: one["behind"] for one in store.projections()} == {
            "own_counts": 0,
            "own_other": 0,
        }
