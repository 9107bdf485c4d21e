"""Integration: projections of one's own, inline, by a worker, rebuilt, and after a new version."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import SAMPLE_STREAMS, voice_call
from support.events import SESSION
from support.examples import examples, some
from support.own_projections import (
    LATER,
    NOTE,
    CountTypes,
    Misbehaving,
    expected_rows,
    raises,
    rows_of,
    sleeps,
    unsettled,
)
from support.rows import read_model_rows
from support.strategies import streams

from eventstore import EventStore, Frame, InvalidInputError, ProjectionError
from eventstore.store.consumers.projections import inline
from eventstore.store.database.transaction import read, write

FRAMES = voice_call().frames


def check_rows(store: EventStore, projection: CountTypes, session_id: str = SESSION) -> None:
    wanted = expected_rows(projection, session_id, store.events(session_id))
    found = rows_of(store, projection, session_id)
    for name, rows in wanted.items():
        key = "type" if name == "own_types" else "seq"
        assert sorted(found[name], key=lambda row: row[key]) == sorted(
            rows, key=lambda row: row[key]
        )


def appended(
    store: EventStore, stream: list[Frame], cuts: list[int], session_id: str = SESSION
) -> None:
    """Append a stream in parts; one of them as an iterator, which is read only once."""
    places = sorted({0, *(cut % (len(stream) + 1) for cut in cuts), len(stream)})
    for number, (first, last) in enumerate(itertools.pairwise(places)):
        part = stream[first:last]
        store.append(session_id, iter(part) if number % 3 == 2 else part)


def test_an_append_writes_the_rows_with_the_events(database_url: str) -> None:
    own = CountTypes(inline=True)
    with EventStore(database_url, projections=[own]) as store:
        for frame in FRAMES:
            store.append(SESSION, [frame])
        check_rows(store, own)
        store.append(SESSION, [NOTE], close=True)
        check_rows(store, own)
        (status,) = store.projections()
        assert (status["behind"], status["failed"], status["inline"]) == (0, 0, True)
        store.append("other", FRAMES)
        check_rows(store, own, "other")
    with EventStore(database_url, projections=[own]) as again:  # its states are not at hand
        again.append("other", [NOTE])
        check_rows(again, own, "other")
        assert again.projections()[0]["behind"] == 0


def test_a_worker_writes_the_rows_later(database_url: str) -> None:
    own = CountTypes()
    with EventStore(database_url, projections=[own]) as store:
        store.append(SESSION, FRAMES[:20])
        assert rows_of(store, own) == {"own_types": [], "own_said": []}
        assert store.projections()[0]["behind"] == 1
        done = store.project().raise_for_errors().done
        assert [(one.session_id, one.seq, one.projection) for one in done] == [
            (SESSION, 20, "own_counts")
        ]
        check_rows(store, own)
        assert store.project().done == [] and unsettled(store) == []
        store.append(SESSION, FRAMES[20:])
        assert unsettled(store) == [SESSION]
        (again,) = store.project().done
        assert again.seq == len(FRAMES)
        check_rows(store, own)


def test_a_new_projection_passes_over_all_sessions(store: EventStore, database_url: str) -> None:
    for number in range(5):
        store.append(f"s{number}", FRAMES, close=True)
    own = CountTypes(inline=True)
    with EventStore(database_url, projections=[own]) as later:
        later.append("s3", [NOTE])  # what came before is not there yet: it is left to the worker
        assert rows_of(later, own, "s3")["own_types"] == []
        assert len(later.project().raise_for_errors().done) == 5
        for number in range(5):
            check_rows(later, own, f"s{number}")
        later.append("s3", [NOTE])  # an append writes them again
        check_rows(later, own, "s3")
        assert later.projections()[0]["behind"] == 0


@pytest.mark.parametrize("number", some(range(len(SAMPLE_STREAMS)), 4))
def test_all_ways_give_the_same_rows(database_url: str, number: int) -> None:
    """Inline, by a worker, rebuilt, and after a new version."""
    stream = SAMPLE_STREAMS[number]
    with EventStore(database_url, projections=[CountTypes(inline=True)]) as store:
        appended(store, stream, [number * 7, number * 11])
        check_rows(store, CountTypes())
        store.drop_projection("own_counts")
    own = CountTypes()
    with EventStore(database_url, projections=[own]) as store:
        store.project().raise_for_errors()
        check_rows(store, own)
        assert [one.changed for one in store.rebuild(projection=own.name).done] == [0]
        with write(store.engine) as tx:
            tx.run("DELETE FROM own_types")
        assert store.rebuild(SESSION, projection=own.name).done[0].changed > 0
        check_rows(store, own)
    second = CountTypes(version=2)
    with EventStore(database_url, projections=[second]) as newer:
        check_rows(newer, own)  # the old rows are read until the new ones are there
        assert newer.projections()[0]["behind"] == 1
        newer.project().raise_for_errors()
        check_rows(newer, second)
    with EventStore(database_url, projections=[own]) as older:
        older.append(SESSION, [NOTE])
        assert older.project().done == [] and older.projections()[0]["runs_here"] is False


def test_any_stream_gives_the_same_rows_in_all_ways(database_url: str) -> None:
    inline_, later = CountTypes(inline=True), CountTypes()
    later.name, later.tables = "own_later", LATER  # type: ignore[misc]
    places = itertools.count()
    with EventStore(database_url, projections=[inline_, later]) as store:

        @examples(40)
        @given(stream=streams(), cuts=st.lists(st.integers(0, 100), max_size=4))
        def check(stream: list[Frame], cuts: list[int]) -> None:
            session_id = f"s{next(places)}"
            appended(store, stream, cuts, session_id)
            store.project().raise_for_errors()
            check_rows(store, inline_, session_id)
            before = rows_of(store, inline_, session_id)
            for name, rows in zip(("later_types", "later_said"), before.values(), strict=True):
                assert list(store.projected("own_later", session_id, name)) == rows
            assert store.rebuild(session_id, projection="own_counts").done[0].changed == 0

        check()


# What misbehaves


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (raises, "RuntimeError"),
        (lambda: (_ for _ in ()).throw(SystemExit), "SystemExit"),
        (lambda: "rows", "RowError"),
    ],
)
def test_a_projection_that_fails_stops_nothing(database_url: str, act: Any, error: str) -> None:
    good, bad = CountTypes(inline=True), Misbehaving(act, at=10)
    with EventStore(database_url, projections=[bad, good]) as store:
        for frame in FRAMES:
            store.append(SESSION, [frame])
        check_rows(store, good)
        assert len(list(store.events(SESSION))) == len(FRAMES)
        found = {one["name"]: one for one in store.projections()}
        assert (found["own_bad"]["behind"], found["own_bad"]["failed"]) == (1, 1)
        assert found["own_bad"]["failures"][0]["error"] == error
        assert (found["own_counts"]["behind"], found["own_counts"]["failed"]) == (0, 0)
        assert len(list(store.projected("own_bad"))) == 9  # as it was before it failed
        store.append("other", FRAMES[:5])
        failed = store.project().failed
        assert [one.session_id for one in failed] == [SESSION]
        assert isinstance(failed[0].error, ProjectionError) and "what was said" not in str(failed)
        assert len(list(store.projected("own_bad", "other"))) == 5
        assert store.project(waits=True).failed == []  # its pause is not over
        bad.act = lambda: None
        store.project().raise_for_errors()
        assert len(list(store.projected("own_bad", SESSION))) == len(FRAMES)
        assert store.projections()[0]["failed"] == 0
        before = read_model_rows(store.engine, SESSION)
        store.rebuild(SESSION)
        assert read_model_rows(store.engine, SESSION) == before


def test_a_projection_that_takes_too_long_holds_an_append_up_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "MOST_SECONDS", 0.05)
    good, bad = CountTypes(inline=True), Misbehaving(sleeps, at=3)
    with EventStore(database_url, projections=[bad, good]) as store:
        for frame in FRAMES[:10]:
            store.append(SESSION, [frame])
        assert store.projections()[0]["failures"][0]["error"] == "TimeoutError"
        store.append("other", FRAMES[:2])  # it is still busy, and not asked
        failed = {one["session_id"] for one in store.projections()[0]["failures"]}
        assert failed == {SESSION, "other"}


# Erasing, reading, dropping


def test_an_erasure_takes_the_rows_whoever_makes_it(store: EventStore, database_url: str) -> None:
    with EventStore(database_url, projections=[CountTypes(inline=True)]) as other:
        other.append(SESSION, FRAMES)
        other.append("other", FRAMES)
    store.erase(SESSION, vacuum=False).raise_for_errors()  # it does not have the projection
    assert {row["session_id"] for row in store.projected("own_counts", table="own_types")} == {
        "other"
    }
    with read(store.engine) as tx:
        assert tx.rows("SELECT session_id FROM checkpoints") == [("other",)]
    assert store.project().done == []


def test_a_dropped_projection_is_made_anew(database_url: str) -> None:
    own = CountTypes(inline=True)
    with EventStore(database_url, projections=[own]) as store:
        store.append(SESSION, FRAMES)
        assert store.drop_projection("own_counts") == ["own_types", "own_said"]
        assert store.projections() == []
        with pytest.raises(InvalidInputError, match="no projection"):
            store.drop_projection("own_counts")
        store.append(SESSION, [NOTE])
    with EventStore(database_url, projections=[own]) as store:
        store.project().raise_for_errors()
        check_rows(store, own)


def test_a_scoped_store_sees_the_rows_of_its_sessions(database_url: str) -> None:
    own = CountTypes(inline=True)
    with EventStore(database_url, projections=[own]) as store:
        for name in ("a", "b"):
            store.append(name, FRAMES)
            store.set_metadata(name, {"tenant": name})
        seen = store.scoped("tenant", "a").projected("own_counts", table="own_said")
        assert {row["session_id"] for row in seen} == {"a"}
