"""Integration: sessions whose read models are written by one transaction."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.calls import SAMPLE_STREAMS, SHORT_STREAMS, beta_tool_call, cut_off_call, voice_call
from support.databases import PARTITIONED
from support.events import Call, audio, log_events, message
from support.examples import examples
from support.poison import poison
from support.recorder_calls import wait_until
from support.rows import head_of, read_model_rows, views
from support.strategies import delivered_twice, streams

from eventstore import EventStore
from eventstore.errors import ErasedError, NotFoundError
from eventstore.projection.fold import fold
from eventstore.projection.handlers.session import close_session
from eventstore.realtime.frames import Frame
from eventstore.store.database.retries import run_retried, write_retried
from eventstore.store.database.transaction import Transaction, read, write
from eventstore.store.log.insert_events import find_stream, lock_stream
from eventstore.store.log.read_events import read_events
from eventstore.store.readmodels.states.load_state import load_state, load_with_repeats
from eventstore.store.readmodels.states.state_cache import StateCache
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
    some = st.one_of(streams(25), delivered_twice([*SAMPLE_STREAMS, *SHORT_STREAMS]))

    @examples(30 if engine.dialect.name == "sqlite" else 10)
    @given(st.lists(some, min_size=2, max_size=5))
    def holds(calls: list[list[Frame]]) -> None:
        ids = behind(engine, {f"sess_{next(_numbers)}": frames for frames in calls})
        list(project_together(engine, ids))
        for session_id, frames in zip(ids, calls, strict=True):
            check(engine, session_id, len(frames))

    holds()


def check(engine: Engine, session_id: str, count: int, closed: bool = False) -> None:
    """Check that a session has the rows of all of its events, and that its log gives its state."""
    assert head_of(engine, session_id) == (count, count)
    rows = read_model_rows(engine, session_id)
    assert project_session(engine, session_id).changed == 0
    assert read_model_rows(engine, session_id) == rows
    stored = read_events(engine, session_id, 1, count)
    expected = fold(
        session_id, log_events(Frame(one.direction, one.text, one.at) for one in stored)
    )
    if closed:
        close_session(expected)
    with read(engine) as tx:
        assert views(load_state(tx, session_id, count, closed)) == views(expected)


class Meanwhile:
    """What another program does between the reading of sessions and the writing of their rows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
        self._acts = [act]
        monkeypatch.setattr(projecting, "write_retried", self)

    def __call__(self, engine: Engine, work: Callable[[Transaction], Any]) -> Any:
        if self._acts:
            self._acts.pop()()
        return write_retried(engine, work)


MORE = Call().client("input_audio_buffer.append", audio=audio(20)).frames * 3
REST = Call().says("resp_1", "item_2", "you").done("resp_1").frames
#: Older versions closed a session without a note in its log.
CLOSE = "UPDATE streams SET closed_at = opened_at WHERE session_id = 'c'"
MEANWHILE: dict[str, Callable[[EventStore], object]] = {
    "nothing": lambda store: None,
    "more": lambda store: append(store.engine, None, "c", MORE),
    "more of what is unfinished": lambda store: append(store.engine, None, "c", REST),
    "more of all": lambda store: [append(store.engine, None, id_, MORE) for id_ in CALLS],
    "closed": lambda store: append(store.engine, None, "c", [], close=True),
    "more, and closed": lambda store: append(store.engine, None, "c", MORE, close=True),
    "projected": lambda store: project_session(store.engine, "c"),
    "closed by an older version": lambda store: run_retried(store.engine, CLOSE, ()),
    "more, and closed by it": lambda store: [
        append(store.engine, None, "c", MORE),
        run_retried(store.engine, CLOSE, ()),
    ],
    "more, and projected": lambda store: append(store.engine, StateCache(), "c", MORE),
    "sealed": lambda store: [append(store.engine, None, "c", [], close=True), store.seal(["c"])],
}


@pytest.mark.parametrize("only_stale", [True, False])
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("what", list(MEANWHILE))
def test_what_others_write_meanwhile_is_in_the_rows(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, what: str, closed: bool, only_stale: bool
) -> None:
    ids = behind(store.engine, CALLS)
    if closed:
        run_retried(store.engine, CLOSE, ())
    Meanwhile(monkeypatch, lambda: MEANWHILE[what](store))
    done = dict(project_together(store.engine, ids, only_stale))
    assert set(done) == set(ids) and not any(isinstance(one, Exception) for one in done.values())
    monkeypatch.undo()
    for session_id in ids:
        with read(store.engine) as tx:
            head = find_stream(tx, session_id)
        assert head is not None
        check(store.engine, session_id, head.seq, head.closed_at is not None)


@pytest.mark.parametrize("only_stale", [True, False])
def test_what_is_erased_meanwhile_does_not_come_back(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, only_stale: bool
) -> None:
    sound = base64.b64encode(bytes(range(250)) * 20).decode()
    call = Call().client("input_audio_buffer.append", audio=sound)
    # The first audio of a frame is kept beside it, and the second in it.
    part = {"type": "input_audio", "audio": sound}
    said = message("item_1", "user", part, part)
    call.server("conversation.item.created", previous_item_id=None, item=said)
    for session_id in ("a", "b"):
        append(store.engine, None, session_id, call.frames, close=True)

    def erase() -> None:
        store.erase(["a"], audio_only=True, vacuum=False)
        store.erase(["b"], vacuum=False)

    Meanwhile(monkeypatch, erase)
    done = dict(project_together(store.engine, ["a", "b"], only_stale))
    assert isinstance(done["b"], ErasedError) or (only_stale and done["b"] is None)
    assert not any(read_model_rows(store.engine, "b").values())
    assert "item_1" in str(read_model_rows(store.engine, "a"))
    assert sound[:100] not in str(read_model_rows(store.engine, "a"))


def test_sessions_are_read_before_the_database_is_locked(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = behind(store.engine, CALLS)

    def read_beside_a_writer(tx: Transaction, session_id: str, *rest: Any) -> Any:
        with ThreadPoolExecutor(1) as writer:
            writer.submit(append, store.engine, None, session_id, MORE).result(10)
        return load_with_repeats(tx, session_id, *rest)

    monkeypatch.setattr(projecting, "load_with_repeats", read_beside_a_writer)
    assert [session_id for session_id, _ in project_together(store.engine, ids)] == ids
    for session_id in ids:
        check(store.engine, session_id, len(CALLS[session_id]) + len(MORE))


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
