"""Sessions whose bytes are outside of the database read as before, and come back."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from archive.move.whole import check_right, frames_of, whole
from support.calls import SAMPLE_STREAMS, voice_call
from support.s3_server import HAS_S3, s3_bucket

from eventstore import EventStore
from eventstore.archive.move_segments import Moved
from eventstore.errors import (
    DamagedError,
    DatabaseUnavailableError,
    EventStoreError,
    InvalidInputError,
)
from eventstore.store.database.allowed_locations import AllowedLocations, base_url
from eventstore.store.database.transaction import read, write
from eventstore.store.log.segments import segment_bytes

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_bucket("calls") as url:
        yield url


@pytest.fixture(params=["folder", "memory", *(["s3"] if HAS_S3 else [])])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where bytes are put: a folder, or an object storage."""
    if request.param == "folder":
        yield f"{tmp_path.as_uri()}/a folder/é".replace(" ", "%20")
        return
    if request.param == "s3":
        yield f"{request.getfixturevalue('s3')}/{next(_numbers)}"
        return
    yield f"memory://calls-{next(_numbers)}/segments"
    fsspec.filesystem("memory").store.clear()


def sealed(store: EventStore, name: str = "s") -> str:
    frames = voice_call().frames
    store.append(name, frames[:30], close=True)
    store.seal([name])
    store.append(name, frames[30:])
    return name


def moved(results: Iterator[Moved | EventStoreError]) -> int:
    """How many segments were moved; none may fail."""
    done = list(results)
    assert all(isinstance(one, Moved) for one in done), done
    return sum(one.segments for one in done if isinstance(one, Moved))


def everything(store: EventStore, name: str) -> list[Any]:
    """What can be read of a session."""
    return [
        frames_of(store, name),
        [event.seq for event in store.events(name, type="response.*")],
        store.state(name),
        store.state(name, at=20),
        store.state(name, at="+0.3"),
        list(store.export(name)),
        list(store.replay(name)),
        store.verify(name).done[0],
    ]


def test_what_is_outside_reads_as_before_and_comes_back(store: EventStore, base: str) -> None:
    name = sealed(store)
    before, rows = everything(store, name), whole(store, name)
    assert moved(store.offload([name], base).done) == 5
    assert moved(store.offload([name], base).done) == 0
    with read(store.engine) as tx:
        kept = tx.rows("SELECT location, data FROM segments")
    assert all(data is None and at.startswith(f"{base}/") for at, data in kept)
    assert everything(store, name) == before
    check_right(store, name)
    assert moved(store.offload([name], None).done) == 5
    assert moved(store.offload([name], None).done) == 0
    assert whole(store, name) == rows


def test_sealing_goes_on_behind_what_is_outside(store: EventStore, base: str) -> None:
    name = sealed(store)
    moved(store.offload([name], base).done)
    store.seal([name])
    assert frames_of(store, name) == voice_call().frames
    check_right(store, name)
    store.unseal(name).raise_for_errors()
    assert frames_of(store, name) == voice_call().frames


def test_it_moves_from_one_place_to_another(store: EventStore, base: str, tmp_path: Path) -> None:
    name = sealed(store)
    moved(store.offload([name], base).done)
    assert moved(store.offload([name], str(tmp_path / "other")).done) == 5
    assert len(list((tmp_path / "other").rglob("*.segment"))) == 5
    assert frames_of(store, name) == voice_call().frames


def test_a_copy_takes_the_bytes_along(store: EventStore, elsewhere: EventStore, base: str) -> None:
    name = sealed(store)
    rows = whole(store, name)
    moved(store.offload([name], base).done)
    store.copy([name], elsewhere, then_delete=True)
    assert whole(elsewhere, name) == rows
    check_right(elsewhere, name)


def test_sessions_of_the_same_bytes_share_them(store: EventStore, tmp_path: Path) -> None:
    names = [sealed(store, name) for name in ("a", "b")]
    assert moved(store.offload(names, str(tmp_path / "segments")).done) == 10
    assert len(list((tmp_path / "segments").rglob("*.segment"))) == 5
    assert moved(store.offload(["a"], None).done) == 5
    assert [frames_of(store, name) for name in names] == [voice_call().frames] * 2


# What is wrong with the bytes


@pytest.mark.parametrize("what", ["missing", "other", "cut off"])
def test_bytes_that_are_not_there_are_named(
    store: EventStore, elsewhere: EventStore, tmp_path: Path, what: str
) -> None:
    bad, good = sealed(store), "good"
    store.append(good, list(SAMPLE_STREAMS[1]), close=True)
    store.seal([good])
    moved(store.offload([bad, good], str(tmp_path / "segments")).done)
    with read(store.engine) as tx:
        row = tx.row("SELECT location FROM segments WHERE session_id = ? AND first_seq = 8", (bad,))
    assert row is not None
    path = Path(row[0].removeprefix("file://"))
    data = path.read_bytes()
    if what == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if what == "cut off" else data[:-1] + b"?")
    with pytest.raises(DamagedError, match=f"events 8 to 14.*{path.name}"):
        frames_of(store, bad)
    assert [event.seq for event in store.events(bad, 15, 20)] == [15, 16, 17, 18, 19, 20]
    (problem,) = store.verify(bad).done[0].problems
    assert (problem.first_seq, problem.last_seq) == (8, 14)
    (failed,) = store.copy([bad, good], elsewhere, then_delete=True).failed
    assert isinstance(failed.error, DamagedError)
    assert frames_of(elsewhere, good) == list(SAMPLE_STREAMS[1])
    (failed,) = store.offload(bad, None).failed
    assert isinstance(failed.error, DamagedError)
    path.write_bytes(data)
    assert frames_of(store, bad) == voice_call().frames


@pytest.mark.parametrize(
    "location",
    [
        "",
        "file:///etc/passwd",
        "file://[/x",
        "s3://key:secret@bucket/x?token=secret",
        f"s3://user:secret@bucket:x/aa/{'a' * 64}.segment",
        f"simplecache::memory:///aa/{'a' * 64}.segment",
        f"memory:///aa/{'a' * 64}.segment",
        f"no-such-kind://key:secret@host/aa/{'a' * 64}.segment",
    ],
)
def test_a_location_that_is_none_is_an_error_without_secrets(
    store: EventStore, location: str
) -> None:
    name = sealed(store)
    with write(store.engine) as tx:
        tx.run("UPDATE segments SET data = NULL, location = ?", (location,))
    with pytest.raises((DamagedError, InvalidInputError, DatabaseUnavailableError)) as caught:
        frames_of(store, name)
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_storage_that_cannot_be_written_changes_nothing(
    store: EventStore, tmp_path: Path
) -> None:
    name = sealed(store)
    rows = whole(store, name)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DatabaseUnavailableError, match=r"cannot write .*/file/"):
        store.offload([name], str(tmp_path / "file"))
    assert whole(store, name) == rows


# Locations


@pytest.mark.parametrize(
    "url",
    [
        "",
        "://x",
        "file://host/x",
        "file://",
        "s3://key:secret@bucket/x",
        "s3://bucket/x?token=secret",
        "s3://bucket/x#secret",
        "simplecache::s3://bucket",
        "s3://bucket:port/x",
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        base_url(url)
    assert "secret" not in str(caught.value)


def test_a_folder_is_a_url_as_well(tmp_path: Path) -> None:
    assert base_url(str(tmp_path / "a b")) == f"{tmp_path.as_uri()}/a%20b"
    assert base_url("file:///calls/") == "file:///calls"


def test_bytes_are_put_read_and_deleted(base: str) -> None:
    data = json.dumps("x" * 1000).encode()
    location = segment_bytes.put(base, data)
    name = hashlib.sha256(data).hexdigest()
    assert location == f"{base}/{name[:2]}/{name}.segment"
    assert segment_bytes.put(base, data) == location
    places = AllowedLocations(None)
    places.allow(base)
    assert segment_bytes.get(location, places) == data
    for _ in range(2):
        segment_bytes.delete(location, places, base.rpartition("/")[2])
    with pytest.raises(segment_bytes.BytesError, match="missing"):
        segment_bytes.get(location, places)


def test_writing_leaves_nothing_beside(tmp_path: Path) -> None:
    location = segment_bytes.put(tmp_path.as_uri(), b"x")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.as_uri() for path in files] == [location]


def test_a_file_that_is_no_segment_is_never_deleted(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("x")
    with pytest.raises(segment_bytes.BytesError, match="no location"):
        segment_bytes.delete(path.as_uri(), AllowedLocations(tmp_path), "")
    assert path.exists()


@pytest.mark.skipif(not HAS_S3, reason="s3fs and moto are installed by make endurance")
def test_a_bucket_that_is_not_there_is_not_made(store: EventStore, s3: str) -> None:
    name = sealed(store)
    with pytest.raises(DatabaseUnavailableError, match="cannot write s3://mistyped/"):
        store.offload([name], "s3://mistyped")
    check_right(store, name)
