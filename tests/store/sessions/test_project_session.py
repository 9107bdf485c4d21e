"""Integration: sessions whose read models are written by one transaction."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.databases import PARTITIONED
from support.examples import examples
from support.poison import poison
from support.recorder_calls import wait_until
from support.rows import head_of, read_model_rows
from support.strategies import streams

from eventstore import EventStore
from eventstore.errors import NotFoundError
from eventstore.realtime.frames import Frame
from eventstore.store.database.transaction import read, write
from eventstore.store.log.insert_events import lock_stream
from eventstore.store.sessions import project_session as projecting
from eventstore.store.sessions.append import append
from eventstore.store.sessions.project import catch_up, rebuild, sessions_behind
from eventstore.store.sessions.project_session import project_session, project_together
from eventstore.store.sessions.projection_failures import list_failures

CALLS = {"a": voice_call().frames, "b": beta_tool_call().frames, "c": cut_off_call().frames}
WAITING = (
    "SELECT COUNT(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
_numbers = itertools.count(1)


def behind(engine: Engine, calls: dict[str, list[Frame]]) -> list[str]:
    """Append without read models; the ids of the sessions."""
    for session_id, frames in calls.items():
        append(engine, None, session_id, frames)
    return list(calls)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_small_sessions_share_a_transaction(engine: Engine) -> None:
    ids = behind(engine, CALLS)
    session_id, done = next(project_together(engine, ids))
    assert session_id == "a" and not isinstance(done, Exception) and done is not None
    assert done.seq == len(CALLS["a"])
    # The first is told when all of them are committed.
    assert sessions_behind(engine) == []


@pytest.mark.parametrize("database_url", [PARTITIONED], indirect=True)
def test_sessions_of_a_database_that_is_spread_share_none(engine: Engine) -> None:
    ids = behind(engine, CALLS)
    left = [len(sessions_behind(engine)) for _ in project_together(engine, ids)]
    assert left == [2, 1, 0]


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_sessions_of_many_events_have_transactions_of_their_own(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projecting, "_MOST_EVENTS", len(CALLS["a"]) + len(CALLS["b"]))
    ids = behind(engine, CALLS)
    left = [(id_, sessions_behind(engine)) for id_, _ in project_together(engine, ids)]
    assert left == [("a", ["c"]), ("b", ["c"]), ("c", [])]


@pytest.fixture
def store(database_url: str) -> Iterator[EventStore]:
    with EventStore(database_url) as opened:
        yield opened


@pytest.mark.parametrize("only_stale", [True, False])
def test_a_session_that_fails_takes_no_other_of_its_transaction_with_it(
    store: EventStore, only_stale: bool
) -> None:
    ids = behind(store.engine, CALLS)
    poison(store, "b")
    done = dict(project_together(store.engine, [*ids, "unknown"], only_stale))
    assert isinstance(done.pop("unknown"), NotFoundError)
    assert isinstance(done.pop("b"), Exception)
    assert set(done) == {"a", "c"} and not any(isinstance(one, Exception) for one in done.values())
    assert sessions_behind(store.engine) == ["b"]


def test_only_the_session_that_failed_is_noted(store: EventStore) -> None:
    behind(store.engine, CALLS)
    poison(store, "b")
    assert sorted(one.session_id for one in catch_up(store.engine)) == ["a", "b", "c"]
    with read(store.engine) as tx:
        assert [noted.session_id for noted in list_failures(tx, 10)] == ["b"]


def test_results_are_in_the_order_of_the_ids(engine: Engine) -> None:
    behind(engine, CALLS)
    project_session(engine, "b")  # is right already
    ids = ["c", "b", "a", "b", "c"]
    done = rebuild(engine, ids)
    assert [one.session_id for one in done] == ids


def test_rows_equal_those_of_each_session_by_itself(engine: Engine) -> None:
    @examples(25 if engine.dialect.name == "sqlite" else 10)
    @given(st.lists(streams(25), min_size=2, max_size=5))
    def holds(calls: list[list[Frame]]) -> None:
        ids = behind(engine, {f"sess_{next(_numbers)}": frames for frames in calls})
        list(project_together(engine, ids))
        for session_id, frames in zip(ids, calls, strict=True):
            assert head_of(engine, session_id) == (len(frames), len(frames))
            rows = read_model_rows(engine, session_id)
            assert project_session(engine, session_id).changed == 0
            assert read_model_rows(engine, session_id) == rows

    holds()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_sessions_are_locked_in_the_order_in_which_appends_lock_them(engine: Engine) -> None:
    behind(engine, CALLS)
    with ThreadPoolExecutor(1) as pool:
        with write(engine) as first:
            lock_stream(first, "a")
            running = pool.submit(lambda: list(project_together(engine, ["c", "b", "a"])))
            wait_until(lambda: is_waiting(engine))
            with write(engine) as second:  # It would wait for ever if "c" were locked before "a".
                second.run("SET LOCAL lock_timeout = '10s'")
                assert lock_stream(second, "c") is not None
        assert [session_id for session_id, _ in running.result(60)] == ["a", "b", "c"]


def is_waiting(engine: Engine) -> bool:
    with read(engine) as tx:
        return tx.rows(WAITING) != [(0,)]
