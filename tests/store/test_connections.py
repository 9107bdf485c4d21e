"""Connections at rest between transactions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine
from support.calls import voice_call
from support.events import SESSION

from eventstore import EventStore
from eventstore.errors import DatabaseUnavailableError, TimeLimitError
from eventstore.store.appender import StateCache, append
from eventstore.store.transaction import RESTING, close_all, read, write


def resting(engine: Engine) -> int:
    return len(engine.get_execution_options()[RESTING])


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
            return store.head(f"sess_{number}")

        assert list(pool.map(work, range(8))) == [120] * 8
