"""Sessions that a recorder records, and what the log has of them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import CLIENT, SERVER, STORE


def created(id_: str) -> str:
    return json.dumps({"type": "session.created", "session": {"id": id_}})


def wire(store: EventStore, session_id: str) -> list[tuple[str, str | bytes]]:
    """What crossed the wire, by the log."""
    events = store.events(session_id)
    return [(event.direction, event.text) for event in events if event.direction != STORE]


def noted(store: EventStore, session_id: str, kind: str) -> list[dict[str, object]]:
    events: Iterator[StoredEvent] = store.events(session_id, type=f"eventstore.session.{kind}")
    return [json.loads(event.text) for event in events]


def wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def is_in_step(store: EventStore) -> None:
    """Read models are what a rebuild makes."""
    assert [done.changed for done in store.rebuild().done] == [0] * store.status()["sessions"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process has the database to itself."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def talk(recorder: Recorder, count: int) -> list[object]:
    """Begin so many sessions, with a first frame each."""
    sessions = [recorder.session() for _ in range(count)]
    for number, session in enumerate(sessions):
        session.record(SERVER, created(f"sess_{number}"))
    return sessions


def say(sessions: list[object], first: int, last: int) -> None:
    for number in range(first, last):
        for session in sessions:
            session.record(CLIENT, str(number))  # type: ignore[attr-defined]
        time.sleep(0.002)
