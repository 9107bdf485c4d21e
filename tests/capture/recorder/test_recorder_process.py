"""A recorder in a process of its own records as one in the program, and outlives its own end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventstore import EventStore, InvalidInputError, SchemaError
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.recorder.recorder import Counters
from eventstore.realtime.frames import CLIENT, SERVER, STORE
from eventstore.times import now

ROOT = Path(__file__).parents[3]


def created(id_: str) -> str:
    return json.dumps({"type": "session.created", "session": {"id": id_}})


def texts(store: EventStore, session_id: str) -> list[str | bytes]:
    return [event.text for event in store.events(session_id) if event.direction != STORE]


def notes(store: EventStore, session_id: str) -> list[dict[str, object]]:
    events = store.events(session_id, type="eventstore.session.*")
    return [json.loads(event.text) for event in events]


def wait_until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_it_records_what_it_is_told(database_url: str, spool: Path) -> None:
    recorder = RecorderProcess(database_url, spool)
    session = recorder.session({"customer": "42"}, None, {"by": "test"})
    odd = [created("sess_a"), "\0\ud83d", b"\xff", "plain"]
    for number, text in enumerate(odd):
        session.record(SERVER if number % 2 == 0 else CLIENT, text, now())
    session.gap("somewhat", facts=1)
    session.committed().result(20)
    wait_until(lambda: session.session_id)
    assert session.session_id == "sess_a"
    other = recorder.session()
    other.record(CLIENT, "x", now())
    session.close("client", 1000, "bye")
    session.record(CLIENT, "behind the end", now())
    recorder.close()
    assert recorder.counters() == Counters(5, 5, 0, 0, 0)
    assert list(spool.iterdir()) == []
    with EventStore(database_url) as store:
        assert texts(store, "sess_a") == odd
        opened, gap, closed = notes(store, "sess_a")
        assert (opened["by"], opened["metadata"]) == ("test", {"customer": "42"})
        assert (gap["reason"], gap["facts"]) == ("somewhat", 1)
        assert (closed["by"], closed["code"], closed["reason"]) == ("client", 1000, "bye")
        assert notes(store, str(other.session_id))[-1]["reason"] == "the recorder was stopped"
        assert sum(done.changed for done in store.rebuild().done) == 0


def test_what_it_cannot_begin_with_is_told(tmp_path: Path, empty_postgres_url: str) -> None:
    with pytest.raises(InvalidInputError, match="not a database URL"):
        RecorderProcess("nonsense")
    with pytest.raises(SchemaError, match="eventstore init"):
        RecorderProcess(empty_postgres_url, tmp_path / "spool")
    recorder = RecorderProcess(f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(InvalidInputError):
        recorder.session({"k" * 65: "v"})
    with pytest.raises(InvalidInputError):
        recorder.session(None, "")
    recorder.close()


def test_it_begins_while_the_database_is_away(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"no database" * 100)
    recorder = RecorderProcess(f"sqlite:///{path}")
    assert recorder.trouble is not None
    session = recorder.session(None, "sess_a")
    session.record(CLIENT, "x", now())
    wait_until(lambda: recorder.counters().spooled == 1)
    path.unlink()
    wait_until(lambda: recorder.trouble is None)
    recorder.close()
    with EventStore(f"sqlite:///{path}") as store:
        assert texts(store, "sess_a") == ["x"]


def test_what_it_logs_before_it_is_ready_is_heard(
    postgres_url: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.mkdir()
    left = spool / "00-1-abcdef.lock"
    left.touch()
    with EventStore(postgres_url) as store, store.engine.begin() as busy:
        # It is ready when it has read this table; what others left is looked at meanwhile.
        busy.exec_driver_sql("LOCK TABLE key_stores IN ACCESS EXCLUSIVE MODE")
        made = ThreadPoolExecutor(1).submit(RecorderProcess, postgres_url, spool)
        wait_until(lambda: not left.exists())
    recorder = made.result(20)
    recorder.session(None, "sess_a").record(CLIENT, "x", now())
    recorder.close()
    assert recorder.spool == spool
    assert recorder.counters().written == 1
    assert any("recovered 0 frames" in message for message in caplog.messages)


def test_sessions_go_on_where_the_process_is_killed(database_url: str, spool: Path) -> None:
    recorder = RecorderProcess(database_url, spool)
    calls = {name: recorder.session() for name in ("sess_a", "sess_b")}
    for name, session in calls.items():
        session.record(SERVER, created(name), now())
        session.committed().result(20)
    wait_until(lambda: all(session.session_id for session in calls.values()))
    recorder._process.kill()
    for number in range(200):
        calls["sess_a"].record(CLIENT, str(number), now())
        time.sleep(0.01)
    calls["sess_b"].close("client", 1000)
    calls["sess_a"].committed().result(20)
    wait_until(lambda: calls["sess_a"].session_id != "sess_a")
    recorder.close()
    again = str(calls["sess_a"].session_id)
    with EventStore(database_url) as store:
        for name in calls:
            assert texts(store, name)[0] == created(name)
            assert "may be missing" in str(notes(store, name)[-1]["reason"])
        gap = notes(store, again)[1]
        assert (gap["reason"], gap["previous"]) == ("recorder_restarted", "sess_a")
        # What was on its way is lost, and nothing that came later.
        kept = [int(text) for text in texts(store, again)]
        assert kept == list(range(kept[0], 200))
        assert kept[0] < 100
        assert store.session(again)["eventstore"]["closed"]
        assert sum(done.changed for done in store.rebuild().done) == 0


PROGRAM = """
import sys, time
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
recorder = RecorderProcess(sys.argv[1], sys.argv[2])
session = recorder.session(None, "sess_a")
for number in range(1000):
    session.record("client", str(number), 1)
session.committed().result()
print(recorder._process.pid, flush=True)
for number in range(1000, 100_000):
    session.record("client", str(number), 1)
    time.sleep(0.001)
"""


def test_what_was_told_is_kept_where_the_program_is_killed(database_url: str, spool: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database_url, str(spool)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert program.stdout is not None
    child = int(program.stdout.readline())
    time.sleep(0.3)
    program.send_signal(signal.SIGKILL)
    program.communicate()
    wait_until(lambda: not Path(f"/proc/{child}").exists())
    assert list(spool.iterdir()) == []
    with EventStore(database_url) as store:
        kept = texts(store, "sess_a")
        assert kept == [str(number) for number in range(len(kept))]
        assert len(kept) > 1000
        closed = notes(store, "sess_a")[-1]
        assert closed["reason"] == "the program that recorded it ended"
        assert store.session("sess_a")["eventstore"]["closed"]
