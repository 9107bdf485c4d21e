"""Integration: a partitioned export is brought in step, and reads as a fresh export does."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import voice_call
from support.database_files import found_in
from support.events import Call
from support.examples import examples
from support.parquet_tables import (
    Changes,
    check_tables,
    moved_in_time,
    parquet_files,
    read_from,
    tables_in,
)
from support.secret_call import secret_call
from support.updates import updating

from eventstore import (
    EventStore,
    EventStoreError,
    Failure,
    InvalidInputError,
    MissingKeyError,
    StorageUnavailableError,
    update_parquet,
)
from eventstore.exports.parquet import parts
from eventstore.exports.parquet import update_parquet as update_module
from eventstore.exports.parquet.folder_target import FolderTarget
from eventstore.store.database.keys import keys_of
from eventstore.store.database.transaction import write
from eventstore.store.queries import session_versions

DAY_PART = "day=2023-11-14/part-00-of-01.parquet"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "tables"


def put(store: EventStore, name: str, hours: float = 0) -> None:
    store.append(name, moved_in_time(voice_call().frames, hours), close=True)


def test_any_changes_between_runs(store: EventStore, target: Path) -> None:
    numbers = itertools.count(1)

    @given(st.lists(st.integers(0, 12), min_size=2, max_size=4), st.integers(0, 10**6))
    @examples(4)
    def check(runs: list[int], seed: int) -> None:
        changes = Changes(store, seed * 1000 + next(numbers))
        for number in runs:
            for _ in range(number):
                changes.change()
            update_parquet(store, target)
            check_tables(store, target)
            assert update_parquet(store, target)[2:4] == (0, 0)

    check()


def test_only_what_changed_is_written(store: EventStore, target: Path) -> None:
    put(store, "monday")
    put(store, "tuesday", hours=24)
    first = update_parquet(store, target)
    assert (first.sessions, first.written, first.unchanged) == (2, 2, 0)
    assert first.rows["sessions"] == 2 and first.bytes > 0
    before = parquet_files(target)
    assert update_parquet(store, str(target)) == (0, dict.fromkeys(first.rows, 0), 0, 0, 2, 0)
    assert parquet_files(target) == before
    store.score("tuesday", "helpful", 0.5)
    done = update_parquet(store, target)
    assert (done.sessions, done.written, done.unchanged) == (1, 1, 1)
    after = parquet_files(target)
    changed = {name for name in after if after[name] != before.get(name)}
    assert {name.partition("/")[2] for name in changed} == {
        "manifest.json",
        "day=2023-11-15/part-00-of-01.parquet",
    }
    check_tables(store, target)


def test_each_table_can_be_read_before_it_has_rows(store: EventStore, target: Path) -> None:
    update_parquet(store, target)
    assert all(not rows for rows in tables_in(target).values())
    put(store, "one")
    update_parquet(store, target)
    assert duckdb.sql(f"SELECT count(*) FROM {read_from(target, 'scores')}").fetchall() == [(0,)]
    days = duckdb.sql(f"SELECT DISTINCT day, typeof(day) FROM {read_from(target, 'sessions')}")
    assert [(str(day), type_) for day, type_ in days.fetchall()] == [("2023-11-14", "DATE")]


def test_an_erased_session_is_in_no_file(store: EventStore, target: Path) -> None:
    for name in ("erased", "kept"):
        store.append(name, secret_call(name).frames, close=True)
    update_parquet(store, target)
    files = {str(path): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert "erased" in str(tables_in(target))
    store.erase("erased").raise_for_errors()
    update_parquet(store, target)
    files = {str(path): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found_in(files, "erased") == {}
    assert "quuxerased" not in str(tables_in(target)) and "quuxkept" in str(tables_in(target))
    check_tables(store, target)
    store.erase("kept").raise_for_errors()
    done = update_parquet(store, target)
    assert (done.written, done.removed) == (0, 1)
    assert not list(target.rglob("part-*"))


def test_a_session_whose_key_was_dropped_is_in_no_file(database_url: str, tmp_path: Path) -> None:
    target = tmp_path / "tables"
    keys = f"sqlite:///{tmp_path}/keys.db"
    with EventStore(database_url, keys=keys) as store:
        for name in ("dropped", "kept"):
            store.append(name, secret_call(name).frames, close=True)
        update_parquet(store, target)
        check_tables(store, target)
        assert "quuxdropped" in str(tables_in(target))
        keys_of(store.engine).drop(["dropped"])
        update_parquet(store, target)
        told = str(tables_in(target))
        assert "quuxdropped" not in told and "quuxkept" in told
        assert update_parquet(store, target).written == 0
        store.score("kept", "helpful", 0.5)
    # A run that was started without the keys could read no session, and leaves the files.
    with (
        EventStore(database_url) as keyless,
        pytest.raises(MissingKeyError, match="name the database of its keys"),
    ):
        update_parquet(keyless, target, failures=[])
    assert str(tables_in(target)) == told


def test_a_newer_projector_writes_its_sessions_anew(store: EventStore, target: Path) -> None:
    put(store, "old")
    put(store, "new", hours=24)
    with write(store.engine) as tx:
        tx.run("UPDATE streams SET projector_version = 1 WHERE session_id = 'old'")
    update_parquet(store, target)
    store.project().raise_for_errors()
    assert update_parquet(store, target).written == 1
    check_tables(store, target)


def test_other_prices_write_all_costs_anew(database_url: str, target: Path, tmp_path: Path) -> None:
    with EventStore(database_url) as store:
        put(store, "one")
        update_parquet(store, target)
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "gpt-realtime"\ninput_text = 5\noutput_text = 9\n')
    with EventStore(database_url, prices=prices) as store:
        assert update_parquet(store, target).written == 1
        check_tables(store, target)


def test_filters_are_those_of_the_target(store: EventStore, target: Path) -> None:
    for name, customer in (("one", "1"), ("two", "2"), ("three", "1")):
        put(store, name)
        store.set_metadata(name, {"customer": customer})
    filters = {"metadata": {"customer": "1"}}
    update_parquet(store, target, filters)
    check_tables(store, target, **filters)
    # A session that the filter no longer finds goes, and one that it finds now comes.
    store.set_metadata("one", {"customer": "2"})
    store.set_metadata("two", {"customer": "1"})
    update_parquet(store, target, filters)
    check_tables(store, target, **filters)
    with pytest.raises(InvalidInputError, match=r"other filters .*customer.*--restart"):
        update_parquet(store, target)
    update_parquet(store, target, restart=True)
    check_tables(store, target)
    with pytest.raises(InvalidInputError, match="bad filter"):
        update_parquet(store, target, {"colour": "red"})


@pytest.mark.parametrize(
    "filters",
    [
        {"since": "2023-11-14T23:00:00Z", "until": "2023-11-15T22:30:00Z"},
        {"model": "gpt-realtime"},
        {"min_cost": 0.00001},
        {"text": "hello"},
        {"status": "ended", "min_turns": 1},
    ],
)
def test_every_kind_of_filter(store: EventStore, target: Path, filters: dict[str, object]) -> None:
    for hours in (0, 0.5, 1, 20, 24):
        put(store, f"s{hours}", hours)
    update_parquet(store, target, filters)
    check_tables(store, target, **filters)


def test_the_files_of_another_store_are_left(
    store: EventStore, target: Path, tmp_path: Path
) -> None:
    put(store, "one")
    with EventStore(f"sqlite:///{tmp_path}/other.db") as other:
        put(other, "other")
        update_parquet(other, target)
        before = parquet_files(target)
        with pytest.raises(InvalidInputError, match=r"files of another store.*--restart"):
            update_parquet(store, target)
        assert parquet_files(target) == before
    update_parquet(store, target, restart=True)
    check_tables(store, target)


def test_files_of_others_are_told_and_left(store: EventStore, target: Path) -> None:
    put(store, "one")
    update_parquet(store, target)
    mine = target / "responses" / "mine.parquet"
    shutil.copyfile(target / "responses" / DAY_PART, mine)
    with pytest.raises(InvalidInputError, match=r"responses/mine.parquet is no file of this"):
        update_parquet(store, target, restart=True)
    assert mine.exists()
    mine.unlink()
    (target / "_eventstore" / "manifest.json").write_text('{"object": [[')
    with pytest.raises(InvalidInputError, match="no manifest of an export"):
        update_parquet(store, target)
    update_parquet(store, target, restart=True)
    check_tables(store, target)


def test_a_file_that_was_changed_or_deleted_is_written_anew(
    store: EventStore, target: Path
) -> None:
    put(store, "one")
    update_parquet(store, target)
    (target / "items" / DAY_PART).unlink()
    shutil.copyfile(target / "scores" / "day=1970-01-01" / "empty.parquet", target / "x")
    (target / "x").replace(target / "usage" / DAY_PART)
    assert update_parquet(store, target).written == 1
    check_tables(store, target)


def test_a_large_day_is_divided(
    store: EventStore, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART_ROWS", 10)
    for hours in (0, 1, 2, 3, 24, 100):
        put(store, f"at_{hours}", hours)
    update_parquet(store, target)
    check_tables(store, target)
    names = sorted(path.name for path in (target / "sessions").rglob("part-*"))
    assert len(names) > 3 and names[-1] == "part-01-of-02.parquet"
    # A day that has files stays divided as it is, so that each of its files is replaced alone.
    monkeypatch.setattr(parts, "PART_ROWS", 1)
    put(store, "late", 1.5)
    done = update_parquet(store, target)
    assert (done.written, done.removed) == (1, 0)
    check_tables(store, target)


def test_rows_are_many_and_sessions_begin_at_once(
    store: EventStore, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_versions, "PAGE", 3)
    for number in range(11):
        store.append(f"s{number}", Call().created("resp_1").done("resp_1").frames)
    for number in range(4):
        put(store, f"later{number}", 0.1)
    update_parquet(store, target)
    check_tables(store, target)


def test_a_session_that_cannot_be_read_is_tried_again(store: EventStore, target: Path) -> None:
    for name in ("good", "bad"):
        put(store, name)
    with write(store.engine) as tx:
        [(kept,)] = tx.rows("SELECT notes FROM sessions WHERE session_id = 'bad'")
        tx.run("UPDATE sessions SET notes = '[' WHERE session_id = 'bad'")
    failures: list[Failure] = []
    assert update_parquet(store, target, failures=failures).sessions == 1
    assert [one.session_id for one in failures] == ["bad"]
    with pytest.raises(EventStoreError):
        update_parquet(store, target)
    with write(store.engine) as tx:
        tx.run("UPDATE sessions SET notes = ? WHERE session_id = 'bad'", (kept,))
    assert update_parquet(store, target).sessions == 2
    check_tables(store, target)


def test_two_runs_at_once(store: EventStore, target: Path) -> None:
    put(store, "one")
    said = r"another export is writing into .*tables"
    with FolderTarget(target).locked(), pytest.raises(EventStoreError, match=said):
        update_parquet(store, target)
    update_parquet(store, target)
    check_tables(store, target)


def test_processes_at_once_do_no_harm(database_url: str, target: Path) -> None:
    with EventStore(database_url) as store:
        for number in range(30):
            put(store, f"s{number}", number)
        running = [updating(database_url, target, 1) for _ in range(3)]
        said = [process.communicate()[1].decode() for process in running]
        assert {process.returncode for process in running} <= {0, 1}
        for process, text in zip(running, said, strict=True):
            assert process.returncode == 0 or "another export is writing into" in text
        update_parquet(store, target)
        check_tables(store, target)


def test_changes_while_runs_go_on(store: EventStore, target: Path) -> None:
    changes, done = Changes(store, 11), threading.Event()

    def change() -> None:
        try:
            for _ in range(40):
                changes.change()
        finally:
            done.set()

    writer = threading.Thread(target=change)
    writer.start()
    while not done.is_set():
        update_parquet(store, target, failures=[])
    writer.join()
    update_parquet(store, target)
    check_tables(store, target)


def test_what_files_tell_of_themselves(store: EventStore, target: Path) -> None:
    put(store, "one")
    update_parquet(store, target)
    told = pq.read_schema(target / "responses" / DAY_PART).metadata
    assert told[b"eventstore.rows_version"] == str(update_module.ROWS_VERSION).encode()
    assert (
        told[b"eventstore.store"].decode()
        == json.loads((target / "_eventstore" / "manifest.json").read_text())["store"]
    )


def test_another_version_writes_all_anew_and_its_columns_are_one_table(
    store: EventStore, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "one")
    put(store, "two", 24)
    update_parquet(store, target)
    # A file of an older version, without the last column, beside newer ones.
    path = target / "usage" / DAY_PART
    table = pq.ParquetFile(path).read()
    pq.write_table(table.drop_columns(["cost_usd"]), path)
    found = duckdb.sql(f"SELECT count(*), count(cost_usd) FROM {read_from(target, 'usage')}")
    priced = table.num_rows - table["cost_usd"].null_count
    assert found.fetchall() == [(2 * table.num_rows, priced)]
    monkeypatch.setattr(update_module, "ROWS_VERSION", update_module.ROWS_VERSION + 1)
    assert update_parquet(store, target).written == 2
    check_tables(store, target)


@pytest.mark.parametrize("place", ["", "a\0b"])
def test_a_place_that_is_none(store: EventStore, place: str) -> None:
    with pytest.raises(InvalidInputError, match="name a folder, or a URL"):
        update_parquet(store, place)


def test_a_place_that_cannot_be_written(store: EventStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("taken")
    with pytest.raises(StorageUnavailableError, match=r"cannot write into .*file"):
        update_parquet(store, tmp_path / "file" / "tables")
    (tmp_path / "tables" / "_eventstore" / "writing" / "folder").mkdir(parents=True)
    with pytest.raises(StorageUnavailableError, match=r"cannot write into .*tables: Is a dir"):
        update_parquet(store, tmp_path / "tables")
