"""A recorder that is killed: what it acknowledged is there, in order, once; the log says the rest.

`KILLS` is how often; `make endurance` asks for 200.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url
from support.recording_process import created, text_of

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.realtime.frames import STORE

KILLS = int(os.environ.get("KILLS", "3"))
TESTS = Path(__file__).parents[2]


def record_and_kill(url: str, spool: Path, seconds: float) -> dict[str, int]:
    """Let a process record for so long; the last number acknowledged, by session."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.recording_process", url, str(spool)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    said = process.stdout.read().split(b"\n")[:-1]
    process.stdout.close()
    process.wait()
    acknowledged: dict[str, int] = {}
    for line in said:
        name, number = line.decode().split()
        assert int(number) == acknowledged.get(name, 0) + 1
        acknowledged[name] = int(number)
    return acknowledged


@contextmanager
def disturbed(url: str, random_: random.Random) -> Iterator[None]:
    """SQLite is locked by another process now and then, so that frames go over the spool."""
    path = make_url(url).database
    over = threading.Event()

    def disturb() -> None:
        connection = sqlite3.connect(str(path), isolation_level=None, timeout=60)
        while not over.wait(random_.uniform(0, 0.3)):
            connection.execute("BEGIN IMMEDIATE")
            over.wait(random_.uniform(0, 0.5))
            connection.execute("ROLLBACK")
        connection.close()

    thread = threading.Thread(target=disturb)
    if url.startswith("sqlite"):
        thread.start()
    try:
        yield
    finally:
        over.set()
        if url.startswith("sqlite"):
            thread.join()


def test_what_was_acknowledged_outlives_a_kill(database_url: str, tmp_path: Path) -> None:
    chance = random.Random(KILLS)
    spool = tmp_path / "spool"
    acknowledged: dict[str, int] = {}
    for _ in range(KILLS):
        with disturbed(database_url, chance):
            acknowledged |= record_and_kill(database_url, spool, chance.uniform(0, 1.2))
    with Recorder(database_url, spool) as recorder:
        while recorder.trouble is not None:
            time.sleep(0.05)
    assert list(spool.iterdir()) == []
    with EventStore(database_url) as store:
        ids = all_sessions(store)
        assert set(acknowledged) <= set(ids)
        for session_id in ids:
            check_session(store, session_id, acknowledged.get(session_id, 0))
        assert sum(done.changed for done in store.rebuild().done) == 0


_UNNAMED = """
import sys, time
from eventstore.capture.recorder.recorder import Recorder
session = Recorder(*sys.argv[1:]).session({"customer": "42"})
session.record("client", '{"type":"session.update","session":{}}')
print("ready", flush=True)
time.sleep(60)
"""


def test_a_session_that_a_kill_leaves_without_a_frame_leaves_a_trace(
    database_url: str, tmp_path: Path
) -> None:
    """Its first frames wait for the server to name it; the journal knows of it before."""
    spool = tmp_path / "spool"
    process = subprocess.Popen(
        [sys.executable, "-c", _UNNAMED, database_url, str(spool)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    while not any("begun" in path.read_text() for path in spool.glob("*.journal")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    with Recorder(database_url, spool) as recorder:
        while recorder.trouble is not None:
            time.sleep(0.05)
    with EventStore(database_url) as store:
        (session,) = store.sessions().data
        assert session["eventstore"]["metadata"] == {"customer": "42"}
        events = list(store.events(session["eventstore"]["session_id"]))
    types = [json.loads(event.text)["type"] for event in events if event.direction == STORE]
    assert types == ["eventstore.session.opened", "eventstore.session.closed"]
    assert "may be missing" in json.loads(events[-1].text)["reason"]


def all_sessions(store: EventStore) -> list[str]:
    ids: list[str] = []
    page = store.sessions(limit=100)
    while page.data:
        ids += [session["eventstore"]["session_id"] for session in page.data]
        page = store.sessions(limit=100, after=ids[-1])
    return ids


def check_session(store: EventStore, session_id: str, acknowledged: int) -> None:
    events = list(store.events(session_id))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    came = [event.text for event in events if event.direction != STORE]
    assert came[:1] in ([created(session_id)], [])
    expected = [text_of(session_id, number) for number in range(1, len(came))]
    assert came[1:] == expected
    assert len(expected) >= acknowledged
    closed = json.loads(events[-1].text)
    assert (closed["type"], closed["by"]) == ("eventstore.session.closed", "recorder")
