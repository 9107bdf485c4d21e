"""Verbs over several sessions: they work when called, and tell what was done and what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from eventstore import (
    EventStore,
    Failure,
    Frame,
    InvalidInputError,
    NotFoundError,
    Results,
    SomeFailedError,
)
from eventstore.archive import seal as sealing

FRAMES = [Frame("server", '{"type": "session.created"}'), Frame("client", "{}")]
IDS = ("a", "b", "c")


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    store = EventStore(f"sqlite:///{tmp_path}/calls.db")
    for id_ in IDS:
        store.append(id_, FRAMES, close=True)
    return store


def named(results: Results[Any]) -> list[str]:
    return [one.session_id for one in results.done]


def verbs(store: EventStore) -> dict[str, Callable[[Any], Results[Any]]]:
    other = EventStore("sqlite://")
    return {
        "rebuild": store.rebuild,
        "seal": store.seal,
        "unseal": store.unseal,
        "verify": store.verify,
        "repair": store.repair,
        "copy": lambda ids: store.copy(ids, other),
        "offload": lambda ids: store.offload(ids, None),
        "erase": store.erase,
    }


@pytest.mark.parametrize("name", list(verbs(EventStore("sqlite://"))))
def test_one_id_or_many_and_one_that_fails_stops_no_other(store: EventStore, name: str) -> None:
    verb = verbs(store)[name]
    assert named(verb("a")) == ["a"]  # not its letters
    given: tuple[Iterable[str], ...] = (["b", "nowhere", "c"], iter(("b", "nowhere", "c")))
    results = verb(given[name == "rebuild"])
    assert named(results) == ["b", "c"]
    (failure,) = results.failed
    assert failure.session_id == "nowhere" and isinstance(failure.error, NotFoundError)
    with pytest.raises(SomeFailedError, match="no session nowhere") as raised:
        results.raise_for_errors()
    assert raised.value.failures == [failure] and raised.value.__cause__ is failure.error
    empty = verb([])
    assert empty == Results([], []) and empty.raise_for_errors() is empty


def test_the_work_is_done_when_the_verb_is_called(store: EventStore) -> None:
    store.seal(IDS)
    assert store.status()["sealed_sessions"] == 3
    begun = store.iter_unseal(IDS)
    assert store.status()["sealed_sessions"] == 3
    assert not isinstance(next(begun), Failure)
    assert store.status()["sealed_sessions"] == 2
    assert len(list(begun)) == 2 and store.status()["sealed_sessions"] == 0


def test_a_twin_yields_failures_in_their_place(store: EventStore) -> None:
    told = list(store.iter_seal(["a", "nowhere", "b"]))
    assert [isinstance(one, Failure) for one in told] == [False, True, False]


def test_wrong_input_is_told_when_a_twin_is_called(store: EventStore) -> None:
    for wrong in (5, [5], None, b"a"):
        with pytest.raises(InvalidInputError):
            store.iter_seal(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="workers"):
        store.iter_seal("a", workers=0)
    with pytest.raises(InvalidInputError, match="reason"):
        store.iter_erase("a", reason="two\nlines")
    with pytest.raises(InvalidInputError, match="no store"):
        store.iter_copy("a", "sqlite://")  # type: ignore[arg-type]


def test_what_is_damaged_is_told_and_fails(store: EventStore) -> None:
    store.seal("a")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE session_id = 'b' AND seq = 2")
    verified = store.verify(IDS)
    assert named(verified) == ["a", "b", "c"]
    assert [len(one.problems) > 0 for one in verified.done] == [False, True, False]
    assert [failure.session_id for failure in verified.failed] == ["b"]
    repaired = store.repair(IDS)
    assert [bool(one.unmended) for one in repaired.done] == [False, True, False]
    assert [failure.session_id for failure in repaired.failed] == ["b"]


def test_sessions_that_are_left_out_of_an_erasure_are_no_failures(store: EventStore) -> None:
    assert named(store.erase("a", reason="asked for")) == ["a"]
    assert named(store.erase(["a", "b"])) == ["b"]
    assert store.erase(["a", "b"]) == Results([], [])


def test_an_iterator_of_erasures_that_is_closed_scrubs_even_so(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from eventstore.store.maintenance import scrub

    scrubbed: list[bool] = []
    monkeypatch.setattr(scrub, "scrub", lambda engine, vacuum: scrubbed.append(vacuum))
    begun = store.iter_erase(IDS, vacuum=False)
    next(begun)
    begun.close()  # type: ignore[attr-defined]
    assert scrubbed == [False]
    assert list(store.stream_ids()) == ["b", "c"]


def test_dry_runs_change_nothing(store: EventStore) -> None:
    other = EventStore("sqlite://")
    assert named(store.copy(IDS, other, then_delete=True, dry_run=True)) == list(IDS)
    assert list(store.stream_ids()) == list(IDS) and list(other.stream_ids()) == []
    assert named(store.repair(IDS, dry_run=True)) == list(IDS)


def test_all_are_rebuilt_where_none_is_named(store: EventStore) -> None:
    assert named(store.rebuild()) == list(IDS)
    assert sealing.Unsealed("a", 0) in store.unseal(IDS).done


def test_lines_of_several_sessions_follow_each_other(store: EventStore) -> None:
    alone = [b"".join(store.export(id_)) for id_ in IDS]
    assert b"".join(store.export(IDS)) == b"".join(alone)
    lines = store.export(["a", "nowhere"])
    assert len(next(lines)) > 0
    with pytest.raises(NotFoundError):
        list(lines)
    with pytest.raises(NotFoundError):
        store.export("nowhere")
