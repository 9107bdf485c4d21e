"""Work that is shared among processes: what one session does to it is that session's alone."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine
from support.poison import lengths_or_death

from eventstore.errors import EventStoreError, UnforeseenError, WorkerDiedError
from eventstore.store.database import workers
from eventstore.store.database.workers import for_each


def test_a_worker_that_is_killed_takes_no_other_session_with_it(engine: Engine) -> None:
    ids = [f"sess_{number}" for number in range(12)]
    ids[5], ids[7] = "sess_killer", "sess_odd"
    results = dict(zip(ids, for_each(engine, lengths_or_death, ids, 2), strict=True))
    assert isinstance(results.pop("sess_killer"), WorkerDiedError)
    odd = results.pop("sess_odd")
    assert isinstance(odd, UnforeseenError) and odd.kind == "KeyError"
    assert "secret" not in str(odd)
    assert results == {session_id: len(session_id) for session_id in results}


def test_a_fault_is_of_one_session_without_processes_too(engine: Engine) -> None:
    results = list(for_each(engine, lengths_or_death, ["sess_odd", "sess_1"], 1))
    assert isinstance(results[0], EventStoreError) and results[1] == len("sess_1")


def test_processes_that_all_die_are_given_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_MOST_DEATHS", 2)
    with pytest.raises(EventStoreError, match="died one after the other"):
        list(for_each(engine, lengths_or_death, ["sess_killer"] * 8, 2))
