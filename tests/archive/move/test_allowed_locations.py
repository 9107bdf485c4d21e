"""Bytes outside of a database: whose they are, and which places are opened at all."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from archive.move.whole import check_right, frames_of
from sqlalchemy import make_url
from support.calls import voice_call
from support.only import only
from support.postgres import PostgresServer

from eventstore import EventStore
from eventstore.errors import DamagedError, DatabaseUnavailableError
from eventstore.realtime.frames import Frame
from eventstore.realtime.values import dumps
from eventstore.store.database.allowed_locations import LOCATIONS_VARIABLE, AllowedLocations
from eventstore.store.database.identity import own_folder_name
from eventstore.store.database.transaction import read, write
from eventstore.store.log.segments import segment_bytes
from eventstore.store.maintenance.scrub import is_left_outside

PORTS_OF = ("ftp", "http", "https", "webhdfs", "s3", "sftp", "smb", "github", "hdfs")
NAME = f"aa/{'a' * 64}.segment"


def sealed(store: EventStore, *names: str) -> None:
    for name in names:
        store.append(name, frames(name), close=True)
    store.seal(names)


def frames(name: str) -> list[Frame]:
    """A call that differs from session to session, in each of its segments."""
    return [frame._replace(at=(frame.at or 0) + len(name)) for frame in voice_call().frames]


def offloaded(store: EventStore, to: Path, *names: str) -> set[Path]:
    """Move sessions' bytes to a folder; the files that are new there."""
    before = set(to.rglob("*.segment"))
    store.offload(names, str(to)).raise_for_errors()
    return set(to.rglob("*.segment")) - before


def places_in(store: EventStore) -> list[str]:
    with read(store.engine) as tx:
        return [row[0] for row in tx.rows("SELECT location FROM segments ORDER BY first_seq")]


@contextmanager
def copy_of(url: str, folder: Path, postgres: PostgresServer) -> Iterator[str]:
    """Copy a database as it is: its file, or as a template."""
    if url.startswith("sqlite"):
        second = folder / "second.db"
        shutil.copyfile(url.removeprefix("sqlite:///"), second)
        yield f"sqlite:///{second}"
        return
    name = postgres.copy_database(make_url(url).database or "")
    yield postgres.url(name)
    postgres.drop_database(name)


# Whose they are


def test_two_stores_that_share_a_folder_erase_only_their_own(
    store: EventStore, elsewhere: EventStore, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    sealed(store, "a")
    store.copy(["a"], elsewhere)
    first, second = offloaded(store, shared, "a"), offloaded(elsewhere, shared, "a")
    assert len(first) == len(second) > 1
    store.erase("a").raise_for_errors()
    assert set(shared.rglob("*.segment")) == second
    assert frames_of(elsewhere, "a") == frames("a")
    check_right(elsewhere, "a")
    elsewhere.erase("a").raise_for_errors()
    assert set(shared.rglob("*.segment")) == set()


def test_a_copied_database_deletes_no_bytes_of_the_first(
    database_url: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    shared = tmp_path / "shared"
    with EventStore(database_url) as store:
        sealed(store, "a", "bb")
        files = offloaded(store, shared, "a", "bb")
    with copy_of(database_url, tmp_path, postgres) as second_url:
        with EventStore(second_url) as copied:
            copied.offload([], str(shared))
            assert copied.offload(["bb"], None).failed == []
            own = offloaded(copied, shared, "bb")
            assert own and not own & files
            with pytest.raises(DatabaseUnavailableError, match="is left: other stores may use it"):
                copied.erase("a").raise_for_errors()
            copied.append("c", [Frame("client", "x")], close=True)
            assert files <= set(shared.rglob("*.segment"))
        with EventStore(database_url) as store:
            store.offload([], str(shared))
            assert frames_of(store, "a") == frames("a")
            store.erase("a").raise_for_errors()
            assert frames_of(store, "bb") == frames("bb")
            left = set(shared.rglob("*.segment"))
            assert own < left
        with EventStore(second_url) as copied:
            copied.offload([], str(shared))
            assert frames_of(copied, "bb") == frames("bb")
            copied.erase("bb")  # what the first time was left of `a` is gone by now, too
            assert set(shared.rglob("*.segment")) == left - own
            assert not is_left_outside(copied.engine)


def test_bytes_of_an_older_layout_are_read_and_deleted_when_their_owner_says_so(
    store: EventStore, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    sealed(store, "a")
    for file in offloaded(store, shared, "a"):
        (shared / file.parent.name).mkdir(exist_ok=True)
        file.rename(shared / file.parent.name / file.name)
    with write(store.engine) as tx:
        own = own_folder_name(tx)
        for location in places_in(store):
            tx.run(
                "UPDATE segments SET location = ? WHERE location = ?",
                (location.replace(f"/{own}/", "/"), location),
            )
    assert frames_of(store, "a") == frames("a")
    with pytest.raises(DatabaseUnavailableError, match=own):
        store.erase("a").raise_for_errors()
    assert len(list(shared.rglob("*.segment"))) > 1
    (shared / segment_bytes.OWNER).write_text(f"{own}\n")
    store.erase([]).raise_for_errors()
    assert list(shared.rglob("*.segment")) == []


def test_a_tombstone_from_elsewhere_deletes_nothing_of_ours(
    store: EventStore, elsewhere: EventStore, tmp_path: Path
) -> None:
    ours = tmp_path / "ours"
    sealed(store, "a")
    files = offloaded(store, ours, "a")
    precious = tmp_path / "precious"
    precious.write_text("x")
    listed = [
        *places_in(store),
        f"{precious.as_uri()}?/{NAME}",
        f"{precious.as_uri()}#/{NAME}",
        f"file:///etc/{NAME}",
        "no location",
    ]
    elsewhere.append("bb", voice_call().frames, close=True)
    elsewhere.erase("bb").raise_for_errors()
    elsewhere.offload([], str(tmp_path))  # it may read there
    for text in (dumps(listed), "no JSON", '{"a": 1}', "[1, null]"):
        with write(elsewhere.engine) as tx:
            tx.run("UPDATE erasures SET locations = ?", (text,))
        if text == dumps(listed):
            with pytest.raises(DatabaseUnavailableError, match=r"and \d+ more"):
                elsewhere.erase([]).raise_for_errors()
        else:
            elsewhere.erase([]).raise_for_errors()
    assert files == set(ours.rglob("*.segment"))
    assert precious.exists()


def test_what_is_missing_is_named(store: EventStore, tmp_path: Path) -> None:
    sealed(store, "a")
    gone = min(offloaded(store, tmp_path / "shared", "a"))
    gone.unlink()
    (problem,) = store.verify("a").done[0].problems
    assert gone.name in problem.problem and "missing" in problem.problem


# What is opened


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """A port on loopback, and whoever connected to it."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                came.append(address)
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("scheme", PORTS_OF)
def test_no_reader_connects_to_where_a_database_says(
    store: EventStore,
    elsewhere: EventStore,
    listener: tuple[int, list[object]],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    port, came = listener
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    sealed(store, "a")
    location = f"{scheme}://127.0.0.1:{port}/calls/{NAME}"
    with write(store.engine) as tx:
        tx.run("UPDATE segments SET data = NULL, location = ?", (location,))
    for use in (
        lambda: list(store.events("a")),
        lambda: store.state("a", at=5),
        lambda: only(store.unseal("a")),
        lambda: only(store.rebuild(["a"])),
    ):
        with pytest.raises(
            DamagedError, match=rf"{LOCATIONS_VARIABLE}={scheme}://127.0.0.1:{port}/calls"
        ):
            use()
    assert all(
        LOCATIONS_VARIABLE in problem.problem for problem in store.verify("a").done[0].problems
    )
    for results in (store.copy("a", elsewhere), store.offload("a", None)):
        assert [type(failed.error) for failed in results.failed] == [DamagedError]
    with pytest.raises(DatabaseUnavailableError, match=LOCATIONS_VARIABLE):
        store.erase("a").raise_for_errors()
    # A port that was connected to would know it by now: the kernel has accepted before `connect`.
    with socket.create_connection(("127.0.0.1", port)):
        pass
    while len(came) < 1:
        pass
    assert len(came) == 1


@pytest.fixture
def sandbox(tmp_path: Path) -> tuple[Path, Path]:
    """A folder that may be opened, and one beside it."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        (folder / "aa").mkdir(parents=True)
        (folder / NAME).write_text("x")
    (inside / "link").symlink_to(outside)
    (inside / "bb").mkdir()
    (inside / f"bb/{'a' * 64}.segment").symlink_to(outside / NAME)
    return inside, outside


@pytest.mark.parametrize(
    "at",
    [
        "{outside}/" + NAME,
        "{inside}/../outside/" + NAME,
        "{inside}/%2e%2e/outside/" + NAME,
        "{inside}/link/" + NAME,
        "{inside}/bb/" + "a" * 64 + ".segment",
        "{inside}",
        "file://localhost/etc/passwd",
        "file://elsewhere{path}/" + NAME,
        "file:///proc/self/fd/0/../../" + NAME,
    ],
)
def test_no_file_outside_of_a_place_is_opened(sandbox: tuple[Path, Path], at: str) -> None:
    inside, outside = (folder.as_uri() for folder in sandbox)
    location = at.format(inside=inside, outside=outside, path=sandbox[0])
    places = AllowedLocations(sandbox[0])
    with pytest.raises(segment_bytes.BytesError, match=f"{LOCATIONS_VARIABLE}=|no location"):
        segment_bytes.get(location, places)
    with pytest.raises(segment_bytes.BytesError, match=f"{LOCATIONS_VARIABLE}=|no location"):
        segment_bytes.delete(location, places, "aa")
    assert (sandbox[1] / NAME).exists()


def test_a_pipe_is_not_waited_for(sandbox: tuple[Path, Path]) -> None:
    path = sandbox[0] / f"cc/{'a' * 64}.segment"
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(DatabaseUnavailableError, match="cannot read"):
        segment_bytes.get(path.as_uri(), AllowedLocations(sandbox[0]))


@pytest.mark.parametrize(
    ("listed", "location", "is_allowed"),
    [
        ("", f"s3://b/{NAME}", False),
        ("s3://b", f"s3://b/{NAME}", True),
        ("s3://b s3://c/d", f"s3://c/d/e/{NAME}", True),
        ("s3://b", f"s3://bb/{NAME}", False),
        ("s3://b", f"s3://user:secret@b/{NAME}", False),
        ("s3://b/c", f"s3://b/c/../d/{NAME}", False),
        ("s3://b/c", f"s3://b/c//{NAME}", False),
        ("s3://b/c", f"s3://b/c/%2e%2e/{NAME}", False),
        ("s3://b/c", f"S3://b/c/{NAME}", False),
        ("/srv/calls", f"file:///srv/calls/x/{NAME}", True),
        ("/srv/calls", f"file:///srv/calls2/{NAME}", False),
        ("/srv/calls", f"file://localhost/srv/calls/{NAME}", True),
        ("/srv/calls", f"s3:///srv/calls/{NAME}", False),
    ],
)
def test_places_are_listed_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, listed: str, location: str, is_allowed: bool
) -> None:
    monkeypatch.setenv(LOCATIONS_VARIABLE, listed)
    assert AllowedLocations(None).allows(location) == is_allowed


def test_the_folder_of_an_sqlite_database_is_its_own(tmp_path: Path) -> None:
    with EventStore(f"sqlite:///{tmp_path / 'calls.db'}") as store:
        sealed(store, "a")
        offloaded(store, tmp_path / "segments", "a")
    with EventStore(f"sqlite:///{tmp_path / 'calls.db'}") as store:
        assert frames_of(store, "a") == frames("a")


def test_another_process_opens_what_the_environment_names(
    database_url: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path_factory.mktemp("place")
    with EventStore(database_url) as store:
        sealed(store, "a", "bb")
        offloaded(store, place, "a", "bb")
        assert [done.changed for done in store.rebuild(workers=2).done] == [0, 0]
    with EventStore(database_url) as store:
        with pytest.raises(DamagedError, match=f"{LOCATIONS_VARIABLE}={place.as_uri()}"):
            frames_of(store, "a")
        monkeypatch.setenv(LOCATIONS_VARIABLE, str(place))
        assert frames_of(store, "a") == frames("a")
