"""States of sessions in progress are bounded by their bytes, and a huge one is let go first."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine
from support.calls import voice_call
from support.events import Call, log_events
from support.rows import read_model_rows

from eventstore.projection.fold import fold
from eventstore.projection.state_size import state_size
from eventstore.realtime.frames import SERVER, Frame
from eventstore.store.readmodels.states import state_cache
from eventstore.store.readmodels.states.state_cache import CachedState, StateCache
from eventstore.store.sessions.append import append
from eventstore.store.sessions.project_session import project_session

MB = 1_000_000
#: A call that goes on.
OPEN = voice_call().frames[:-1]


def huge(session_id: str, size: int = MB) -> CachedState:
    """The state of a session with instructions of so many bytes."""
    call = Call().server("session.created", session={"instructions": "x" * size})
    return CachedState(fold(session_id, log_events(call.frames)), 0)


def kept(cache: StateCache, session_ids: list[str]) -> list[str]:
    return [id_ for id_ in session_ids if cache.take(id_) is not None]


def test_states_are_bounded_by_their_bytes() -> None:
    cache = StateCache(most_bytes=5 * MB)
    ids = [f"sess_{number}" for number in range(20)]
    for id_ in ids:
        cache.put(huge(id_))
    assert len(kept(cache, ids)) == 4


def test_a_huge_state_is_let_go_before_others() -> None:
    cache = StateCache(most_bytes=5 * MB)
    usual = [f"sess_{number}" for number in range(100)]
    for id_ in usual:
        cache.put(CachedState(fold(id_, log_events(OPEN)), 0))
    cache.put(huge("sess_huge", 6 * MB))
    for number in range(9):
        cache.put(huge(f"sess_large_{number}"))
    assert kept(cache, ["sess_huge"]) == []
    assert kept(cache, usual) == usual


def test_a_state_counts_with_all_that_it_holds() -> None:
    events = log_events(OPEN)
    state = fold("sess_1", events)
    usual = state_size(state, 1 << 40)
    assert usual > sum(len(json.dumps(event.event)) for event in events) / 10
    state.measured, state.wire = None, {**state.wire, "tools": ["x" * MB] * 3}
    assert MB < state_size(state, 1 << 40) < usual + 2 * MB
    state.folded += 300_000
    assert state_size(state, 1 << 40) > MB + 300_000


def test_appends_go_on_where_no_state_is_kept(engine: Engine) -> None:
    cache, none = StateCache(), StateCache(most_bytes=0)
    for session_id, states in (("sess_a", cache), ("sess_b", none)):
        for frame in OPEN:
            append(engine, states, session_id, [frame])
        text = json.dumps({"type": "session.updated", "session": {"instructions": "x" * MB}})
        append(engine, states, session_id, [Frame(SERVER, text, None)])
        found = read_model_rows(engine, session_id)
        project_session(engine, session_id)
        assert read_model_rows(engine, session_id) == found


def test_a_machine_with_more_memory_keeps_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, most in ((0, 1 << 28), (1 << 30, 1 << 28), (32 << 30, 2 << 30)):
        monkeypatch.setattr(state_cache, "machine_memory", lambda machine=machine: machine)
        assert state_cache.most_cache_bytes() == most
