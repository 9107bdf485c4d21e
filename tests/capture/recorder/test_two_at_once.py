"""Acceptance: PostgreSQL gets what a recorder has of many sessions in two transactions at once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from support.recorder_calls import is_in_step, talk, wait_until, wire

from eventstore import EventStore, Recorder
from eventstore.capture.recorder.at_once import both
from eventstore.errors import ConflictError, DatabaseUnavailableError
from eventstore.realtime.frames import CLIENT
from eventstore.store.sessions.append_arguments import Append, Appended

SESSIONS = 8
#: Eight of them are more than what is worth to be divided.
LARGE = "x" * 400_000

Appending = Callable[[Sequence[Append]], list[Appended]]


@pytest.fixture
def any_store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        yield opened


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[EventStore]:
    server = request.getfixturevalue("postgres")
    name = server.create_database(request.getfixturevalue("postgres_template"))
    with EventStore(server.url(name)) as opened:
        yield opened
    server.drop_database(name)


def record_large(recorder: Recorder, store: EventStore) -> None:
    """Have eight calls begin, and then say something large."""
    sessions = talk(recorder, SESSIONS)
    wait_until(lambda: recorder.counters().behind == 0)
    for session in sessions:
        session.record(CLIENT, LARGE)


def is_recorded_once(store: EventStore) -> None:
    for number in range(SESSIONS):
        texts = [text for _, text in wire(store, f"sess_{number}")]
        assert texts[1:] == [LARGE]
    is_in_step(store)


def test_two_transactions_are_under_way_at_once(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, meeting = store.append_together, threading.Barrier(2, timeout=60)
    met: list[int] = []

    def appending(appends: Sequence[Append]) -> list[Appended]:
        if any(len(frame.text) == len(LARGE) for one in appends for frame in one.frames):
            meeting.wait()
            met.append(len(appends))
        return append(appends)

    monkeypatch.setattr(store, "append_together", appending)
    with Recorder(store, tmp_path / "spool", interval=0.3, patience=120) as recorder:
        record_large(recorder, store)
        wait_until(lambda: recorder.counters().behind == 0)
        assert recorder.counters().spooled == 0
    assert sum(met) == SESSIONS
    assert len(met) == 2
    is_recorded_once(store)


@pytest.mark.parametrize("failing", [0, 1])
def test_what_one_of_two_has_written_is_not_written_again(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """One of two transactions loses its answer, the other is committed."""
    append, lock = store.append_together, threading.Lock()
    begun: list[Sequence[Append]] = []

    def appending(appends: Sequence[Append]) -> list[Appended]:
        is_large = any(len(frame.text) == len(LARGE) for one in appends for frame in one.frames)
        with lock:
            begun.extend([appends] if is_large else [])
            fails = is_large and len(begun) == failing + 1
        done = append(appends)
        if fails:
            raise DatabaseUnavailableError("the answer is lost")
        return done

    monkeypatch.setattr(store, "append_together", appending)
    with Recorder(store, tmp_path / "spool", interval=0.3, patience=120) as recorder:
        record_large(recorder, store)
        wait_until(lambda: recorder.counters().spooled > 0)
        wait_until(lambda: recorder.counters().behind == 0)
        counters = recorder.counters()
    assert counters.accepted == counters.written
    is_recorded_once(store)


def test_what_half_of_a_transaction_has_written_is_not_written_again(
    any_store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session refuses its entries; of the halves without it, one fails and one is committed."""
    append, sizes = any_store.append_together, list[int]()

    def appending(appends: Sequence[Append]) -> list[Appended]:
        sizes.append(len(appends))
        if len(sizes) == 1:
            raise ConflictError("sess_0", 1, 2)
        done = append(appends)
        if len(sizes) == 3:
            raise DatabaseUnavailableError("the answer is lost")
        return done

    with Recorder(any_store, tmp_path / "spool", interval=0.3, patience=120) as recorder:
        sessions = talk(recorder, 20)
        wait_until(lambda: recorder.counters().behind == 0)
        monkeypatch.setattr(any_store, "append_together", appending)
        for session in sessions:
            session.record(CLIENT, "x")
        wait_until(lambda: recorder.counters().behind == 0)
    assert sizes[:3] == [20, 10, 10]
    for number in range(20):
        assert [text for _, text in wire(any_store, f"sess_{number}")][1:] == ["x"]
    is_in_step(any_store)


def test_a_recorder_comes_back_from_its_spool_while_frames_go_on(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database is slow once. Frames that come faster than the spool is read stay in memory."""
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
        wait_until(lambda: talks_on() and recorder.trouble is None)
        spooled, number = recorder.counters().spooled, next(numbers)
        for session in sessions:
            session.record(CLIENT, f"{number} last")
        wait_until(lambda: recorder.counters().behind == 0)
        assert recorder.counters().spooled == spooled
    for one in range(SESSIONS):
        said = [str(text).split()[0] for _, text in wire(store, f"sess_{one}")][1:]
        assert said == [str(n) for n in range(number + 1)]
    is_in_step(store)


def test_both_end_before_an_error_is_raised() -> None:
    ended = threading.Event()

    def fail() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        both(fail, lambda: None if ended.wait(0.2) else ended.set())
    assert ended.is_set()
    with pytest.raises(ValueError, match="first"):
        both(lambda: None, fail)
    assert both(lambda: 1, lambda: 2) == (1, 2)
