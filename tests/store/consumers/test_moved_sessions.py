"""Integration: projections of sessions that are sealed, noted after the end, or moved."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.calls import voice_call
from support.database_files import files
from support.events import SESSION, Call
from support.own_projections import LATER, NOTE, CountTypes, expected_rows, rows_of

from eventstore import EventStore, MissingKeyError
from eventstore.demo import call_lines

FRAMES = voice_call().frames
WORDS = "the orchid opens at midnight"


def both() -> list[CountTypes]:
    """One that appends run, and one that is left to workers."""
    later = CountTypes()
    later.name, later.tables = "own_later", LATER  # type: ignore[misc]
    return [CountTypes(inline=True), later]


def check_rows(store: EventStore, own: CountTypes, session_id: str) -> None:
    wanted = expected_rows(own, session_id, store.events(session_id))
    found = rows_of(store, own, session_id)
    for name, rows in wanted.items():
        assert sorted(map(repr, found[name])) == sorted(map(repr, rows)), name


def check_all(store: EventStore, session_id: str = SESSION) -> None:
    """Check that workers bring all rows in step, and that a rebuild finds nothing wrong."""
    store.project().raise_for_errors()
    for own in both():
        check_rows(store, own, session_id)
        assert [one.changed for one in store.rebuild(session_id, projection=own.name).done] == [0]
    assert [(one["behind"], one["failed"]) for one in store.projections()] == [(0, 0), (0, 0)]


def test_sealed_scored_and_noted_after_the_end(database_url: str) -> None:
    with EventStore(database_url, projections=both()) as store:
        store.append(SESSION, FRAMES, close=True)
        check_rows(store, both()[0], SESSION)
        store.seal(SESSION).raise_for_errors()
        check_all(store)
        store.score(SESSION, "polite", 1.0, reason=WORDS)
        check_rows(store, both()[0], SESSION)
        store.set_metadata(SESSION, {"a": "b"})
        check_rows(store, both()[0], SESSION)
        check_all(store)
        store.seal(SESSION).raise_for_errors()
        store.unseal(SESSION).raise_for_errors()
        check_all(store)
        store.score(SESSION, "polite", 0.5)
        check_all(store)
    with EventStore(database_url, projections=both()) as store:  # its states are not at hand
        store.seal(SESSION).raise_for_errors()
        store.score(SESSION, "polite", 0.25)
        check_rows(store, both()[0], SESSION)
        check_all(store)
        store.erase(SESSION, audio_only=True, vacuum=False).raise_for_errors()
        check_all(store)


def test_an_imported_session(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    lines = list(call_lines())
    path.write_text("\n".join(lines))
    with EventStore(database_url, projections=both()) as store:
        (done,) = store.import_file(path, metadata={"customer": "42"})
        check_rows(store, both()[0], done.session_id)
        check_all(store, done.session_id)


def test_a_copied_session_is_continued(database_url: str, tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path / 'target.db'}"
    with (
        EventStore(database_url, projections=both()) as store,
        EventStore(target, projections=both()) as there,
    ):
        store.append(SESSION, FRAMES, close=True)
        store.copy(SESSION, there).raise_for_errors()
        check_all(there)
        store.set_metadata(SESSION, {"a": "b"})
        store.seal(SESSION).raise_for_errors()
        store.copy(SESSION, there, then_delete=True).raise_for_errors()
        check_all(there)
        there.score(SESSION, "polite", 1.0)
        check_all(there)
        there.copy(SESSION, store).raise_for_errors()  # and back
        check_all(store)


@pytest.fixture
def keys_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A database for keys."""
    path = tmp_path / "keys.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


def test_sessions_from_before_the_store_had_keys(database_url: str, keys_url: str) -> None:
    call = Call().spoken("item_1", 0, 500).transcribed("item_1", WORDS).frames
    with EventStore(database_url, projections=both()) as store:
        store.append("before", call)
        store.append("ended", call, close=True)
        store.project().raise_for_errors()
    with EventStore(database_url, keys=keys_url, projections=both()) as store:
        store.append("after", call)
        store.append("before", [NOTE])
        check_rows(store, both()[0], "before")
        store.project().raise_for_errors()
        rows = store.projected("own_later", table="later_said")
        words = {row["session_id"]: row["words"] for row in rows}
        assert words == {"before": WORDS, "ended": WORDS, "after": WORDS}
        for session_id in ("before", "ended", "after"):
            check_rows(store, both()[0], session_id)
        store.rebuild(projection="own_counts").raise_for_errors()
        for session_id in ("before", "ended", "after"):
            check_rows(store, both()[0], session_id)


def test_without_the_keys_nothing_is_written_and_nothing_lost(
    database_url: str, keys_url: str, tmp_path: Path, sqlite_template: Path
) -> None:
    with EventStore(database_url, keys=keys_url, projections=both()) as store:
        store.append(SESSION, FRAMES)
    other = tmp_path / "other.db"
    shutil.copyfile(sqlite_template, other)
    for keys in (None, f"sqlite:///{other}"):
        with EventStore(database_url, keys=keys, projections=both()) as store:
            with pytest.raises(MissingKeyError):
                store.project()
            with pytest.raises(MissingKeyError):
                store.rebuild(projection="own_counts").raise_for_errors()
            with pytest.raises(MissingKeyError):
                list(store.projected("own_counts", table="own_said"))
            assert store.projections()[0]["failed"] == 0
    with EventStore(database_url, keys=keys_url, projections=both()) as store:
        check_all(store)


def test_a_session_that_is_copied_to_a_store_with_keys(
    database_url: str, keys_url: str, tmp_path: Path
) -> None:
    target = f"sqlite:///{tmp_path / 'target.db'}"
    call = Call().spoken("item_1", 0, 500).transcribed("item_1", WORDS).frames
    with (
        EventStore(database_url, projections=both()) as store,
        EventStore(target, keys=keys_url, projections=both()) as there,
    ):
        store.append(SESSION, call, close=True)
        store.copy(SESSION, there, then_delete=True).raise_for_errors()
        check_all(there)
        assert not any(WORDS.encode() in data for data in files(target).values())
