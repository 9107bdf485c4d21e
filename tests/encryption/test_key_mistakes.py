"""Mistakes with keys, and races for them: each is refused before anything is written or lost."""

from __future__ import annotations

import pickle
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from support.database_files import found_in
from support.encrypted import READABLE, keys_in
from support.only import only
from support.postgres import PostgresServer, ways_to
from support.secret_call import secret_call
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.archive import segment_packing
from eventstore.archive.erase import erase_one
from eventstore.capture.recorder.recorder import Recorder
from eventstore.errors import (
    DamagedError,
    DatabaseUnavailableError,
    ErasedError,
    EventStoreError,
    MissingExtraError,
    MissingKeyError,
)
from eventstore.store.database.identity import make_store_id
from eventstore.store.database.keys import INSERT_KEY_STORE_ID, KEY_STORE_ID, keys_of
from eventstore.store.database.transaction import read, write

FRAMES = secret_call("anna").frames


def names_in(store: EventStore) -> list[str]:
    with read(store.engine) as tx:
        return [row[0] for row in tx.rows("SELECT id FROM key_stores")]


def other_urls(url: str) -> list[str]:
    """Other URLs of the same database."""
    parsed = make_url(url)
    if parsed.drivername == "sqlite":
        path = Path(str(parsed.database))
        return [f"sqlite:///{path.parent}/../{path.parent.name}/{path.name}"]
    return ways_to(url)


@pytest.mark.parametrize("has_id", [False, True])
def test_the_store_by_another_url_is_no_database_of_keys(database_url: str, has_id: bool) -> None:
    for url in other_urls(database_url):
        with EventStore(database_url, keys=url) as store:
            if has_id:
                with write(store.engine) as tx:
                    make_store_id(tx)
            with pytest.raises(MissingKeyError, match="kept apart"):
                store.append("anna", FRAMES)
            assert names_in(store) == []
            assert keys_in(store) == {}


def test_one_of_two_databases_of_keys_is_the_stores(database_url: str, tmp_path: Path) -> None:
    first, second = (
        EventStore(database_url, keys=f"sqlite:///{tmp_path}/{name}.db") for name in "ab"
    )
    with first, second, ThreadPoolExecutor(1) as pool:
        with write(first.engine) as tx:
            tx.cipher("anna")
            other = pool.submit(second.append, "berta", FRAMES)
            wait([other], timeout=1)
        with pytest.raises(MissingKeyError, match="was named"):
            other.result(60)
        assert len(names_in(first)) == 1
        first.append("anna", FRAMES)


def test_a_database_of_keys_gets_one_name(
    database_url: str, postgres: PostgresServer, postgres_template: str
) -> None:
    name = postgres.create_database(postgres_template)
    try:
        with EventStore(database_url, keys=postgres.url(name)) as store:
            keys = keys_of(store.engine).engine
            assert keys is not None
            with ThreadPoolExecutor(1) as pool:
                with write(keys) as tx:
                    tx.run(INSERT_KEY_STORE_ID, ("keys_first",))
                    appended = pool.submit(store.append, "anna", FRAMES)
                    wait([appended], timeout=1)
                appended.result(60)
            with read(keys) as tx:
                assert tx.rows(KEY_STORE_ID) == [("keys_first",)]
            assert names_in(store) == ["keys_first"]
    finally:
        postgres.drop_database(name)


def test_what_has_no_key_is_not_looked_for_without_keys(
    keyed: EventStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed.append("anna", FRAMES)
    monkeypatch.setenv("EVENTSTORE_URL", database_url)
    said = Terminal()("erase", "--without-key", "--yes").error()
    assert "--keys or EVENTSTORE_KEYS" in said


def test_what_was_erased_keeps_its_key_in_no_other_database(
    keyed: EventStore, database_url: str, tmp_path: Path
) -> None:
    keyed.append("anna", FRAMES, close=True)
    erase_one(keyed.engine, "anna")  # and there it was stopped
    with EventStore(database_url) as store, pytest.raises(MissingKeyError):
        only(store.erase([]))
    with EventStore(f"sqlite:///{tmp_path}/b.db", keys=f"sqlite:///{tmp_path}/a.db") as other:
        other.append("anna", FRAMES)
        with (
            EventStore(database_url, keys=f"sqlite:///{tmp_path}/a.db") as store,
            pytest.raises(MissingKeyError, match="was named"),
        ):
            only(store.erase([]))
        assert keys_in(other)["anna"] is not None
    assert keys_in(keyed)["anna"] is not None
    keyed.erase([]).raise_for_errors()
    assert keys_in(keyed)["anna"] is None


def test_a_schema_that_cannot_be_made_is_told_to_be_the_keys(
    database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.db"
    path.write_bytes(b"no database " * 1000)
    with (
        EventStore(database_url, keys=f"sqlite:///{path}") as store,
        pytest.raises(DatabaseUnavailableError, match="the database of keys"),
    ):
        store.init()


def test_a_recorder_that_cannot_encrypt_does_not_start(
    database_url: str, keys_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtraError, match=r"\[encryption\]"):
        Recorder(database_url, tmp_path / "spool", keys=keys_url)


def test_a_file_of_keys_that_cannot_be_made_is_an_outage(database_url: str) -> None:
    """So that a recorder spools what comes."""
    with (
        EventStore(database_url, keys="sqlite:////proc/keys.db") as store,
        pytest.raises(DatabaseUnavailableError, match="the database of keys"),
    ):
        store.append("anna", FRAMES)


def test_workers_tell_of_dropped_keys(keyed: EventStore) -> None:
    ids = ("anna", "berta", "carla")
    for name in ids:
        keyed.append(name, FRAMES, close=True)
    keys_of(keyed.engine).drop(["berta"])
    sealed = keyed.seal(ids, workers=2)
    assert [one.session_id for one in sealed.done] == ["anna", "carla"]
    (failed,) = sealed.failed
    assert isinstance(failed.error, ErasedError) and failed.session_id == "berta"
    assert "--without-key" in str(failed.error)


@pytest.mark.parametrize(
    "error", [ErasedError("anna", 7, "why"), DamagedError("anna", 1, 2, "x", ("a", "b"))]
)
def test_errors_pass_from_process_to_process(error: EventStoreError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_an_event_that_was_changed_is_not_sealed(keyed: EventStore) -> None:
    for name in ("anna", "berta"):
        keyed.append(name, FRAMES, close=True)
    with keyed.engine.begin() as connection:
        changed = "UPDATE events SET audio = NULL WHERE session_id = 'anna' AND seq = 5"
        connection.exec_driver_sql(changed)
    sealed = keyed.seal(["anna", "berta"])
    (damaged,) = sealed.failed
    assert isinstance(damaged.error, DamagedError) and damaged.error.first_seq == 5
    assert [one.session_id for one in sealed.done] == ["berta"]


def test_what_waits_in_a_file_is_encrypted(
    keyed: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: dict[str, bytes] = {}

    class Kept(tempfile.SpooledTemporaryFile[bytes]):
        def write(self, data: Any) -> int:
            held[str(len(held))] = bytes(data)
            return super().write(data)

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", Kept)
    monkeypatch.setattr(segment_packing, "_IN_MEMORY", 1)
    keyed.append("anna", FRAMES, close=True)
    assert [done.events for done in keyed.seal(["anna"]).done] == [len(FRAMES)]
    packed = len(held)
    keyed.erase("anna", audio_only=True).raise_for_errors()
    assert 0 < packed < len(held)
    assert set(found_in(held, "anna")) <= READABLE
    assert keyed.verify("anna").done[0].problems == []
