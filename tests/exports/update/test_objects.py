"""Integration: a partitioned export to object storage, by fsspec; S3 where its packages are there.

`memory://` is in the process, so that nothing here starts another one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from support.calls import voice_call
from support.database_files import found_in
from support.parquet_tables import Changes, check_tables, moved_in_time
from support.s3_server import HAS_S3, s3_bucket
from support.secret_call import secret_call

from eventstore import EventStore, EventStoreError, InvalidInputError, update_parquet
from eventstore.exports.parquet import object_target
from eventstore.exports.parquet.object_target import ObjectTarget
from eventstore.times import now

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_bucket("tables") as url:
        yield url


@pytest.fixture(params=["memory", "file", *(["s3"] if HAS_S3 else [])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty place."""
    if request.param == "file":
        yield f"{tmp_path.as_uri()}/folder"
        return
    if request.param == "s3":
        yield f"{request.getfixturevalue('s3')}/{next(_numbers)}"
        return
    yield f"memory://tables-{next(_numbers)}/calls"
    fsspec.filesystem("memory").store.clear()


def fetched(url: str, folder: Path) -> Path:
    """A copy of the place in a folder, for DuckDB."""
    files, place = fsspec.core.url_to_fs(url)
    files.invalidate_cache()
    for number in itertools.count():
        copy = folder / f"copy{number}" / "tables"
        if not copy.exists():
            break
    for name in files.find(place):
        path = copy / str(name).removeprefix(place).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.cat_file(name))
    return copy


def contents(url: str) -> dict[str, Any]:
    """All objects of a place."""
    files, place = fsspec.core.url_to_fs(url)
    files.invalidate_cache()
    return {str(name): files.cat_file(name) for name in files.find(place)}


def test_objects_read_as_a_fresh_export(store: EventStore, url: str, tmp_path: Path) -> None:
    changes = Changes(store, 7)
    for number in (0, 15, 10):
        for _ in range(number):
            changes.change()
        update_parquet(store, url)
        check_tables(store, fetched(url, tmp_path))
        before = contents(url)
        assert update_parquet(store, f"{url}/")[2:4] == (0, 0)
        assert contents(url) == before


def test_an_erased_session_is_in_no_object(store: EventStore, url: str) -> None:
    for name in ("erased", "kept"):
        store.append(name, secret_call(name).frames, close=True)
    update_parquet(store, url)
    store.erase("erased").raise_for_errors()
    update_parquet(store, url)
    assert found_in(contents(url), "erased") == {}


def test_a_run_that_ends_in_the_middle_is_made_good(
    store: EventStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in (0, 24, 48):
        store.append(f"s{hours}", moved_in_time(voice_call().frames, hours), close=True)
    update_parquet(store, url)
    for hours in (0, 24, 48):
        store.score(f"s{hours}", "helpful", 0.5)
    from eventstore.exports.parquet import update_parquet as module

    target = module._target_of(url)
    puts, put = itertools.count(), type(target).put

    def fail_at(self: Any, name: str, path: Path) -> str:
        if name.endswith(".parquet") and next(puts) == 6:
            raise KeyboardInterrupt
        return put(self, name, path)

    with monkeypatch.context() as patch:
        patch.setattr(type(target), "put", fail_at)
        with pytest.raises(KeyboardInterrupt):
            update_parquet(store, url)
    assert update_parquet(store, url).written == 3
    check_tables(store, fetched(url, tmp_path))


@pytest.mark.parametrize("url", ["memory", *(["s3"] if HAS_S3 else [])], indirect=True)
def test_two_runs_at_once(
    store: EventStore, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append("one", voice_call().frames, close=True)
    first = ObjectTarget(url)
    with first.locked():
        with pytest.raises(EventStoreError, match="another export is writing into"):
            update_parquet(store, url)
        # The first run was killed, and its lock has ended.
        monkeypatch.setattr(object_target, "LEASE", -1)
        monkeypatch.setattr(object_target, "_RENEWED", 0)
        first.keep()
        monkeypatch.undo()
        update_parquet(store, url)
        check_tables(store, fetched(url, tmp_path))
        second = ObjectTarget(url)
        with second.locked():
            # Its machine's clock was set back, and it notices in time all the same.
            monkeypatch.setattr(object_target, "now", lambda: now() - 3_600_000_000)
            first.keep()
            monkeypatch.setattr(object_target, "_RENEWED", 0)
            with pytest.raises(EventStoreError, match="another export has begun to write"):
                first.keep()
            monkeypatch.undo()
    update_parquet(store, url)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("s3://key:secret@bucket/tables", "no password"),
        ("nowhere://bucket/tables", "fsspec cannot use nowhere://"),
        ("file://host/tables", "three slashes"),
        ("simplecache::s3://bucket/tables", "not a URL"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_urls_that_cannot_be_used(store: EventStore, place: str, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told) as raised:
        update_parquet(store, place)
    assert "secret" not in str(raised.value)
