"""Connections at rest between transactions."""

from __future__ import annotations

import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import Engine, event
from support.calls import voice_call
from support.events import SESSION
from support.only import only

from eventstore import EventStore
from eventstore.errors import ClosedError, DatabaseUnavailableError, TimeLimitError
from eventstore.realtime.frames import Frame
from eventstore.store.database.connections import forks
from eventstore.store.database.connections.pool import CONNECTIONS, close_all
from eventstore.store.database.transaction import Transaction, read, write
from eventstore.store.readmodels.states.state_cache import StateCache
from eventstore.store.sessions.append import append
from eventstore.store.sessions.append_arguments import Append


def resting(engine: Engine) -> int:
    return len(engine.get_execution_options()[CONNECTIONS].idle)


def test_a_connection_is_used_again(engine: Engine) -> None:
    with read(engine) as tx:
        first = tx.connection
    assert resting(engine) == 1
    with read(engine) as tx:
        assert tx.connection is first
        assert resting(engine) == 0
        with read(engine) as other:
            assert other.connection is not first
    assert resting(engine) == 2


def test_each_transaction_begins_once(postgres_url: str) -> None:
    """PostgreSQL warns in its log of each BEGIN inside of a transaction."""
    notices: list[str | None] = []
    with EventStore(postgres_url) as store:

        @event.listens_for(store.engine, "connect")
        def _(connection: Any, __: Any) -> None:
            connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))

        close_all(store.engine)  # those that opening the store has left
        store.append(SESSION, voice_call().frames)
        assert store.responses(limit=1).data and store.sessions().data
        with read(store.engine) as tx:
            level = tx.row("SHOW transaction_isolation")
            is_read_only = tx.row("SHOW transaction_read_only")
        assert (level, is_read_only) == (("repeatable read",), ("on",))
        with write(store.engine) as tx:
            level = tx.row("SHOW transaction_isolation")
        assert level == ("read committed",)
    assert notices == []


def test_few_of_many_rest(engine: Engine) -> None:
    append(engine, StateCache(), SESSION, voice_call().frames)

    def look(_: int) -> int:
        with read(engine) as tx:
            return int(tx.rows("SELECT COUNT(*) FROM events")[0][0])

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(look, range(200))) == {len(voice_call().frames)}
    assert 1 <= resting(engine) <= 4


def fail(engine: Engine, statement: str) -> None:
    """A transaction that writes, and then fails."""
    with write(engine) as tx:
        tx.run("DELETE FROM streams")
        tx.run(statement)
        raise KeyError


@pytest.mark.parametrize(
    ("statement", "error"),
    [("no such statement", DatabaseUnavailableError), ("DELETE FROM events", KeyError)],
)
def test_a_failed_transaction_leaves_nothing_behind(
    engine: Engine, statement: str, error: type[Exception]
) -> None:
    append(engine, StateCache(), SESSION, voice_call().frames)
    with pytest.raises(error):
        fail(engine, statement)
    for sql in ("SELECT COUNT(*) FROM streams", "SELECT COUNT(DISTINCT session_id) FROM events"):
        with read(engine) as tx:
            assert tx.rows(sql) == [(1,)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lost_server_takes_all_of_its_connections_along(engine: Engine) -> None:
    with read(engine), read(engine), read(engine):
        pass
    assert resting(engine) == 3
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with pytest.raises(DatabaseUnavailableError), read(engine) as tx:
        tx.rows("SELECT 1")
    with read(engine) as tx:
        assert tx.rows("SELECT 1") == [(1,)]


def test_a_query_that_takes_too_long_is_ended(database_url: str) -> None:
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"
    with EventStore(database_url, time_limit=0.2) as store:
        for _ in range(2):
            with pytest.raises(TimeLimitError, match="too long"), read(store.engine) as tx:
                tx.rows(slow)
        store.append(SESSION, voice_call().frames)
        assert store.sessions().data


SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) {}"


def busy(engine: Engine, using: Callable[[Engine], AbstractContextManager[Transaction]]) -> None:
    """Keep a transaction busy for longer than half a second."""
    with using(engine) as tx:
        if tx.postgresql:
            tx.rows("SELECT pg_sleep(0.6)")
            return
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            tx.rows(SLOW.format(20_000, "SELECT COUNT(*) FROM n"))


def test_a_time_limit_is_of_one_query(database_url: str) -> None:
    """What comes behind it on the same connection, and whatever is no query, has its own time."""
    with EventStore(database_url, time_limit=0.5) as store:
        store.append(SESSION, voice_call().frames)
        assert store.sessions().data
        time.sleep(0.55)
        store.vacuum()
        assert [done.changed for done in store.rebuild().done] == [0]
        busy(store.engine, write)
        busy(store._work, read)
        with pytest.raises(TimeLimitError, match="too long"):
            busy(store.engine, read)


def verbs() -> list[Callable[[EventStore], object]]:
    """Every verb of a store, called as far as it answers."""
    frames = voice_call().frames
    return [
        lambda store: store.append(SESSION, frames),
        lambda store: store.append(SESSION, []),
        lambda store: store.append(SESSION, frames, expected_seq=len(frames)),
        lambda store: store.append_together([Append(SESSION, frames)]),
        lambda store: store.set_metadata(SESSION, {"a": "b"}),
        lambda store: store.import_file(BytesIO(b'{"type": "session.created"}\n')),
        lambda store: store.audio(SESSION, BytesIO()),
        lambda store: only(store.rebuild()),
        lambda store: only(store.rebuild([SESSION])),
        lambda store: only(store.rebuild([SESSION, "sess_2"], workers=2)),
        lambda store: only(store.seal([SESSION])),
        lambda store: only(store.seal([SESSION, "sess_2"], workers=2)),
        lambda store: only(store.copy([SESSION], EventStore("sqlite://"))),
        lambda store: only(store.offload([SESSION], None)),
        lambda store: only(store.repair(SESSION)),
        lambda store: store.plot(SESSION, BytesIO()),
        lambda store: list(store.masked_events(SESSION)),
        lambda store: store.latency(),
        lambda store: store.context(),
        lambda store: store.models(),
        lambda store: store.metadata_keys(),
        lambda store: store.metadata_values("a"),
        lambda store: store.conversation_items("conv_1"),
        lambda store: only(store.unseal(SESSION)),
        lambda store: store.vacuum(),
        lambda store: only(store.project()),
        lambda store: only(store.sum_days()),
        lambda store: only(store.erase(SESSION)),
        lambda store: list(store.stream_ids()),
        lambda store: store.status(),
        lambda store: store.init(),
        lambda store: store.metadata(SESSION),
        lambda store: store.last_seq(SESSION),
        lambda store: store.revision(SESSION),
        lambda store: list(store.export(SESSION)),
        lambda store: list(store.replay(SESSION)),
        lambda store: list(store.follow(SESSION)),
        lambda store: store.reseed(SESSION),
        lambda store: list(store.events(SESSION)),
        lambda store: store.sessions(),
        lambda store: list(store.session_ids()),
        lambda store: store.session(SESSION),
        lambda store: store.state(SESSION),
        lambda store: store.transcript(SESSION),
        lambda store: store.waveform(SESSION),
        lambda store: store.conversation("conv_1"),
        lambda store: store.responses(),
        lambda store: store.response("resp_1"),
        lambda store: list(store.closed_sessions()),
        lambda store: only(store.verify(SESSION)),
        lambda store: store.usage(),
        lambda store: store.scoped("a", "b").sessions(),
    ]


def test_a_closed_store_refuses_each_verb(database_url: str, tmp_path: Path) -> None:
    store = EventStore(database_url, keys=f"sqlite:///{tmp_path / 'keys.db'}")
    for _ in range(20):
        store.append(SESSION, voice_call().frames)
    begun = [store.stream_ids(), store.iter_project(), store.session_ids(), store.replay(SESSION)]
    store.close()
    store.close()
    for verb in verbs():
        with pytest.raises(ClosedError, match="the store is closed; open it again"):
            verb(store)
    for iterator in begun:
        with pytest.raises(ClosedError):
            list(iterator)


def test_closing_lets_transactions_end(database_url: str) -> None:
    begun, closed = threading.Event(), threading.Event()

    def frames() -> Iterator[Frame]:
        yield from voice_call().frames
        begun.set()
        assert closed.wait(30)
        yield from voice_call().frames

    store = EventStore(database_url)
    with ThreadPoolExecutor(1) as pool:
        appended = pool.submit(store.append, SESSION, frames())
        assert begun.wait(30)
        store.close()
        closed.set()
        assert appended.result(30).last_seq == 2 * len(voice_call().frames)
    with pytest.raises(ClosedError):
        store.append(SESSION, voice_call().frames)
    with EventStore(database_url) as again:
        assert again.verify(SESSION).done[0].problems == []


def test_all_can_be_closed(engine: Engine) -> None:
    with read(engine), read(engine):
        pass
    close_all(engine)
    assert resting(engine) == 0
    with read(engine) as tx:
        assert tx.rows("SELECT 1") == [(1,)]


def test_a_database_in_memory_is_shared_by_threads() -> None:
    with EventStore("sqlite://") as store, ThreadPoolExecutor(8) as pool:

        def work(number: int) -> int:
            for _ in range(40):
                store.append(f"sess_{number}", voice_call().frames[:3])
            return store.last_seq(f"sess_{number}")

        assert list(pool.map(work, range(8))) == [120] * 8


class Interrupt(BaseException):
    """What Ctrl-C raises, for one thread of a test."""


@contextmanager
def interrupted_in(seconds: float) -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("waits_in", ["begin", "thread"])
def test_ctrl_c_while_an_append_waits_leaves_a_store_that_works(
    database_url: str, waits_in: str
) -> None:
    """It waits for another process, or for a thread of its own."""
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with other if waits_in == "begin" else nullcontext():
            engine = other.engine if waits_in == "begin" else store.engine
            # The lock between threads of one process is another thing.
            lock = engine.get_execution_options()[CONNECTIONS]
            lock.writing = None if waits_in == "begin" else lock.writing
            with write(engine) as tx:
                tx.run("UPDATE streams SET head_seq = head_seq WHERE session_id = ?", (SESSION,))
                locked.set()
                done.wait(0.6)

    frame = voice_call().frames[0]
    with EventStore(database_url) as store:
        store.append(SESSION, [frame])
        other = EventStore(database_url)
        thread = threading.Thread(target=hold)
        thread.start()
        assert locked.wait(30)
        with pytest.raises(Interrupt), interrupted_in(0.2):
            store.append(SESSION, [frame])
        done.set()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            done_again = pool.submit(store.append, SESSION, [frame]).result(20)
        # A server may go on with a statement whose client was interrupted: who was interrupted does
        # not know whether it was done.
        assert done_again.first_seq in (2, 3)
        assert not forks._users
        other.close()


def test_a_database_in_memory_outlives_queries_that_fail() -> None:
    with EventStore("sqlite://", time_limit=0.05) as store:
        store.append(SESSION, voice_call().frames)
        with pytest.raises(TimeLimitError), read(store.engine) as tx:
            tx.rows(
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
                " SELECT COUNT(*) FROM n"
            )
        with pytest.raises(DatabaseUnavailableError), write(store.engine) as tx:
            tx.run("UPDATE nothing SET x = 1")
        assert store.last_seq(SESSION) == len(voice_call().frames)


def test_a_store_that_is_sent_to_another_process_says_what_to_do(database_url: str) -> None:
    with EventStore(database_url) as store, pytest.raises(TypeError, match="open it there"):
        pickle.dumps(store)
