"""Checkpoints of SQLite's write-ahead log, beside the appends."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.calls import voice_call
from support.events import SESSION

from eventstore import EventStore
from eventstore.realtime.frames import Frame
from eventstore.store.database.connections import wal
from eventstore.store.database.engine import SQLITE_CHECKPOINT_PAGES, SQLITE_PAGE_SIZE

AUDIO = [Frame("client", '{"type": "input_audio_buffer.append", "audio": "' + "A" * 8000 + '"}')]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eventstore.db"


def append_megabytes(store: EventStore, count: int, session_id: str = SESSION) -> None:
    for _ in range(count * 10):
        store.append(session_id, AUDIO * 17)


def checkpoint_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("eventstore-checkpoint")]


def test_a_few_appends_start_no_thread(path: Path) -> None:
    with EventStore(f"sqlite:///{path}") as store:
        store.append(SESSION, voice_call().frames)
        assert checkpoint_threads() == []


def test_many_appends_are_copied_into_the_database_file(path: Path) -> None:
    with EventStore(f"sqlite:///{path}") as store:
        append_megabytes(store, 20)
        assert len(checkpoint_threads()) == 1
        assert path.stat().st_size > 5_000_000
        log = Path(f"{path}-wal").stat().st_size
        assert log < 2 * SQLITE_CHECKPOINT_PAGES * SQLITE_PAGE_SIZE
        append_megabytes(store, 5, "another")
    assert checkpoint_threads() == []
    with EventStore(f"sqlite:///{path}") as store:
        assert (store.last_seq(SESSION), store.last_seq("another")) == (3400, 850)
        assert {event.text for event in store.events(SESSION)} == {AUDIO[0].text}


def test_a_checkpoint_that_fails_fails_no_append(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wal, "PASSIVE_CHECKPOINT", "PRAGMA no such pragma at all")
    with EventStore(f"sqlite:///{path}") as store:
        append_megabytes(store, 10)
        assert store.last_seq(SESSION) == 1700


def test_a_closed_store_can_be_closed_again(path: Path) -> None:
    store = EventStore(f"sqlite:///{path}")
    append_megabytes(store, 15)
    store.close()
    store.close()


def test_appends_of_a_forked_child_go_on_without_the_thread(path: Path) -> None:
    with EventStore(f"sqlite:///{path}") as store:
        append_megabytes(store, 15)
        assert len(checkpoint_threads()) == 1
    child = os.fork()
    if child == 0:  # a child of its own connections, as SQLite asks for
        try:
            with EventStore(f"sqlite:///{path}") as own:
                append_megabytes(own, 15, "child")
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    with EventStore(f"sqlite:///{path}") as store:
        assert store.last_seq("child") == 2550


def test_memory_has_no_log() -> None:
    with EventStore("sqlite://") as store:
        append_megabytes(store, 10)
        assert checkpoint_threads() == []
