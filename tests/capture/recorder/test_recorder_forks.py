"""A forked child takes nothing of its parent's recorders, and waits for none of their locks."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.forking import fork
from support.relaying import eventually

from eventstore import EventStore, Recorder
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.errors import EventStoreError
from eventstore.realtime.frames import CLIENT, STORE
from eventstore.times import now

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def texts(store: EventStore, session_id: str) -> list[str | bytes]:
    return [event.text for event in store.events(session_id) if event.direction != STORE]


def test_a_recorders_process_stays_the_parents(database_url: str, tmp_path: Path) -> None:
    def child() -> None:
        session.record(CLIENT, "of the child", now())
        session.gap("of the child")
        with pytest.raises(EventStoreError, match="another process"):
            recorder.session()
        with pytest.raises(EventStoreError, match="another process"):
            session.committed().result(5)
        session.close()
        recorder.close()

    recorder = RecorderProcess(database_url, tmp_path / "spool")
    try:
        session = recorder.session(session_id="sess_a")
        session.record(CLIENT, "before", now())
        # Somebody of the parent's holds the lock at the fork.
        with recorder._lock:
            fork(child).said()
        session.record(CLIENT, "behind", now())
        session.committed().result(20)
        session.close("client", 1000, "")
    finally:
        recorder.close()
    with EventStore(database_url) as store:
        assert texts(store, "sess_a") == ["before", "behind"]
        notes = [event.type for event in store.events("sess_a") if event.direction == STORE]
        assert notes == ["eventstore.session.opened", "eventstore.session.closed"]


@on_sqlite
def test_a_recorders_process_does_not_wait_for_children(database_url: str, tmp_path: Path) -> None:
    told, (waiting, go_on) = tmp_path / "told", os.pipe()

    def program() -> None:
        recorder = RecorderProcess(database_url, tmp_path / "spool")
        session = recorder.session(session_id="sess_a")
        session.record(CLIENT, "before", now())
        session.committed().result(20)
        if os.fork() == 0:
            os.close(go_on)
            os.read(waiting, 1)
        else:
            told.write_text(str(recorder.pid))

    pid = os.fork()
    if pid == 0:
        try:
            program()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    recording = Path("/proc", told.read_text())
    eventually(
        lambda: not recording.exists() or "Z (zombie)" in recording.joinpath("status").read_text()
    )
    os.close(go_on)  # only now does the program's child end
    os.close(waiting)
    with EventStore(database_url) as store:
        assert store.session("sess_a")["eventstore"]["closed"]


def test_a_child_waits_for_no_masking_of_the_parent(database_url: str, tmp_path: Path) -> None:
    with EventStore(database_url) as store:
        with Recorder(store, spool=tmp_path / "spool", redact=True) as recorder:
            session = recorder.session(session_id="sess_a")
            session.record(CLIENT, "before")
            masking, forked = threading.Event(), threading.Event()

            def hold() -> None:
                with session._masking:
                    masking.set()
                    assert forked.wait(30)

            thread = threading.Thread(target=hold)
            thread.start()
            assert masking.wait(30)
            recording = threading.Thread(daemon=True)

            def child() -> bool:
                nonlocal recording
                work = (CLIENT, "of the child")
                recording = threading.Thread(target=session.record, args=work, daemon=True)
                recording.start()
                recording.join(5)
                return recording.is_alive()

            child_ = fork(child)
            forked.set()
            thread.join()
            assert child_.said() == "False"
            session.record(CLIENT, "behind")
        assert texts(store, "sess_a") == ["before", "behind"]
