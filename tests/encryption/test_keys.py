"""Keys are kept apart: without them nothing is read or written, and dropping one erases."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from archive.move.whole import frames_of
from sqlalchemy.engine import make_url
from support.database_files import files, found_in
from support.encrypted import READABLE, keys_in
from support.only import only
from support.postgres import PostgresServer
from support.secret_call import secret_call
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.archive.erase import erase_one
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.recorder.recorder import Recorder
from eventstore.errors import (
    DatabaseUnavailableError,
    ErasedError,
    EventStoreError,
    InvalidInputError,
    MissingKeyError,
    SchemaError,
)
from eventstore.realtime.frames import SERVER, Frame

FRAMES = secret_call("anna").frames


def refused(store: EventStore) -> Iterator[str]:
    """What a store says that cannot read nor write a session that it has."""
    for verb in (
        lambda: list(store.events("anna")),
        lambda: store.state("anna"),
        lambda: store.responses(),
        lambda: store.sessions(),
        lambda: store.append("anna", FRAMES[:1]),
        lambda: store.append("new", FRAMES[:1]),
        lambda: only(store.erase("anna")),
    ):
        with pytest.raises(MissingKeyError) as caught:
            verb()
        yield str(caught.value)


def test_without_its_keys_nothing_is_read_or_written(keyed: EventStore, database_url: str) -> None:
    keyed.append("anna", FRAMES)
    keyed.append("closed", FRAMES, close=True)
    keyed.seal(["closed"])
    for projection in ("inline", "deferred"):
        with EventStore(database_url, projection) as store:
            assert all("--keys or EVENTSTORE_KEYS" in said for said in refused(store))
            with pytest.raises(MissingKeyError):
                list(store.events("closed"))
    with EventStore(database_url) as store:
        # What needs no content needs no key.
        assert store.status()["key_store"]
        assert store.usage()["total"]["responses"] == 2
    assert keyed.last_seq("anna") == len(FRAMES)
    assert list(keys_in(keyed)) == ["anna", "closed"]


def test_other_keys_are_refused(keyed: EventStore, database_url: str, tmp_path: Path) -> None:
    keyed.append("anna", FRAMES)
    with EventStore(database_url, keys=f"sqlite:///{tmp_path}/other.db") as store:
        assert all("and keys_" in said and "was named" in said for said in refused(store))
        assert keys_in(store) == {}


def test_other_keys_that_know_the_session_are_refused(
    keyed: EventStore, plain: EventStore, tmp_path: Path
) -> None:
    """A test store beside a live one has sessions of the same ids."""
    keyed.append("anna", FRAMES, close=True)
    keyed.append("sealed", FRAMES, close=True)
    keyed.seal(["sealed"])
    other = f"sqlite:///{tmp_path}/other.db"
    url = plain.engine.url.render_as_string(hide_password=False)
    with EventStore(url, keys=other) as store:
        for name in ("anna", "sealed"):
            store.append(name, FRAMES, close=True)
    mine = keyed.engine.url.render_as_string(hide_password=False)
    for verb in (
        lambda s: list(s.events("anna")),
        lambda s: list(s.events("sealed")),
        lambda s: s.state("anna"),
        lambda s: s.state("sealed"),
        lambda s: s.responses(),
        lambda s: only(s.verify("sealed")),
        lambda s: only(s.rebuild(["anna"])),
    ):
        with (
            EventStore(mine, keys=other) as store,
            pytest.raises(MissingKeyError, match="was named"),
        ):
            verb(store)
    with EventStore(url, keys=other) as store, pytest.raises(InvalidInputError, match="the same"):
        keyed.copy(["anna"], store)


def test_keys_are_kept_apart(database_url: str) -> None:
    with pytest.raises(InvalidInputError, match="kept apart"):
        EventStore(database_url, keys=database_url)


def test_only_the_owner_reads_the_file_of_keys(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    before = os.umask(0)
    try:
        with EventStore(database_url, keys=f"sqlite:///{path}") as store:
            store.append("anna", FRAMES)
            for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                assert stat.S_IMODE(name.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_keys_named_by_the_environment(
    database_url: str, keys_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_KEYS", keys_url)
    with EventStore(database_url) as store:
        store.append("anna", FRAMES)
        assert list(keys_in(store)) == ["anna"]
        assert "anna" not in found_in(files(database_url), "anna").get("said", set())


def test_keys_on_postgresql(database_url: str, postgres: PostgresServer) -> None:
    name = postgres.create_database()
    url = postgres.url(name)
    try:
        with EventStore(database_url, keys=url) as store:
            with pytest.raises(SchemaError, match=r"database of keys: .*eventstore init"):
                store.append("anna", FRAMES)
            store.init()
            store.append("anna", FRAMES, close=True)
            store.append("berta", FRAMES, close=True)
            held = keys_in(store)
            assert any(held["anna"] or b"" in data for data in files(url).values())
            store.erase("anna").raise_for_errors()
            assert keys_in(store) == {"anna": None, "berta": held["berta"]}
            assert not any((held["anna"] or b"") in data for data in files(url).values())
            assert frames_of(store, "berta") == FRAMES
    finally:
        postgres.drop_database(name)


def test_keys_that_are_away_are_told(keyed: EventStore, keys_url: str, database_url: str) -> None:
    path = Path(str(make_url(keys_url).database))
    keyed.append("anna", FRAMES)
    keyed.close()
    path.write_bytes(b"no database " * 1000)
    with (
        EventStore(database_url, keys=keys_url) as store,
        pytest.raises(DatabaseUnavailableError, match="the database of keys"),
    ):
        store.append("anna", FRAMES)


# Dropping


def backup(url: str, postgres: PostgresServer, tmp_path: Path) -> str:
    """A copy of a database, as a backup makes it."""
    parsed = make_url(url)
    if parsed.drivername.startswith("postgresql"):
        return postgres.url(postgres.copy_database(str(parsed.database)))
    path = tmp_path / "backup.db"
    shutil.copyfile(str(parsed.database), path)
    return f"sqlite:///{path}"


@pytest.mark.parametrize("sealed", [False, True])
def test_a_dropped_key_erases_every_backup(
    database_url: str,
    keys_url: str,
    postgres: PostgresServer,
    tmp_path: Path,
    sealed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with EventStore(database_url, keys=keys_url) as store:
        for name in ("anna", "kept"):
            store.append(name, secret_call(name).frames, close=True)
        if sealed:
            store.seal(["anna"])
    url = backup(database_url, postgres, tmp_path)
    with EventStore(database_url, keys=keys_url) as store:
        key = keys_in(store)["anna"]
        (done,) = store.erase("anna", reason="asked for it").done
        assert done.sha256 != bytes(32)
        assert keys_in(store)["anna"] is None
        with pytest.raises(ErasedError, match="asked for it"):
            store.append("anna", FRAMES)
    assert key is not None
    assert not any(key in data for data in files(keys_url).values())
    with EventStore(url, keys=keys_url) as brought_back:
        for verb in (
            lambda: list(brought_back.events("anna")),
            lambda: brought_back.state("anna"),
            lambda: brought_back.responses(session="anna"),
            lambda: brought_back.append("anna", FRAMES),
        ):
            with pytest.raises(ErasedError, match="eventstore erase --without-key"):
                verb()
        assert frames_of(brought_back, "kept") == secret_call("kept").frames
    monkeypatch.setenv("EVENTSTORE_URL", url)
    monkeypatch.setenv("EVENTSTORE_KEYS", keys_url)
    terminal = Terminal()
    assert "was dropped" in terminal("sessions").error()
    assert terminal("erase", "--without-key", "--yes", "--json").json["sessions"] == 1
    assert len(terminal("sessions", "--json").json["data"]) == 1
    assert found_in(files(url), "anna") == {}
    assert terminal("erase", "--without-key", "--yes", "--json").json["sessions"] == 0


def test_a_key_that_a_stopped_erase_left_is_dropped_by_the_next(keyed: EventStore) -> None:
    keyed.append("anna", FRAMES, close=True)
    keyed.append("berta", FRAMES, close=True)
    assert erase_one(keyed.engine, "anna") is not None  # and there it was stopped
    assert keys_in(keyed)["anna"] is not None
    keyed.erase("berta", vacuum=False).raise_for_errors()
    assert keys_in(keyed) == {"anna": None, "berta": None}
    keyed.erase([]).raise_for_errors()
    assert keys_in(keyed) == {"anna": None, "berta": None}


def test_erased_audio_keeps_the_key(keyed: EventStore) -> None:
    keyed.append("anna", FRAMES, close=True)
    keyed.erase("anna", audio_only=True).raise_for_errors()
    assert keys_in(keyed)["anna"] is not None
    assert keyed.state("anna")


# Writers


def _open(url: str, keys: str, number: int) -> None:
    with EventStore(url, keys=keys) as store:
        for session in range(10):
            store.append(f"sess_{session}", [Frame(SERVER, f'{{"type":"x.{number}"}}')])


def test_processes_that_open_a_session_at_once_share_its_key(
    database_url: str, keys_url: str
) -> None:
    with ProcessPoolExecutor(4, get_context("spawn")) as pool:
        list(pool.map(_open, [database_url] * 4, [keys_url] * 4, range(4)))
    with EventStore(database_url, keys=keys_url) as store:
        for session in range(10):
            assert {e.type for e in store.events(f"sess_{session}")} == {f"x.{n}" for n in range(4)}


def test_a_recorder_encrypts(database_url: str, keys_url: str, tmp_path: Path) -> None:
    with Recorder(database_url, tmp_path / "spool", keys=keys_url) as recorder:
        session = recorder.session(session_id="anna")
        for number, frame in enumerate(FRAMES):
            session.record("server", frame.text, 1_700_000_000_000_000 + number)
        session.close()
    assert set(found_in(files(database_url), "anna")) <= READABLE
    with EventStore(database_url, keys=keys_url) as store:
        texts = [e.text for e in store.events("anna") if e.direction == "server"]
        assert texts == [frame.text for frame in FRAMES]


def test_a_recorder_without_the_keys_fails_at_once(
    keyed: EventStore, database_url: str, keys_url: str, tmp_path: Path
) -> None:
    keyed.append("anna", FRAMES)
    with pytest.raises(MissingKeyError, match="EVENTSTORE_KEYS"):
        RecorderProcess(database_url, tmp_path / "spool")
    recorder = RecorderProcess(database_url, tmp_path / "spool", keys=keys_url)
    session = recorder.session(session_id="live")
    session.record("server", "{}", 1_700_000_000_000_000)
    session.close()
    recorder.close()
    assert "{}" in [event.text for event in keyed.events("live")]


# Copies


def test_a_copy_has_the_same_key(keyed: EventStore, keys_url: str, elsewhere_url: str) -> None:
    for name in ("anna", "sealed"):
        keyed.append(name, secret_call(name).frames, close=True)
    keyed.seal(["sealed"])
    with (
        EventStore(elsewhere_url) as other,
        pytest.raises(InvalidInputError, match="needs keys"),
    ):
        keyed.copy(["anna"], other)
    with EventStore(elsewhere_url, keys=keys_url) as other:
        done = keyed.copy(["anna", "sealed"], other, then_delete=True).done
        assert not [one for one in done if isinstance(one, EventStoreError)]
        for name in ("anna", "sealed"):
            assert frames_of(other, name) == secret_call(name).frames
            assert other.verify(name).done[0].problems == []
            assert set(found_in(files(elsewhere_url), name)) <= READABLE
        other.erase("sealed").raise_for_errors()
        assert keys_in(keyed)["sealed"] is None


def test_copying_encrypts_what_was_plain(
    plain: EventStore, elsewhere_url: str, keys_url: str
) -> None:
    for name in ("anna", "sealed"):
        plain.append(name, secret_call(name).frames, close=True)
    plain.seal(["sealed"])
    with EventStore(elsewhere_url, keys=keys_url) as other:
        done = plain.copy(["anna", "sealed"], other).done
        assert not [one for one in done if isinstance(one, EventStoreError)]
        for name in ("anna", "sealed"):
            assert frames_of(other, name) == secret_call(name).frames
            assert set(found_in(files(elsewhere_url), name)) <= READABLE


def test_a_store_that_was_plain_encrypts_from_now_on(database_url: str, keys_url: str) -> None:
    with EventStore(database_url) as store:
        store.append("anna", FRAMES[:10])
    with EventStore(database_url, keys=keys_url) as later:
        later.append("anna", FRAMES[10:])
        assert frames_of(later, "anna") == FRAMES
        assert [done.changed for done in later.rebuild(["anna"]).done] == [0]
        assert len(later.responses(text="quuxannasaid*").data) == 1
    assert "said" not in found_in(files(database_url), "anna")
