"""A store that was opened before a fork: parent and children each have their own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event
from support.calls import voice_call
from support.events import SESSION
from support.forking import Child, fork

from eventstore import EventStore
from eventstore.errors import ForkError
from eventstore.realtime.frames import Frame
from eventstore.store.database.connections import forks
from eventstore.store.database.connections.wal import Checkpointer
from eventstore.store.database.transaction import Transaction, read, write
from eventstore.store.log.insert_events import ADVANCE_LOG, INSERT_EVENT, OPEN_STREAM

FRAMES = voice_call().frames
NOTE = Frame("client", '{"type": "input_audio_buffer.clear"}', None)
_store: EventStore | None = None


def append_times(store: EventStore, session_id: str, times: int) -> None:
    for number in range(times):
        store.append(session_id, [NOTE], expected_seq=number)


def check_whole(url: str, sessions: dict[str, int], keys: str | None = None) -> None:
    """Each session has so many events, no more behind its head, and is projected."""
    with EventStore(url, keys=keys) as store:
        assert sorted(store.stream_ids()) == sorted(sessions)
        for session_id, events in sessions.items():
            verified = store.verify(session_id).done[0]
            assert (verified.events, verified.problems) == (events, [])
            assert [event.seq for event in store.events(session_id)] == list(range(1, events + 1))
            assert store.session(session_id)["eventstore"]["events"] == events
        assert [done.changed for done in store.rebuild().done] == [0] * len(sessions)


@pytest.mark.parametrize("keyed", [False, True])
def test_processes_append_at_once_with_a_store_that_was_opened_before(
    database_url: str, tmp_path: Path, keyed: bool
) -> None:
    keys = f"sqlite:///{tmp_path / 'keys.db'}" if keyed else None
    with EventStore(database_url, keys=keys) as store:
        append_times(store, "before", 3)
        children = [fork(lambda name=name: append_times(store, name, 30)) for name in "abc"]
        append_times(store, "parent", 30)
        for child in children:
            child.said()
        store.append("before", [NOTE], expected_seq=3)
    check_whole(database_url, {"before": 4, "parent": 30, **dict.fromkeys("abc", 30)}, keys)


def test_processes_append_to_one_session(database_url: str) -> None:
    def append() -> None:
        for _ in range(20):
            store.append(SESSION, [NOTE])

    with EventStore(database_url) as store:
        store.append(SESSION, FRAMES)
        children = [fork(append) for _ in range(3)]
        append()
        for child in children:
            child.said()
    check_whole(database_url, {SESSION: len(FRAMES) + 80})


def test_the_fork_is_amid_a_transaction_of_the_parent(database_url: str) -> None:
    with EventStore(database_url) as store:
        store.append(SESSION, [NOTE])
        store.append("sess_other", [NOTE])
        with write(store.engine) as tx:
            tx.run(ADVANCE_LOG, (2, None, SESSION, 1))
            child = fork(lambda: store.append("sess_other", [NOTE] * 20))
            tx.run(INSERT_EVENT, (SESSION, 2, None, "client", "?", "?", None, None, None, None))
        child.said()
    with EventStore(database_url) as store:
        assert (store.last_seq(SESSION), store.last_seq("sess_other")) == (2, 21)
        assert [event.text for event in store.events(SESSION)][1] == "?"


def test_the_fork_is_amid_a_transaction_of_another_thread(database_url: str) -> None:
    begun, forked = threading.Event(), threading.Event()

    def frames() -> Iterator[Frame]:
        yield from FRAMES
        begun.set()
        assert forked.wait(30)
        yield from FRAMES

    with EventStore(database_url) as store:
        store.append("sess_other", [NOTE])
        thread = threading.Thread(target=store.append, args=(SESSION, frames()))
        thread.start()
        assert begun.wait(30)
        child = fork(lambda: store.append("sess_other", FRAMES))
        forked.set()
        thread.join()
        child.said()
    check_whole(database_url, {SESSION: 2 * len(FRAMES), "sess_other": 1 + len(FRAMES)})


def test_a_large_transaction_of_the_parent_stays_whole(tmp_path: Path) -> None:
    """SQLite writes what its memory cannot hold into the log before the commit."""
    big = Frame("client", '{"type": "noted", "text": "' + "x" * 50_000 + '"}', None)

    def frames() -> Iterator[Frame]:
        for _ in range(60):
            yield big
        children.append(fork(lambda: store.append("sess_child", FRAMES)))
        for _ in range(30):
            yield big

    url = f"sqlite:///{tmp_path / 'store.db'}"
    children: list[Child] = []
    with EventStore(url) as store:
        event.listen(store.engine, "connect", lambda made, _: made.execute("PRAGMA cache_size=-64"))
        store.engine.dispose()
        with read(store.engine) as tx:
            assert tx.rows("PRAGMA cache_size") == [(-64,)]
        store.append(SESSION, frames())
        children[0].said()
        with read(store.engine) as tx:
            assert tx.rows("PRAGMA integrity_check") == [("ok",)]
    check_whole(url, {SESSION: 90, "sess_child": len(FRAMES)})


def test_what_the_parent_has_begun_is_not_the_childs(database_url: str) -> None:
    def child(tx: Transaction) -> str:
        with pytest.raises(ForkError, match="begun before the process was forked"):
            tx.rows("SELECT 1")
        return "told"

    with EventStore(database_url) as store:
        store.append(SESSION, FRAMES)
        with read(store.engine) as tx:
            assert fork(lambda: child(tx)).said() == "told"
            assert tx.rows("SELECT COUNT(*) FROM streams") == [(1,)]
        with write(store.engine) as tx:
            tx.run("UPDATE streams SET last_at = 1")
            pid = os.fork()
            if pid == 0:
                break_out = 1
                try:
                    with pytest.raises(ForkError):
                        tx.run("UPDATE streams SET last_at = 2")
                    break_out = 0
                finally:
                    os._exit(break_out)
        assert os.waitpid(pid, 0)[1] == 0
        with read(store.engine) as tx:
            assert tx.rows("SELECT last_at FROM streams") == [(1,)]


def test_a_commit_in_the_child_of_what_the_parent_began_is_refused(database_url: str) -> None:
    store = EventStore(database_url)
    store.append(SESSION, FRAMES)
    child = 1
    try:
        with write(store.engine) as tx:
            tx.run("UPDATE streams SET last_at = 1")
            child = os.fork()
    except ForkError:
        os._exit(0 if child == 0 else 1)
    except BaseException:
        os._exit(1)
    if child == 0:
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    with read(store.engine) as tx:
        assert tx.rows("SELECT last_at FROM streams") == [(1,)]
    store.close()


def test_the_child_goes_on_where_the_parent_closes(database_url: str) -> None:
    """The child holds its own locks: else the parent's end deletes SQLite's log under it."""
    reading, writing = os.pipe()

    def work() -> None:
        store.append("sess_child", FRAMES)
        with read(store.engine):
            os.read(reading, 1)
        for _ in range(20):
            store.append("sess_child", [NOTE])

    store = EventStore(database_url)
    store.append(SESSION, FRAMES)
    with read(store.engine):  # two connections
        store.append(SESSION, [NOTE])
    child = fork(work)
    store.close()
    os.write(writing, b".")
    child.said()
    os.close(reading)
    os.close(writing)
    check_whole(database_url, {SESSION: len(FRAMES) + 1, "sess_child": len(FRAMES) + 20})


def test_a_child_that_closes_leaves_its_parent_alone(database_url: str) -> None:
    with EventStore(database_url) as store, read(store.engine) as tx:
        store.append(SESSION, FRAMES)
        before = tx.rows("SELECT 1")

        def child() -> None:
            store.close()
            gc.collect()

        fork(child).said()
        fork(gc.collect).said()
        assert tx.rows("SELECT 1") == before
        store.append(SESSION, [NOTE])
    check_whole(database_url, {SESSION: len(FRAMES) + 1})


ENDS = """
import os, sys
from eventstore import EventStore
from eventstore.store.database.connections.wal import Checkpointer
from eventstore.store.database.transaction import Transaction, read, write
store = EventStore(sys.argv[1])
with read(store.engine) as reading, write(store.engine) as tx:
    reading.rows("SELECT 1")
    tx.run("UPDATE streams SET last_at = 1")
    child = os.fork()
    if child == 0:
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    tx.run("UPDATE streams SET last_at = 2")
    reading.rows("SELECT 1")
store.close()
"""


def test_a_child_that_ends_finalises_nothing_of_its_parents(database_url: str) -> None:
    with EventStore(database_url) as store:
        store.append(SESSION, FRAMES)
        command = [sys.executable, "-W", "error", "-c", ENDS, database_url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        with read(store.engine) as tx:
            assert tx.rows("SELECT last_at FROM streams") == [(2,)]


def test_children_of_children(database_url: str) -> None:
    def child() -> str:
        append_times(store, "child", 20)
        grandchild = fork(lambda: append_times(store, "grandchild", 20))
        for _ in range(20):
            store.append("child", [NOTE])
        return grandchild.said()

    with EventStore(database_url) as store:
        append_times(store, SESSION, 1)
        fork(child).said()
    check_whole(database_url, {SESSION: 1, "child": 40, "grandchild": 20})


def test_locks_that_other_threads_hold_do_not_stop_the_child(database_url: str) -> None:
    with EventStore(database_url) as store:
        store.append(SESSION, FRAMES)
        assert store._states is not None
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            assert store._states is not None
            with store._states._lock:
                held.set()
                done.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(30)
        child = fork(lambda: store.append(SESSION, [NOTE]))
        child.said()
        done.set()
        thread.join()


def test_many_forks_beside_threads_that_append(database_url: str) -> None:
    stop = threading.Event()
    appended = {"sess_0": 0, "sess_1": 0}

    def append(session_id: str) -> None:
        while not stop.is_set():
            store.append(session_id, [NOTE])
            appended[session_id] += 1

    with EventStore(database_url) as store:
        threads = [threading.Thread(target=append, args=(name,)) for name in appended]
        for thread in threads:
            thread.start()
        try:
            for number in range(6):
                fork(lambda name=f"child_{number}": append_times(store, name, 5)).said()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    sessions = {name: count for name, count in appended.items() if count}
    check_whole(database_url, {**sessions, **{f"child_{n}": 5 for n in range(6)}})


def test_a_database_in_memory_is_copied() -> None:
    def child() -> str:
        assert store.last_seq(SESSION) == len(FRAMES)
        store.append(SESSION, [NOTE] * 3)
        with read(store.engine) as tx:
            assert tx.rows("SELECT COUNT(*) FROM streams WHERE session_id = 'open'") == [(0,)]
        return str(store.last_seq(SESSION))

    with EventStore("sqlite://") as store:
        store.append(SESSION, FRAMES)
        assert fork(child).said() == str(len(FRAMES) + 3)
        assert store.last_seq(SESSION) == len(FRAMES)
        with write(store.engine) as tx:
            tx.run(OPEN_STREAM, ("open", 0, 1))
            assert fork(child).said() == str(len(FRAMES) + 3)


def test_the_childs_checkpointer_has_a_thread_of_its_own(tmp_path: Path) -> None:
    def child() -> bool:
        checkpointer = store._checkpointer
        assert isinstance(checkpointer, Checkpointer)
        checkpointer.appended(10_000)
        assert checkpointer._running is not None
        checkpointer._running.result(30)
        store.close()
        return True

    with EventStore(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.append(SESSION, FRAMES)
        assert store._checkpointer is not None
        store._checkpointer.appended(10_000)
        fork(child).said()


def test_a_connection_of_somebody_elses_makes_the_child_say_so(tmp_path: Path) -> None:
    def child() -> str:
        with pytest.raises(ForkError, match="its parent had the file open"):
            store.append(SESSION, [NOTE])
        return "told"

    path = tmp_path / "store.db"
    with EventStore(f"sqlite:///{path}") as store:
        store.append(SESSION, FRAMES)
        other = sqlite3.connect(path)
        other.execute("SELECT COUNT(*) FROM streams").fetchall()
        assert fork(child).said() == "told"
        other.close()
        fork(lambda: store.append(SESSION, [NOTE])).said()


def test_a_closed_store_is_not_kept_for_children(database_url: str) -> None:
    store = EventStore(database_url)
    store.append(SESSION, [NOTE])
    seen = weakref.ref(store), weakref.ref(store._states), weakref.ref(store.engine)
    store.close()
    del store
    gc.collect()
    assert [one() for one in seen] == [None, None, None]


def _append_in_worker(name: str) -> int:
    assert _store is not None
    for _ in range(10):
        _store.append(name, [NOTE])
    return _store.last_seq(name)


@pytest.mark.parametrize("executor", [False, True])
def test_multiprocessing_forks(database_url: str, executor: bool) -> None:
    """As gunicorn with --preload does, and Celery: the application's store is of its module."""
    global _store
    _store = EventStore(database_url)
    try:
        _store.append("parent", [NOTE])
        context, names = multiprocessing.get_context("fork"), [f"sess_{n}" for n in range(6)]
        if executor:
            with ProcessPoolExecutor(3, context) as workers:
                assert list(workers.map(_append_in_worker, names)) == [10] * 6
        else:
            with context.Pool(3) as pool:
                assert pool.map(_append_in_worker, names) == [10] * 6
        _store.append("parent", [NOTE], expected_seq=1)
    finally:
        _store.close()
        _store = None
    check_whole(database_url, {"parent": 2, **dict.fromkeys(names, 10)})


def test_stores_of_one_database_are_all_let_go_of(database_url: str) -> None:
    """One store's child has its file open no more once all have let go of it."""

    def child() -> None:
        first.append("sess_child", [NOTE])
        second.append("sess_child", [NOTE])

    with EventStore(database_url) as first, EventStore(database_url) as second:
        first.append(SESSION, FRAMES)
        for one, other in ((first, second), (second, first)):
            with read(one.engine) as reading, write(other.engine) as tx:
                reading.rows("SELECT 1 FROM streams")
                tx.run("UPDATE streams SET opened_at = opened_at")
                forked = fork(child)
            forked.said()
    check_whole(database_url, {SESSION: len(FRAMES), "sess_child": 4})


@pytest.mark.parametrize("work", ["append", "vacuum", "log"])
def test_who_waits_for_another_thread_waits_outside_of_the_database(
    database_url: str, work: str
) -> None:
    """A fork waits for calls of SQLite, and these shall not wait for who waits for the fork."""
    begun, forked = threading.Event(), threading.Event()

    def frames() -> Iterator[Frame]:
        yield from FRAMES
        begun.set()
        assert forked.wait(60)
        yield from FRAMES

    def hold() -> None:
        if work != "log":
            store.append(SESSION, frames())
            return
        with read(store.engine) as tx:
            tx.rows("SELECT 1 FROM streams")
            begun.set()
            assert forked.wait(60)

    with EventStore(database_url) as store, EventStore(database_url) as other:
        other.append("sess_other", FRAMES)
        do = partial(other.append, "sess_other", [NOTE]) if work == "append" else other.vacuum
        threads = [threading.Thread(target=hold), threading.Thread(target=do)]
        threads[0].start()
        assert begun.wait(30)
        threads[1].start()
        threads[1].join(0.5)  # it waits now
        child = fork(lambda: store.append("sess_child", [NOTE]))
        forked.set()
        for thread in threads:
            thread.join()
        child.said()


def test_a_fork_beside_threads_that_open_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    class Small:
        def renew(self) -> None:
            pass

    def open_many() -> None:
        while not stop.is_set():
            kept.append([Small() for _ in range(100)])
            for one in kept[-1]:
                forks.renew_in_children(one)
            del kept[:-5]

    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    kept: list[list[Small]] = []
    stop = threading.Event()
    threads = [threading.Thread(target=open_many) for _ in range(2)]
    interval = sys.getswitchinterval()
    for thread in threads:
        thread.start()
    try:
        sys.setswitchinterval(1e-6)
        for _ in range(8):
            fork(lambda: None).said()
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        for thread in threads:
            thread.join()
    assert said == []
