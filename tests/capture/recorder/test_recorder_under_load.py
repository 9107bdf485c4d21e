"""Integration: what a recorder does where its database fails in part, or is slow once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support.recorder_calls import is_in_step, talk, wait_until, wire

from eventstore import EventStore, Recorder
from eventstore.errors import ConflictError, DatabaseUnavailableError
from eventstore.realtime.frames import CLIENT
from eventstore.store.sessions.append_arguments import Append, Appended

SESSIONS = 8


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        yield opened


def test_what_half_of_a_transaction_has_written_is_not_written_again(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session refuses its entries; of the halves without it, one fails and one is committed."""
    append, sizes = store.append_together, list[int]()

    def appending(appends: Sequence[Append]) -> list[Appended]:
        sizes.append(len(appends))
        if len(sizes) == 1:
            raise ConflictError("sess_0", 1, 2)
        done = append(appends)
        if len(sizes) == 3:
            raise DatabaseUnavailableError("the answer is lost")
        return done

    with Recorder(store, tmp_path / "spool", interval=0.3, patience=120) as recorder:
        sessions = talk(recorder, 20)
        wait_until(lambda: recorder.counters().behind == 0)
        monkeypatch.setattr(store, "append_together", appending)
        for session in sessions:
            session.record(CLIENT, "x")
        wait_until(lambda: recorder.counters().behind == 0)
    assert sizes[:3] == [20, 10, 10]
    for number in range(20):
        assert [text for _, text in wire(store, f"sess_{number}")][1:] == ["x"]
    is_in_step(store)


def test_frames_that_come_while_the_spool_is_read_are_written_behind_it(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database is slow once. Later frames stay in memory for a while, or go to the spool too."""
    append, slow = store.append_together, threading.Event()

    def appending(appends: Sequence[Append]) -> list[Appended]:
        if slow.is_set():
            slow.clear()
            time.sleep(1)
        return append(appends)

    monkeypatch.setattr(store, "append_together", appending)
    with Recorder(store, tmp_path / "spool", memory=64 << 20, patience=0.3) as recorder:
        sessions = talk(recorder, SESSIONS)
        wait_until(lambda: recorder.counters().behind == 0)
        slow.set()
        numbers = itertools.count()

        def talks_on() -> bool:
            number = next(numbers)
            for session in sessions:
                session.record(CLIENT, f"{number} {'x' * 20_000}")
            return recorder.counters().spooled > 0

        wait_until(talks_on)
        for _ in range(50):
            talks_on()
            time.sleep(0.01)
        number = next(numbers)
        for session in sessions:
            session.record(CLIENT, f"{number} last")
        wait_until(lambda: recorder.counters().behind == 0)
    for one in range(SESSIONS):
        said = [str(text).split()[0] for _, text in wire(store, f"sess_{one}")][1:]
        assert said == [str(n) for n in range(number + 1)]
    is_in_step(store)
