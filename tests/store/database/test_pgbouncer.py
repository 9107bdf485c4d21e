"""Integration: a store behind pgbouncer, which shares a few connections to PostgreSQL."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url
from support.calls import voice_call
from support.events import SESSION
from support.only import only
from support.pgbouncer import POOL_SIZE, Bouncer, running_pgbouncer
from support.postgres import PostgresServer
from support.recorder_calls import created, is_in_step, wire
from support.writers import threads_in_processes

from eventstore import EventStore
from eventstore.capture.recorder.recorder import Recorder
from eventstore.errors import DatabaseUnavailableError, TimeLimitError
from eventstore.realtime.frames import SERVER, Frame
from eventstore.store.database.transaction import read, write

FRAMES = voice_call().frames
LONG = "SELECT COUNT(*) FROM generate_series(1, 100000000)"


@pytest.fixture(scope="module", params=[0, 200], ids=["keeps-none", "keeps-statements"])
def bouncer(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[Bouncer]:
    """It keeps track of no prepared statements; and, from version 1.21 on, of 200."""
    with running_pgbouncer(postgres, "transaction", request.param) as running:
        yield running


@pytest.fixture
def pooled_url(bouncer: Bouncer, postgres_url: str) -> str:
    """A database with the schema, by way of pgbouncer in transaction mode.

    Where pgbouncer keeps track of prepared statements, the store prepares all of its own.
    """
    url = bouncer.url(postgres_url)
    return f"{url}?prepare_threshold=1" if bouncer.keeps_statements else url


@pytest.fixture
def pooled(pooled_url: str) -> Iterator[EventStore]:
    with EventStore(pooled_url) as store:
        yield store


def test_every_append_of_threads_and_processes_is_there(pooled_url: str) -> None:
    written = threads_in_processes(pooled_url, processes=3, threads=4, appends=60)
    assert len(written) == 12
    with EventStore(pooled_url) as store:
        for session_id, texts in written.items():
            assert [event.text for event in store.events(session_id)] == texts
        assert len(store.sessions(limit=50).data) == 12
        is_in_step(store)


def test_statements_of_another_program_are_never_run(pooled_url: str, bouncer: Bouncer) -> None:
    """It has prepared statements on every connection, by the names that the driver would give."""
    taken = without_options(pooled_url)
    with ExitStack() as stack:
        for _ in range(POOL_SIZE):
            other = stack.enter_context(psycopg.connect(taken))
            for number in range(20):
                other.execute(f"PREPARE _pg3_{number} AS SELECT 'of another'".encode())
    with EventStore(pooled_url) as store:
        for number in range(60):
            assert store.append(SESSION, [Frame(SERVER, f'"{number}"')]).last_seq == number + 1
        assert [event.text for event in store.events(SESSION)] == [f'"{n}"' for n in range(60)]


def test_the_schema_is_made_and_upgraded(bouncer: Bouncer, empty_postgres_url: str) -> None:
    with EventStore(bouncer.url(empty_postgres_url), check_schema=False) as store:
        assert store.init()[0] is None
        assert store.init()[0] == store.status()["schema"]
        store.append(SESSION, FRAMES)


def test_a_session_is_kept_read_and_erased(pooled: EventStore, tmp_path: Path) -> None:
    for _ in range(6):  # more often than the driver executes a statement before it prepares it
        pooled.append(SESSION, FRAMES)
    count = pooled.append(SESSION, [], close=True).last_seq
    exported = b"".join(line + b"\n" for line in pooled.export(SESSION))
    assert len(pooled.import_file(BytesIO(exported), session_id="imported")) == 1
    for _ in range(6):
        assert len(only(pooled.seal([SESSION])).sha256) == 32
        assert only(pooled.unseal(SESSION)).events == count
    pooled.seal([SESSION, "imported"]).raise_for_errors()
    assert len(list(pooled.events(SESSION))) == count and list(pooled.follow(SESSION))
    assert {len(one.problems) for one in pooled.verify([SESSION, "imported"]).done} == {0}
    assert len(pooled.responses(limit=50).data) == 4
    assert pooled.usage() and pooled.latency() and pooled.status()["sessions"] == 2
    is_in_step(pooled)
    with EventStore(f"sqlite:///{tmp_path / 'other.db'}") as other:
        assert only(pooled.copy(["imported"], other)).status == "copied"
        assert only(other.erase("imported")).events == count
    assert only(pooled.erase(SESSION, audio_only=True)).events == count
    pooled.erase([SESSION, "imported"]).raise_for_errors()
    assert pooled.sessions().data == []


def without_options(url: str) -> str:
    """The URL as other programs give it to the driver, which does not know `prepare_threshold`."""
    return make_url(url).set(query={}).render_as_string(False)


def count_long(store: EventStore) -> None:
    with read(store.engine) as tx:
        tx.rows(LONG)


def test_nothing_that_was_set_is_left_to_other_programs(
    pooled: EventStore, pooled_url: str
) -> None:
    pooled.append(SESSION, FRAMES, close=True)
    with EventStore(pooled_url, time_limit=0.1) as limited, pytest.raises(TimeLimitError):
        count_long(limited)
    pooled.erase(SESSION)
    pooled.vacuum()
    with ExitStack() as stack:
        for _ in range(POOL_SIZE):
            other = stack.enter_context(psycopg.connect(without_options(pooled_url)))
            for setting in ("lock_timeout", "statement_timeout", "default_transaction_read_only"):
                value = other.execute(f"SHOW {setting}".encode()).fetchone()
                assert value in (("0",), ("off",)), setting
    assert pooled.append("sess_2", FRAMES).last_seq == len(FRAMES)


def test_a_table_in_use_is_not_waited_for_for_ever(
    pooled: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.store.maintenance.vacuum_postgresql.LOCK_WAIT", 0.1)
    pooled.append(SESSION, FRAMES, close=True)
    with write(pooled.engine) as tx:  # it locks the table, and keeps no older state of it in view
        tx.rows("SELECT COUNT(*) FROM events")
        with pytest.raises(DatabaseUnavailableError, match="another process uses the table events"):
            pooled.erase(SESSION)
        with pytest.raises(DatabaseUnavailableError, match="another process uses the table events"):
            pooled.vacuum()
    pooled.vacuum()
    assert pooled.sessions().data == []


def test_read_models_are_written_by_a_worker(pooled_url: str, pooled: EventStore) -> None:
    with EventStore(pooled_url, projection="deferred") as deferred:
        for number in range(12):
            deferred.append(f"sess_{number}", FRAMES)
    assert pooled.status()["behind"] == 12
    assert len(pooled.project().done) == 12
    assert len(pooled.rebuild(workers=2).done) == 12
    assert pooled.sum_days().failed == []
    is_in_step(pooled)


def test_keys_are_behind_it_too(pooled_url: str, bouncer: Bouncer, empty_postgres_url: str) -> None:
    keys = bouncer.url(empty_postgres_url)
    with EventStore(keys, check_schema=False) as store:
        store.init()
    with EventStore(pooled_url, keys=keys) as store:
        threads = [
            threading.Thread(target=store.append, args=(f"sess_{number}", FRAMES))
            for number in range(3 * POOL_SIZE)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.status()["events"] == 3 * POOL_SIZE * len(FRAMES)
        assert [event.text for event in store.events("sess_1")] == [one.text for one in FRAMES]
        store.erase("sess_1")


def test_calls_are_recorded(pooled: EventStore, tmp_path: Path) -> None:
    with Recorder(pooled, tmp_path / "spool") as recorder:
        sessions = [recorder.session() for _ in range(12)]
        for number, session in enumerate(sessions):
            session.record(SERVER, created(f"sess_{number}"))
        for turn in range(20):
            for session in sessions:
                session.record(SERVER, f'"{turn}"')
            sessions[turn % 12].committed().result(30)
        for session in sessions:
            session.close("client", 1000, "bye")
        recorder.close()
    for number in range(12):
        texts = [text for _, text in wire(pooled, f"sess_{number}")]
        assert texts == [created(f"sess_{number}"), *(f'"{turn}"' for turn in range(20))]
    is_in_step(pooled)
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_forked_child_goes_on(pooled: EventStore) -> None:
    for _ in range(8):
        pooled.append(SESSION, FRAMES[:1])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for _ in range(8):
                pooled.append(SESSION, FRAMES[:1])
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pooled.append(SESSION, FRAMES[:1]).last_seq == 17


def test_in_session_mode_it_works_too(postgres: PostgresServer, postgres_url: str) -> None:
    with (
        running_pgbouncer(postgres, "session") as running,
        EventStore(running.url(postgres_url)) as store,
    ):
        for number in range(20):
            assert store.append(SESSION, FRAMES[:1]).last_seq == number + 1
        assert only(store.rebuild()).changed == 0
        assert only(store.erase(SESSION)).events == 20


def test_statement_mode_is_refused(postgres: PostgresServer, postgres_url: str) -> None:
    with (
        running_pgbouncer(postgres, "statement") as running,
        pytest.raises(DatabaseUnavailableError, match="set pool_mode = transaction"),
    ):
        EventStore(running.url(postgres_url))


def test_what_the_url_says_of_prepared_statements_is_done(
    pooled_url: str, postgres_url: str
) -> None:
    """Behind pgbouncer they are off unless the URL asks for them."""
    expected = {"": 5, "?prepare_threshold=3": 3, "?prepare_threshold=0": None}
    expected["?prepare_threshold=none"] = None
    for more, threshold in expected.items():
        with EventStore(f"{postgres_url}{more}") as store, read(store.engine) as tx:
            assert tx.connection.prepare_threshold == threshold
    for more, threshold in {**expected, "": None}.items():
        with EventStore(f"{without_options(pooled_url)}{more}") as store, read(store.engine) as tx:
            assert tx.connection.prepare_threshold == threshold


def test_an_error_of_a_prepared_statement_says_what_to_do(
    pooled_url: str, bouncer: Bouncer
) -> None:
    """Unless pgbouncer keeps track of prepared statements: then there is no error."""
    plain = without_options(pooled_url)
    with EventStore(f"{plain}?prepare_threshold=1") as one, EventStore(plain) as two:
        for _ in range(3):
            select_three(one)
        with read(two.engine) as tx:
            tx.rows("SELECT 1")  # it has the connection on which the statement is prepared
            if bouncer.keeps_statements:
                select_three(one)
                return
            with pytest.raises(DatabaseUnavailableError, match="put prepare_threshold=none into"):
                select_three(one)


def test_more_statements_than_a_connection_keeps(pooled_url: str) -> None:
    """The driver lets the oldest go that it has prepared, and so does pgbouncer."""
    with EventStore(pooled_url) as store, ThreadPoolExecutor(2 * POOL_SIZE) as pool:

        def select(number: int) -> int:
            with read(store.engine) as tx:
                return int(tx.rows(f"SELECT {number % 300}, COUNT(*) FROM streams")[0][0])

        assert list(pool.map(select, range(1200))) == [number % 300 for number in range(1200)]


def select_three(store: EventStore) -> None:
    with write(store.engine) as tx:
        assert tx.rows("SELECT 3") == [(3,)]
