"""The recorder where things break: disks, folders, files, databases, its own user."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import make_url
from support.disks import Disk, small_disk
from support.gate import gate_to_database
from support.record_command import port_of, recording
from support.recorder_calls import created, is_in_step, locked, noted, say, talk, wait_until, wire
from support.relaying import (
    asking,
    bare_client,
    bare_server,
    both_sides,
    read_all,
    read_head,
    switching,
)
from support.terminal import ended
from websockets.frames import Frame, Opcode

from eventstore import EventStore, Recorder
from eventstore.capture.recorder.recover import recover
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.capture.recorder.spool import orphaned_spools
from eventstore.capture.recorder.spool.spool import Spool
from eventstore.errors import EventStoreError
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.store.log import insert_events as append_to_stream

NO_DATABASE = b"no database" * 100


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def away(tmp_path: Path) -> tuple[str, Path]:
    """A database that cannot be used until the file is deleted."""
    path = tmp_path / "away.db"
    path.write_bytes(NO_DATABASE)
    return f"sqlite:///{path}", path


def texts(store: EventStore, session_id: str) -> list[str | bytes]:
    return [text for _, text in wire(store, session_id)]


# The end


def test_who_waits_for_a_commit_is_told_at_the_end(away: tuple[str, Path], spool: Path) -> None:
    url, _ = away
    recorder = Recorder(url, spool)
    session = recorder.session(session_id="a")
    session.record(CLIENT, "x")
    waiting = session.committed()
    cancelled = session.committed()
    assert cancelled.cancel()
    recorder.close(timeout=0.1)
    with pytest.raises(EventStoreError, match="not in the database"):
        waiting.result(0)
    with pytest.raises(EventStoreError, match="not in the database"):
        session.committed().result(0)


def test_a_recorder_that_is_closed_takes_no_session(database_url: str, spool: Path) -> None:
    recorder = Recorder(database_url, spool)
    session = recorder.session(session_id="a")
    recorder.close()
    session.record(CLIENT, "late")
    session.committed().result(0)
    with pytest.raises(EventStoreError, match="closed"):
        recorder.session()
    recorder.close()
    with EventStore(database_url) as store:
        assert wire(store, "a") == []


# What the database refuses


@pytest.fixture
def picky(database_url: str) -> Iterator[EventStore]:
    """A store whose database refuses frames with POISON in them."""
    with EventStore(database_url) as store:
        if database_url.startswith("sqlite"):

            def limit(connection: sqlite3.Connection, _: object) -> None:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 200_000)

            store.engine.dispose()
            event.listen(store.engine, "connect", limit)
        else:
            for statement in REFUSING:
                run_sql(database_url, statement)
        yield store
        if not database_url.startswith("sqlite"):
            for statement in ALLOWING:
                run_sql(database_url, statement)


POISON = "poison" * 50_000
# No trigger, which Citus does not have.
REFUSING = (
    """CREATE FUNCTION refuse(frame text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
      IF frame LIKE 'poison%' THEN RAISE EXCEPTION 'no' USING ERRCODE = 'data_exception'; END IF;
      RETURN true;
    END $$""",
    "ALTER TABLE events ADD CONSTRAINT refuse CHECK (refuse(frame))",
)
ALLOWING = ("ALTER TABLE events DROP CONSTRAINT refuse", "DROP FUNCTION refuse(text)")


def run_sql(url: str, sql: str, options: str = "") -> None:
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True, options=options) as connection:
        connection.execute(sql.encode())


def test_a_frame_that_is_refused_takes_no_other_with_it(picky: EventStore, spool: Path) -> None:
    with Recorder(picky, spool, interval=0.2) as recorder:
        sessions = [recorder.session(session_id=f"s{number}") for number in range(50)]
        for session in sessions:
            session.committed().result(10)
        for session in sessions:
            session.record(CLIENT, "before")
        sessions[7].record(CLIENT, POISON)
        for session in sessions:
            session.record(CLIENT, "behind")
        refused = sessions[7].committed()
        fine = sessions[8].committed()
        with pytest.raises(EventStoreError, match="refused"):
            refused.result(20)
        fine.result(20)
        sessions[7].record(CLIENT, POISON)
        sessions[7].close("client", 1000)
        recorder.close()
        counters = recorder.counters()
    assert (counters.accepted, counters.written, counters.missed) == (102, 100, 2)
    assert counters.behind == 0
    for session in sessions:
        assert texts(picky, str(session.session_id)) == ["before", "behind"]
    assert [e.type for e in picky.events("s7")] == [
        "eventstore.session.opened",
        "eventstore.unreadable",
        "eventstore.session.gap",
        "eventstore.unreadable",
        "eventstore.session.gap",
        "eventstore.session.closed",
    ]
    assert noted(picky, "s7", "gap")[0]["reason"] == "refused"
    (kept,) = spool.iterdir()
    # Twice, where the spool took over meanwhile.
    assert kept.suffix == ".refused" and kept.read_bytes().count(POISON.encode()) >= 2
    is_in_step_later(picky)


def is_in_step_later(store: EventStore) -> None:
    """What was appended without read models is caught up with first."""
    store.project()
    is_in_step(store)


def leave(url: str, spool: Path, frames: list[str], name: str = "sess_a") -> None:
    """What a recorder leaves that cannot reach its database."""
    recorder = Recorder(url, spool)
    session = recorder.session()
    session.record(SERVER, created(name))
    for frame in frames:
        session.record(CLIENT, frame)
    session.close("client", 1000)
    recorder.close(timeout=0.1)
    assert recorder.counters().behind == len(frames) + 1


def test_what_is_refused_of_what_was_left_stops_nothing(
    picky: EventStore, away: tuple[str, Path], spool: Path
) -> None:
    leave(away[0], spool, ["before", POISON, "behind"])
    with Recorder(picky, spool) as recorder:
        session = recorder.session(session_id="new")
        session.record(CLIENT, "x")
        session.committed().result(20)
        wait_until(lambda: recorder.trouble is None)
    assert texts(picky, "sess_a") == [created("sess_a"), "before", "behind"]
    (gap,) = noted(picky, "sess_a", "gap")
    assert gap["reason"] == "refused"
    (kept,) = spool.iterdir()
    assert kept.suffix == ".refused" and kept.read_bytes().count(POISON.encode()) == 1


@pytest.fixture
def broken_projector(monkeypatch: pytest.MonkeyPatch) -> None:
    """A projector with a fault: it raises at one frame."""
    advance = append_to_stream.apply_fields

    def raising(*given: object) -> None:
        if "fault" in str(given[5]):
            raise RuntimeError("a fault in projecting")
        advance(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(append_to_stream, "apply_fields", raising)


FAULT = json.dumps({"type": "response.create", "event_id": "fault"})


@pytest.mark.usefixtures("broken_projector")
def test_a_fault_in_projecting_keeps_no_frame_out(
    database_url: str, away: tuple[str, Path], spool: Path
) -> None:
    leave(away[0], spool, ["1", FAULT, "2"])
    with EventStore(database_url) as store, Recorder(store, spool) as recorder:
        sessions = [recorder.session(session_id=f"s{number}") for number in range(3)]
        for session in sessions:
            session.record(CLIENT, "x")
            session.committed().result(20)
        wait_until(lambda: recorder.trouble is None)
        for session in sessions:
            session.record(CLIENT, FAULT if session is sessions[1] else "y")
        for session in sessions:
            session.committed().result(20)
        recorder.close()
        assert recorder.counters().missed == recorder.counters().behind == 0
        assert texts(store, "sess_a") == [created("sess_a"), "1", FAULT, "2"]
        assert texts(store, "s1") == ["x", FAULT]
        assert texts(store, "s2") == ["x", "y"]
    assert list(spool.iterdir()) == []


# The spool's folder


FOREIGN = {
    "1-1-00000a.journal": b"5\n{}\n[[1],2]\n[]\nnull\n\x00\x00\xff\n"
    + b'["begun","k",1,2,3,4,5,6]\n',
    "2-1-00000a.journal": b"",
    "3-1-00000a.000001.spool": b"",
    "4-1-00000a.000001.spool": bytes(4096),
    "5-1-00000a.000001.spool": b"eventstore spool 2\n" + bytes(4096),
    "6-1-00000a.lock": b"whatever",
    "7-1-00000a.000001.spool": b"eventstore spool 2\n" + b"\xff" * 100,
}


def test_foreign_and_damaged_files_stop_nothing(
    database_url: str, away: tuple[str, Path], spool: Path
) -> None:
    leave(away[0], spool, ["1"])
    for name, data in FOREIGN.items():
        (spool / name).write_bytes(data)
    others = ["notes.txt", "my-old-notes.journal", "a-b-c.spool"]
    for name in others:
        (spool / name).write_text("not of the spool")
    (spool / "8-1-00000a.000001.spool").mkdir()
    with EventStore(database_url) as store:
        with Recorder(store, spool) as recorder:
            session = recorder.session(session_id="new")
            session.record(CLIENT, "x")
            session.committed().result(20)
            wait_until(lambda: recorder.trouble is None)
        assert texts(store, "sess_a") == [created("sess_a"), "1"]
        assert texts(store, "new") == ["x"]
    assert {*others, "8-1-00000a.000001.spool"} <= {path.name for path in spool.iterdir()}
    assert [path.name for path in spool.glob("*.lock")] == []


def test_several_recover_the_leftovers_of_several(
    database_url: str, away: tuple[str, Path], spool: Path
) -> None:
    for number in range(6):
        leave(away[0], spool, [str(n) for n in range(50)], f"sess_{number}")
    with EventStore(database_url) as store:
        recorders = [Recorder(store, spool) for _ in range(3)]
        for name in orphaned_spools.process_names(spool):
            recover(store, spool, name)
        sessions = [one.session(session_id=f"new{n}") for n, one in enumerate(recorders)]
        for session in sessions:
            session.record(CLIENT, "x")
            session.committed().result(20)
        wait_until(lambda: all(one.trouble is None for one in recorders))
        for recorder in recorders:
            recorder.close()
        for number in range(6):
            expected = [created(f"sess_{number}"), *map(str, range(50))]
            assert texts(store, f"sess_{number}") == expected
        is_in_step(store)
    assert list(spool.iterdir()) == []


def test_a_recorder_that_starts_is_never_taken_for_a_dead_one(tmp_path: Path) -> None:
    over = threading.Event()

    def take_over_all() -> None:
        while not over.is_set():
            for name in orphaned_spools.process_names(tmp_path):
                lock = orphaned_spools.take_over(tmp_path, name)
                if lock is not None:
                    orphaned_spools.delete_files(tmp_path, name)
                    lock.close()

    thread = threading.Thread(target=take_over_all)
    thread.start()
    try:
        for _ in range(300):
            spool = Spool(tmp_path)
            assert spool.name in orphaned_spools.process_names(tmp_path)
            assert (tmp_path / f"{spool.name}{orphaned_spools.LOCK}").exists()
            spool.close()
    finally:
        over.set()
        thread.join()


def test_a_folder_that_is_gone_is_made_again(away: tuple[str, Path], spool: Path) -> None:
    url, file = away
    with Recorder(url, spool) as recorder:
        for path in spool.iterdir():
            path.unlink()
        spool.rmdir()
        sessions = talk(recorder, 1)
        say(sessions, 0, 10)
        wait_until(lambda: recorder.counters().spooled == 11)
        file.unlink()
    with EventStore(url) as store:
        assert texts(store, "sess_0") == [created("sess_0"), *map(str, range(10))]


def test_files_that_are_gone_with_their_frames_are_a_gap(
    away: tuple[str, Path], spool: Path
) -> None:
    url, file = away
    with Recorder(url, spool) as recorder:
        sessions = talk(recorder, 1)
        session: SessionRecorder = sessions[0]  # type: ignore[assignment]
        say(sessions, 0, 10)
        wait_until(lambda: recorder.counters().spooled == 11)
        lost = session.committed()
        (entries,) = spool.glob("*.spool")
        entries.unlink()
        file.unlink()
        wait_until(lambda: recorder.trouble is None)
        session.record(CLIENT, "again")
        wait_until(lost.done)
        with pytest.raises(EventStoreError, match="lost"):
            lost.result(10)
        session.committed().result(10)
        counters = recorder.counters()
        assert (counters.written, counters.missed, counters.behind) == (1, 11, 0)
    with EventStore(url) as store:
        (made,) = [s["eventstore"]["session_id"] for s in store.sessions().data]
        assert texts(store, made) == ["again"]
        (gap,) = noted(store, made, "gap")
        assert (gap["reason"], gap["frames"]) == ("spool_damaged", 12)
        is_in_step(store)


def test_a_log_handler_that_hangs_blocks_no_frame(away: tuple[str, Path], spool: Path) -> None:
    url, file = away
    free, hanging = threading.Event(), threading.Event()

    class Hanging(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            hanging.set()
            free.wait(20)

    handler = Hanging()
    logging.getLogger("eventstore.recorder").addHandler(handler)
    try:
        with Recorder(url, spool) as recorder:
            session = recorder.session(session_id="a")
            session.record(CLIENT, "x")
            assert hanging.wait(10)
            thread = threading.Thread(target=session.record, args=(CLIENT, "y"))
            thread.start()
            thread.join(5)
            blocked = thread.is_alive()
            free.set()
            file.unlink()
            assert not blocked
    finally:
        logging.getLogger("eventstore.recorder").removeHandler(handler)


# The database at every moment


@pytest.mark.parametrize("first", [1, 2, 3])
def test_answers_that_are_lost_double_nothing(
    request: pytest.FixtureRequest, shared_postgres: str, spool: Path, first: int
) -> None:
    """The commit is done and its answer lost: of a session's first append, a later, its last."""
    with gate_to_database(shared_postgres) as (gate, through), EventStore(shared_postgres) as store:
        with Recorder(through, spool, patience=0.2) as recorder:
            sessions = [recorder.session() for _ in range(3)]

            def act(step: int, number: int) -> None:
                session = sessions[number]
                if step == 1:
                    session.record(SERVER, created(f"sess_{number}"))
                elif step == 2:
                    session.record(CLIENT, "x")
                else:
                    session.close("client", 1000)

            for step in (1, 2, 3):
                lossy = step >= first
                if lossy:
                    gate.lose_answers()
                for number in range(3):
                    act(step, number)
                if lossy:
                    wait_until(lambda: recorder.trouble is not None)
                    gate.shut()
                    gate.open()
                wait_until(lambda: recorder.trouble is None)
                wait_until(lambda: recorder.counters().behind == 0)
        for number in range(3):
            assert texts(store, f"sess_{number}") == [created(f"sess_{number}"), "x"]
            assert len(noted(store, f"sess_{number}", "closed")) == 1
            assert store.last_seq(f"sess_{number}") == 4
        counters = recorder.counters()
        assert (counters.accepted, counters.written, counters.behind) == (6, 6, 0)
        is_in_step(store)
    assert list(spool.iterdir()) == []


@pytest.fixture
def shared_postgres(request: pytest.FixtureRequest) -> Iterator[str]:
    server = request.getfixturevalue("postgres")
    name = server.create_database(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop_database(name)


def test_what_a_slow_database_takes_in_the_end_counts_once(
    shared_postgres: str, spool: Path
) -> None:
    with gate_to_database(shared_postgres) as (gate, through), EventStore(shared_postgres) as store:
        with Recorder(through, spool, patience=0.1) as recorder:
            sessions = talk(recorder, 3)
            wait_until(lambda: recorder.counters().written == 3)
            for _ in range(5):
                gate.jam()
                before = recorder.counters().spooled
                say(sessions, 0, 10)
                wait_until(lambda: recorder.counters().spooled > before)  # noqa: B023
                gate.open()
                wait_until(lambda: recorder.trouble is None)
                wait_until(lambda: recorder.counters().behind <= 0)
                counters = recorder.counters()
                assert counters.accepted == counters.written
        for number in range(3):
            assert len(wire(store, f"sess_{number}")) == 51


def test_a_database_that_is_read_only_for_a_while(shared_postgres: str, spool: Path) -> None:
    name = make_url(shared_postgres).database
    with Recorder(shared_postgres, spool) as recorder:
        sessions = talk(recorder, 3)
        say(sessions, 0, 10)
        run_sql(
            shared_postgres,
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = on;'
            " SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        say(sessions, 10, 20)
        wait_until(lambda: "read-only" in str(recorder.trouble))
        run_sql(
            shared_postgres,
            f'ALTER DATABASE "{name}" RESET default_transaction_read_only',
            "-c default_transaction_read_only=off",
        )
        wait_until(lambda: recorder.trouble is None)
        say(sessions, 20, 30)
    with EventStore(shared_postgres) as store:
        for number in range(3):
            assert texts(store, f"sess_{number}") == [
                created(f"sess_{number}"),
                *map(str, range(30)),
            ]
        is_in_step(store)
    assert list(spool.iterdir()) == []


def test_a_file_that_is_read_only_is_written_later(
    tmp_path: Path, sqlite_template: Path, spool: Path
) -> None:
    path = tmp_path / "calls.db"
    path.write_bytes(sqlite_template.read_bytes())
    with Recorder(f"sqlite:///file:{path}?mode=ro&uri=true", spool) as recorder:
        sessions = talk(recorder, 2)
        say(sessions, 0, 10)
        wait_until(lambda: recorder.counters().spooled == 22)
        assert "readonly" in str(recorder.trouble)
        recorder.close(timeout=0.1)
    with EventStore(f"sqlite:///{path}") as store:
        with Recorder(store, spool) as recorder:
            wait_until(lambda: recorder.trouble is None)
        for number in range(2):
            assert texts(store, f"sess_{number}") == [
                created(f"sess_{number}"),
                *map(str, range(10)),
            ]
    assert list(spool.iterdir()) == []


# Odd and many


def test_large_and_odd_frames_come_over_the_spool(away: tuple[str, Path], spool: Path) -> None:
    url, file = away
    odd = ["\x00", "\ud800", '"\ud83d\ude00', "x" * 30_000_000, "", b"", b"\x00" * 1000]
    with Recorder(url, spool, memory=200_000_000) as recorder:
        session = recorder.session(session_id="a")
        for frame in odd:
            session.record(CLIENT, frame)
        wait_until(lambda: recorder.counters().spooled == len(odd))
        file.unlink()
        wait_until(lambda: recorder.trouble is None)
        for frame in odd:
            session.record(SERVER, frame)
        session.close("client", 1000, "\ud800\x00")
    with EventStore(url) as store:
        assert texts(store, "a") == odd * 2


def test_thousands_of_sessions_leave_nothing(database_url: str, spool: Path) -> None:
    with EventStore(database_url) as store:
        with Recorder(store, spool) as recorder:
            for _ in range(3):
                for number in range(1000):
                    session = recorder.session()
                    if number % 2:
                        session.record(SERVER, created(f"sess_{number}"))
                    session.close("client", 1000)
                wait_until(lambda: not recorder._pending.recordings)
            (journal,) = spool.glob("*.journal")
            assert journal.read_text().count("\n") < 3000
            assert recorder._pending.held == 0
        assert store.status()["sessions"] == 3000
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("patience", [0.05, 5.0])
def test_several_recordings_and_metadata_of_one_session(
    database_url: str, spool: Path, patience: float
) -> None:
    """One chosen id, four recordings of two recorders, metadata set by another."""
    with EventStore(database_url) as store, EventStore(database_url) as other:
        recorders = [Recorder(store, spool, 0.002, patience=patience) for _ in range(2)]
        sessions = [recorders[n % 2].session(session_id="shared") for n in range(4)]

        def talk_on(number: int) -> None:
            for count in range(150):
                sessions[number].record(CLIENT, f"{number}:{count}", at=1000)
                if count % 50 == 0:
                    sessions[number].committed().result(60)
            sessions[number].close()

        threads = [threading.Thread(target=talk_on, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):
            other.set_metadata("shared", {"n": str(number)})
        for thread in threads:
            thread.join()
        for recorder in recorders:
            recorder.close()
        came = [str(text) for text in texts(store, "shared")]
        for number in range(4):
            expected = [f"{number}:{count}" for count in range(150)]
            assert [text for text in came if text.startswith(f"{number}:")] == expected
        assert len(came) == 600
        head = store.last_seq("shared")
        assert [event.seq for event in store.events("shared")] == list(range(1, head + 1))
        assert noted(store, "shared", "gap") == []
        is_in_step(store)


def test_equal_frames_at_equal_times_are_all_there(
    tmp_path: Path, sqlite_template: Path, spool: Path
) -> None:
    """A session that goes on with what it holds already, and goes over the spool meanwhile."""
    path = tmp_path / "calls.db"
    path.write_bytes(sqlite_template.read_bytes())
    with EventStore(f"sqlite:///{path}") as store:
        for _ in range(2):
            with Recorder(store, spool, patience=0.1) as recorder:
                session = recorder.session(session_id="mine")
                session.record(CLIENT, "same", at=1000)
                session.committed().result(20)
                with locked(path):
                    session.record(CLIENT, "same", at=1000)
                    wait_until(lambda: recorder.counters().spooled == 1)
                    session.record(CLIENT, "same", at=1000)
                    wait_until(lambda: recorder.counters().spooled == 2)
                session.committed().result(20)
        assert texts(store, "mine") == ["same"] * 6


# The disk is full


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


def told(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(caplog.messages)


def test_a_full_disk_under_database_and_spool(
    disk: Disk, sqlite_template: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = disk.path / "calls.db"
    path.write_bytes(sqlite_template.read_bytes())
    with EventStore(f"sqlite:///{path}") as store:
        with Recorder(store, memory=300_000) as recorder:
            session = recorder.session()
            session.record(SERVER, created("sess_a"))
            session.committed().result(20)
            sent = 0
            for _ in range(2):
                disk.fill()
                missed = recorder.counters().missed
                while recorder.counters().missed < missed + 10:
                    session.record(CLIENT, f"{sent:06}" + "x" * 10_000)
                    sent += 1
                with pytest.raises(RuntimeError, match="missed"):
                    session.committed().result(20)
                wait_until(lambda: "cannot be written" in told(caplog))
                wait_until(lambda: "database or disk is full" in told(caplog))
                disk.free()
                wait_until(lambda: recorder.counters().behind == 0)
                session.record(CLIENT, "again")
                session.committed().result(20)
            session.close("client", 1000)
        counters = recorder.counters()
        assert counters.written + counters.missed == sent + 3
        came = texts(store, "sess_a")[1:]
        assert came.count("again") == 2
        numbers = [int(str(text)[:6]) for text in came if text != "again"]
        assert numbers == sorted(set(numbers))
        gaps = noted(store, "sess_a", "gap")
        assert [gap["reason"] for gap in gaps] == ["overflow", "overflow"]
        assert sum(gap["frames"]["client"] for gap in gaps) == counters.missed  # type: ignore[index]
        assert counters.missed == sent - len(numbers)
        is_in_step(store)
    assert not any((disk.path / "calls.db-spool").iterdir())


def test_a_disk_that_is_full_to_the_end_is_told(
    disk: Disk, sqlite_template: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = disk.path / "calls.db"
    path.write_bytes(sqlite_template.read_bytes())
    with EventStore(f"sqlite:///{path}") as store:
        recorder = Recorder(store)
        session = recorder.session(session_id="a")
        session.committed().result(20)
        disk.fill()
        for number in range(100):
            session.record(CLIENT, str(number) + "x" * 10_000)
        waiting = session.committed()
        recorder.close(timeout=0.5)
        with pytest.raises(EventStoreError, match="not in the database"):
            waiting.result(0)
        assert "100 frames are lost: neither database nor spool took them" in told(caplog)
        counters = recorder.counters()
        assert (counters.missed, counters.behind) == (100, 0)
        disk.free()
        with Recorder(store) as recorder:
            wait_until(lambda: recorder.trouble is None)
        assert wire(store, "a") == []
        (closed,) = noted(store, "a", "closed")
        assert "may be missing" in str(closed["reason"])


def test_record_on_a_full_disk(disk: Disk, sqlite_template: Path) -> None:
    """The real process: calls go on, its log says why, and all is there in the end."""
    path = disk.path / "calls.db"
    path.write_bytes(sqlite_template.read_bytes())
    frame = Frame(Opcode.TEXT, b"x" * 10_000).serialize(mask=False)
    go_on = threading.Event()

    def talk(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switching(head) + frame)
        assert go_on.wait(30)
        connection.sendall(frame * 100)
        read_all(connection)

    with EventStore(f"sqlite:///{path}") as store, bare_server(talk) as upstream:
        with recording(store, "--upstream", upstream.url) as (process, at):
            with bare_client(port_of(at), asking()) as client:
                read_head(client)
                wait_until(lambda: store.status()["events"] > 1)
                disk.fill()
                go_on.set()
                received = 0
                while received < len(frame) * 101:
                    received += len(client.recv(65536))
                assert process.stderr is not None
                lines: list[str] = []
                while not any("cannot be written" in line for line in lines):
                    lines.append(process.stderr.readline())
                disk.free()
            code, rest = ended(process, signal.SIGTERM)
        assert code == 0
        assert any("frames go to the spool" in line for line in lines)
        assert "the spool is written to the database" in rest
        ((_, frames),) = [both_sides(store)]
        assert frames == ["x" * 10_000] * 101
        is_in_step(store)


# Processes


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    tests = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{tests.parent}"},
        check=False,
    )


FORGETS_TO_CLOSE = """
import sys
from eventstore import Recorder
recorder = Recorder(sys.argv[1], sys.argv[2])
for number in range(20):
    session = recorder.session()
    session.record("client", str(number))
session.record("server", '{"type": "session.created", "session": {"id": "sess_a"}}')
"""


def test_a_program_that_ends_without_close_loses_nothing(database_url: str, spool: Path) -> None:
    done = run_python(FORGETS_TO_CLOSE, database_url, str(spool))
    assert (done.returncode, done.stderr) == (0, "")
    with EventStore(database_url) as store:
        assert texts(store, "sess_a")[0] == "19"
        assert store.status()["sessions"] == 20
        (closed,) = noted(store, "sess_a", "closed")
        assert closed["by"] == "recorder"
    assert list(spool.iterdir()) == []


def test_a_program_that_ends_while_the_database_is_away_does_not_hang(
    away: tuple[str, Path], spool: Path
) -> None:
    url, file = away
    start = time.monotonic()
    done = run_python(FORGETS_TO_CLOSE, url, str(spool))
    assert done.returncode == 0
    assert time.monotonic() - start < 15
    file.unlink()
    with EventStore(url) as store:
        with Recorder(store, spool) as recorder:
            wait_until(lambda: recorder.trouble is None)
        assert texts(store, "sess_a")[0] == "19"


FORKS = """
import os, sys
from eventstore import Recorder
from eventstore.errors import EventStoreError
Recorder(sys.argv[1], sys.argv[2]).close()
recorder = Recorder(sys.argv[1], sys.argv[2])
session = recorder.session(session_id="a")
session.record("client", "before")
session.committed().result(20)
with recorder._pending.lock:
    child = os.fork()
if child == 0:
    try:
        session.record("client", "of the child")
        recorder.session()
    except EventStoreError as error:
        print(error)
    recorder.close()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
session.record("client", "behind")
session.committed().result(20)
recorder.close()
"""


def test_a_fork_leaves_the_recorder_to_the_process_that_made_it(
    database_url: str, spool: Path
) -> None:
    done = run_python(FORKS, database_url, str(spool))
    assert (done.returncode, done.stderr) == (0, "")
    assert "another process" in done.stdout
    with EventStore(database_url) as store:
        assert texts(store, "a") == ["before", "behind"]
        assert len(noted(store, "a", "closed")) == 1
    assert list(spool.iterdir()) == []
