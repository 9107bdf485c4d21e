"""Integration: transactions that PostgreSQL ends because they stand in the way of others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url
from support.calls import voice_call
from support.recorder_calls import is_in_step, wait_until

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError, TimeLimitError
from eventstore.realtime.frames import SERVER, Frame
from eventstore.store.database.retries import retried
from eventstore.store.database.transaction import read, write
from eventstore.store.sessions.append_arguments import Append

FRAMES = voice_call().frames
LOCK = "SELECT 1 FROM {} WHERE session_id = %s FOR UPDATE"
WAITING = (
    "SELECT COUNT(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def store(postgres_url: str) -> Iterator[EventStore]:
    with EventStore(postgres_url) as opened:
        opened.append_together([Append("a", FRAMES), Append("b", FRAMES)])
        yield opened


@contextmanager
def other_program(store: EventStore, first: tuple[str, str]) -> Iterator[psycopg.Connection[Any]]:
    """One with a row locked, which waits for longer than the store before it sees a deadlock."""
    url = store.engine.url.set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(url, application_name="other") as connection:
        connection.execute("SET deadlock_timeout = '20s'")
        lock(connection, first)
        yield connection


def lock(connection: psycopg.Connection[Any], row: tuple[str, str]) -> None:
    connection.execute(LOCK.format(row[0]).encode(), (row[1],))


def deadlocked(
    store: EventStore, work: Callable[[], object], first: tuple[str, str], then: tuple[str, str]
) -> Future[object]:
    """Run work that locks the row `then`, and then `first`, beside a program that goes first."""
    with ThreadPoolExecutor(1) as pool, other_program(store, first) as other:
        running = pool.submit(work)
        wait_until(lambda: is_waiting(store))
        lock(other, then)  # PostgreSQL ends the work's transaction before this returns
        other.commit()
        assert running.exception(30) is None or running.done()
    return running


def is_waiting(store: EventStore) -> bool:
    with read(store.engine) as tx:
        return bool(tx.rows(WAITING)[0][0])


def server_processes(store: EventStore) -> set[int]:
    """The server's processes of the connections that the store has at rest."""
    with read(store.engine) as tx:
        return {
            row[0]
            for row in tx.rows(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND state = 'idle' AND application_name <> 'other'"
            )
        }


def open_some(store: EventStore) -> None:
    with read(store.engine), read(store.engine), read(store.engine), read(store.engine):
        pass


def test_a_deadlock_is_tried_again_and_closes_no_connection(store: EventStore) -> None:
    open_some(store)
    before = server_processes(store)
    assert len(before) == 3
    more = [Append("a", FRAMES[:2]), Append("b", FRAMES[:2])]
    done = deadlocked(
        store, lambda: store.append_together(more), first=("streams", "b"), then=("streams", "a")
    )
    assert done.exception() is None
    assert [store.last_seq(id_) for id_ in "ab"] == [len(FRAMES) + 2] * 2
    assert before <= server_processes(store) | {pid_of(store)}
    is_in_step(store)


def pid_of(store: EventStore) -> int:
    with read(store.engine) as tx:
        return int(tx.rows("SELECT pg_backend_pid()")[0][0])


@pytest.mark.parametrize("verb", ["append", "project", "erase", "seal"])
def test_each_verb_that_writes_is_tried_again(store: EventStore, verb: str) -> None:
    """It locks the session's stream, and then rows that another program has locked."""
    verbs: dict[str, Callable[[], object]] = {
        "append": lambda: store.append("a", FRAMES),
        "project": lambda: store.rebuild(["a"]).raise_for_errors(),
        "erase": lambda: store.erase("a", vacuum=False).raise_for_errors(),
        "seal": lambda: store.seal(["a"]).raise_for_errors(),
    }
    if verb == "project":
        with write(store.engine) as tx:
            tx.run("UPDATE sessions SET responses = -1")
    if verb == "seal":
        store.append("a", [], close=True)
    rows = "events" if verb == "seal" else "sessions"
    assert deadlocked(store, verbs[verb], (rows, "a"), ("streams", "a")).exception() is None


def test_frames_that_were_read_once_are_not_appended_again(store: EventStore) -> None:
    done = deadlocked(
        store, lambda: store.append("a", iter(FRAMES)), ("sessions", "a"), ("streams", "a")
    )
    with pytest.raises(DatabaseUnavailableError, match="deadlock detected; nothing was written"):
        done.result()
    assert store.last_seq("a") == len(FRAMES)


def test_frames_that_were_not_read_yet_are_appended_all_the_same(store: EventStore) -> None:
    """The transaction is ended at the first lock, so that the iterator is still whole."""
    appends = [Append("a", FRAMES), Append("b", iter(FRAMES))]
    done = deadlocked(
        store, lambda: store.append_together(appends), ("streams", "b"), ("streams", "a")
    )
    assert done.exception() is None
    assert [store.last_seq(id_) for id_ in "ab"] == [2 * len(FRAMES)] * 2


def test_transactions_that_cannot_be_serialized_are_tried_again(postgres_url: str) -> None:
    """The database's default isolation level lets one of two appends to a session fail."""
    url = make_url(postgres_url)
    with psycopg.connect(url.render_as_string(False), autocommit=True) as admin:
        sql = (
            f"ALTER DATABASE \"{url.database}\" SET default_transaction_isolation = 'serializable'"
        )
        admin.execute(sql.encode())

    def write_some(number: int) -> None:
        with EventStore(postgres_url) as opened:
            barrier.wait(30)
            for turn in range(30):
                opened.append("a", [Frame(SERVER, f'"{number}.{turn}"')])

    barrier = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_some, range(4)))
    with EventStore(postgres_url) as opened:
        texts = [event.text for event in opened.events("a")]
        expected = {f'"{number}.{turn}"' for number in range(4) for turn in range(30)}
        assert len(texts) == 120 and set(texts) == expected
        with write(opened.engine) as tx:
            assert tx.row("SHOW transaction_isolation") == ("read committed",)


class Conflict(psycopg.errors.SerializationFailure):
    """What PostgreSQL raises."""


def test_it_is_tried_a_few_times_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eventstore.store.database.retries._PAUSES", (0.0, 0.0))
    tries: list[BaseException] = []

    def fail(cause: Exception) -> None:
        tries.append(cause)
        raise DatabaseUnavailableError("it failed") from cause

    for cause, times in ((Conflict(), 3), (psycopg.errors.DiskFull(), 1), (OSError(), 1)):
        tries.clear()
        with pytest.raises(DatabaseUnavailableError):
            retried(lambda cause=cause: fail(cause))  # type: ignore[misc]
        assert len(tries) == times


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT pg_sleep(30)", TimeLimitError),
        ("SELECT * FROM streams FOR UPDATE NOWAIT", DatabaseUnavailableError),
    ],
)
def test_an_error_of_one_statement_closes_no_connection(
    store: EventStore, sql: str, error: type[Exception]
) -> None:
    open_some(store)
    before = server_processes(store) | {pid_of(store)}
    assert len(before) == 4
    with other_program(store, ("streams", "a")), pytest.raises(error):
        run_shortly(store, sql)
    assert server_processes(store) | {pid_of(store)} == before


def run_shortly(store: EventStore, sql: str) -> None:
    with write(store.engine) as tx:
        tx.run("SET LOCAL statement_timeout = 100")
        tx.run(sql)
