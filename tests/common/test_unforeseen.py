"""Faults that nobody foresaw are told by class and place, and never by what they hold."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from support.api_keys import client
from support.api_serving import Serve, serve, store
from support.events import Call
from support.forking import fork
from support.live_streams import following, until

from eventstore import EventStore, Recorder
from eventstore.common import unforeseen
from eventstore.errors import DatabaseUnavailableError, EventStoreError, InvalidInputError
from eventstore.projection import fold
from eventstore.realtime.frames import SERVER
from eventstore.store.database.connections.driver_errors import unavailable
from eventstore.store.database.transaction import write
from eventstore.verbs.queries import Queries
from eventstore.web.summing import summing

__all__ = ["serve", "store"]

SECRET = "my card is 4111 1111 1111 1111"


@pytest.fixture(autouse=True)
def counts() -> Iterator[None]:
    """Nothing was counted before, and nothing told."""
    unforeseen.FAULT_COUNTS.clear()
    unforeseen._told.clear()
    yield
    unforeseen.FAULT_COUNTS.clear()
    unforeseen._told.clear()


def fail_with(error: Exception) -> None:
    try:
        raise ValueError(f"before it: {SECRET}")
    except ValueError:
        raise error from None


def caught(error: Exception) -> Exception:
    try:
        try:
            json.loads(f'{{"{SECRET}')
        except ValueError as before:
            raise error from before
    except Exception as found:
        return found


@pytest.mark.parametrize(
    "error",
    [KeyError(SECRET), InvalidInputError(SECRET), ExceptionGroup(SECRET, [ValueError(SECRET)])],
)
def test_a_description_has_classes_and_places_alone(error: Exception) -> None:
    told = "\n".join(unforeseen.describe_fault(caught(error)))
    assert "4111" not in told
    assert type(error).__name__ in told and "because of JSONDecodeError" in told
    assert "test_unforeseen.py" in told and "in caught" in told
    assert "4111" not in str(unforeseen.as_store_error("session sess_1", KeyError(SECRET)))


def test_our_own_errors_keep_their_message() -> None:
    assert (
        unforeseen.describe_fault(EventStoreError("it is away"))[0] == "EventStoreError: it is away"
    )


def test_a_fault_is_logged_once_and_counted_each_time(caplog: pytest.LogCaptureFixture) -> None:
    error = caught(KeyError(SECRET))
    for _ in range(5):
        unforeseen.log_fault(logging.getLogger("eventstore.test"), "testing", error)
    assert len(caplog.records) == 1 and unforeseen.FAULT_COUNTS["testing"] == 5
    assert unforeseen.fault_count() == 5


def test_threads_and_event_loops_are_watched(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("eventstore.test")
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    unforeseen.watch_threads(logger)
    thread = threading.Thread(target=fail_with, args=(KeyError(SECRET),))
    thread.start()
    thread.join()

    async def run() -> None:
        unforeseen.watch_loop(logger, asyncio.get_running_loop())
        asyncio.get_running_loop().call_soon(fail_with, KeyError(SECRET))
        await asyncio.sleep(0.01)

    asyncio.run(run())
    assert "4111" not in caplog.text and caplog.text.count("in fail_with") == 2
    assert set(unforeseen.FAULT_COUNTS) == {"a thread, which ended", "the event loop"}


def test_faults_of_a_forked_child_are_its_own() -> None:
    def child() -> tuple[int, int]:
        counting = threading.Thread(target=unforeseen.count_faults, args=("a task",), daemon=True)
        counting.start()
        counting.join(5)
        return unforeseen.fault_count(), counting.is_alive()

    unforeseen.count_faults("a task", 7)
    with unforeseen._lock:  # a thread of the parent
        assert fork(child).said() == "(1, False)"
    assert unforeseen.fault_count() == 7


def test_a_drivers_message_shows_no_values(database_url: str) -> None:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite's driver shows no values")
    for sql in (
        f"SELECT '{SECRET}'::bigint",
        f"SELECT '{{\"{SECRET}'::json",
        "INSERT INTO streams SELECT '4111', 1, 1, 1, 1, 1, 1 FROM generate_series(1, 2)",
    ):
        with engine.connect() as connection, pytest.raises(Exception) as raised:
            connection.execute(text(sql.replace(":", r"\:")))
        assert "4111" in str(raised.value.orig)  # type: ignore[attr-defined]
        told = unavailable(raised.value.orig)  # type: ignore[attr-defined]
        assert isinstance(told, DatabaseUnavailableError) and "4111" not in str(told)
    engine.dispose()


def test_a_request_that_fails_is_logged_without_its_message(
    store: EventStore,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(Queries, "response", lambda *_, **__: fail_with(KeyError(SECRET)))
    address = serve()
    with client(address, None) as asking:
        answer = asking.get("/responses/resp_1")
        assert answer.status_code == 500 and "4111" not in answer.text
        metrics = asking.get(f"{address}/metrics").text
    assert "4111" not in caplog.text
    (line,) = [r.getMessage() for r in caplog.records if "traceback" in r.getMessage()]
    told = json.loads(line)
    assert told["error"] == "KeyError" and "in fail_with" in told["traceback"][-1]
    assert 'eventstore_faults_total{task="a request"} 1.0' in metrics
    assert "eventstore_database_up 1.0" in metrics


def test_the_thread_that_sums_days_goes_on_behind_a_fault(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = threading.Semaphore(0)

    def failing(self: EventStore) -> None:
        tried.release()
        fail_with(KeyError(SECRET))

    monkeypatch.setattr(EventStore, "iter_sum_days", failing)
    with summing(store, each=0.01):
        assert all(tried.acquire(timeout=20) for _ in range(3))
    assert "4111" not in caplog.text and "in fail_with" in caplog.text
    assert unforeseen.FAULT_COUNTS["sum days"] >= 2


def test_live_goes_on_behind_a_fault(
    store: EventStore,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.append("sess_1", Call().server("session.created", session={"id": "a"}).frames)
    with client(serve(), None) as asking, following(asking) as events:
        until(events, "session")
        real, failed = Queries.sessions, []

        def failing(self: Queries, **options: object) -> object:
            if not failed:
                failed.append(1)
                fail_with(KeyError(SECRET))
            return real(self, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(Queries, "sessions", failing)
        store.append("sess_2", Call().server("session.created", session={"id": "b"}).frames)
        until(events, "session", session_id="sess_2")
    assert failed and "4111" not in caplog.text
    assert "in fail_with" in caplog.text and "KeyError" in caplog.text


def test_a_recorder_logs_and_counts_what_it_did_not_foresee(
    store: EventStore,
    tmp_path: object,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(
        "eventstore.store.sessions.append.changes_of", lambda *_: fail_with(KeyError(SECRET))
    )
    with Recorder(store, spool=f"{tmp_path}/spool") as recorder:
        session = recorder.session(session_id="sess_1")
        session.record(SERVER, json.dumps({"type": "error", "said": SECRET}), 1)
        session.committed().result(20)
        counters = recorder.counters()
        status = store.status()
    assert counters.faults >= 1 and counters.unprojected >= 1
    assert "4111" not in caplog.text and "in fail_with" in caplog.text
    assert [failed["session_id"] for failed in status["failed"]] == ["sess_1"]
    # The next append made up for it.
    assert store.status()["behind"] == 0
    assert store.status()["failed_projections"] == 0


def test_events_that_the_fold_fails_at_are_counted_by_status_and_metrics(
    store: EventStore, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        fold._BY_TYPE, "response.done", lambda *_: fail_with(KeyError("a fault of ours"))
    )
    store.append("sess_1", Call().created("resp_1").done("resp_1").done("resp_1").frames)
    store.append("sess_2", Call().created("resp_1").frames)
    status = store.status()
    assert status["fold_errors"] == 2
    assert status["with_fold_errors"] == [{"session_id": "sess_1", "fold_errors": 2}]
    address = serve()
    with client(address, None) as asking:
        metrics = asking.get(f"{address}/metrics").text
    assert "eventstore_fold_errors 2.0" in metrics
    assert "sess_1" not in metrics
    with write(store.engine) as tx:
        tx.run("UPDATE streams SET projector_version = 0")
        tx.run("INSERT INTO projection_failures VALUES ('sess_2', 1, 2, 1, 1, 1, 'DamagedError')")
    with client(address, None) as asking:
        metrics = asking.get(f"{address}/metrics").text
    assert 'eventstore_failed_projections{error="DamagedError"} 1.0' in metrics
