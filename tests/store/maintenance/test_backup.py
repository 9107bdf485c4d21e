"""Integration: a backup of SQLite is one moment of the store, whole, while others write to it."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from support.calls import voice_call

from eventstore import (
    BackedUp,
    DatabaseUnavailableError,
    EventStore,
    Frame,
    InvalidInputError,
)
from eventstore.store.maintenance import backup as backups

# Of audio, so that a few of them fill several steps of a backup.
FRAME = Frame("server", '{"type":"x","audio":"' + "A" * 40_000 + '"}')


@pytest.fixture
def source(tmp_path: Path, sqlite_template: Path) -> EventStore:
    path = tmp_path / "calls.db"
    path.write_bytes(sqlite_template.read_bytes())
    store = EventStore(f"sqlite:///{path}")
    store.append("first", voice_call().frames, close=True)
    return store


def opened(path: Path | str) -> EventStore:
    return EventStore(f"sqlite:///{path}")


def test_a_backup_is_a_store_with_equal_events(source: EventStore, tmp_path: Path) -> None:
    source.seal("first")
    source.append("second", voice_call().frames)
    done = source.backup(tmp_path / "backup.db")
    assert done == BackedUp(
        str(tmp_path / "backup.db"),
        (tmp_path / "backup.db").stat().st_size,
        2,
        source.status()["events"],
        0,
        None,
        None,
    )
    with opened(done.path) as restored:
        for id_ in ("first", "second"):
            assert list(restored.events(id_)) == list(source.events(id_))
            assert restored.session(id_) == source.session(id_)
        assert restored.verify(["first", "second"]).failed == []
        restored.append("second", [FRAME])  # it goes on as a store
        assert restored.rebuild().failed == []


def test_a_backup_is_one_private_file_that_can_be_read_where_nothing_is_written(
    source: EventStore, tmp_path: Path
) -> None:
    before = set(tmp_path.iterdir())
    os.umask(0)
    try:
        source.backup(tmp_path / "backup.db")
    finally:
        os.umask(0o022)
    assert set(tmp_path.iterdir()) - before == {tmp_path / "backup.db"}
    assert stat.S_IMODE((tmp_path / "backup.db").stat().st_mode) == 0o600
    with sqlite3.connect(f"file:{tmp_path / 'backup.db'}?mode=ro", uri=True) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()


def test_writers_go_on_and_the_backup_is_of_the_moment_at_which_it_began(
    source: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two steps somebody appends: an ordinary backup would begin again each time."""
    monkeypatch.setattr(backups, "PAGES_PER_STEP", 16)
    source.append("live", [FRAME] * 40)
    steps, seen = 0, []

    def append(done: int, total: int) -> None:
        nonlocal steps
        steps += 1
        seen.append((done, total))
        assert steps < 500, "it begins again and again"
        with opened(tmp_path / "calls.db") as other:  # as another process does
            other.append("live", [FRAME])

    done = source.backup(tmp_path / "backup.db", append)
    assert steps > 5
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1] == done.bytes
    assert source.last_seq("live") == 40 + steps
    with opened(done.path) as restored:
        assert restored.last_seq("live") == 40
        assert list(restored.events("live")) == list(source.events("live"))[:40]
        assert restored.verify(["first", "live"]).failed == []


def test_appends_beside_a_backup_do_not_wait_for_it(
    source: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup is held up until an append of another thread was committed."""
    monkeypatch.setattr(backups, "PAGES_PER_STEP", 16)
    appended = threading.Event()

    def wait(done: int, total: int) -> None:
        writer = threading.Thread(target=lambda: (source.append("b", [FRAME]), appended.set()))
        if not appended.is_set():
            writer.start()
            assert appended.wait(20)

    source.backup(tmp_path / "backup.db", wait)
    assert source.last_seq("b") == 1


def test_what_is_there_is_never_replaced(source: EventStore, tmp_path: Path) -> None:
    taken = tmp_path / "taken.db"
    taken.write_text("kept")
    for target in (taken, tmp_path / "calls.db", tmp_path):
        with pytest.raises(InvalidInputError, match="exists; name a file that does not"):
            source.backup(target)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InvalidInputError, match="exists"):
        source.backup(tmp_path / "link")
    with pytest.raises(InvalidInputError, match="no folder"):
        source.backup(tmp_path / "nowhere" / "backup.db")
    assert taken.read_text() == "kept" and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    source: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    target = tmp_path / "backup.db"
    if not links:

        def link(*_: object) -> None:
            raise OSError(95, "no links here")

        monkeypatch.setattr(os, "link", link)
        source.backup(tmp_path / "other.db")
        assert (tmp_path / "other.db").exists()
    before = set(tmp_path.iterdir())
    with pytest.raises(InvalidInputError, match="exists"):
        source.backup(target, lambda *_: target.write_text("mine") and None)
    assert target.read_text() == "mine"
    assert set(tmp_path.iterdir()) - before == {target}


def test_a_backup_that_is_stopped_or_fails_leaves_nothing(
    source: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(tmp_path.iterdir())

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        source.backup(tmp_path / "backup.db", stop)
    assert source.last_seq("first") == len(voice_call().frames)  # the store is well

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, "_finish", full)
    with pytest.raises(DatabaseUnavailableError, match=r"backup\.db could not be .* No space left"):
        source.backup(tmp_path / "backup.db")
    assert set(tmp_path.iterdir()) == before


def test_it_says_what_is_not_in_it(source: EventStore, tmp_path: Path) -> None:
    source.seal("first")
    [moved] = source.offload("first", str(tmp_path / "segments")).raise_for_errors().done
    done = source.backup(tmp_path / "backup.db")
    assert done.outside == moved.segments == 1
    assert done.place is not None and done.place.startswith(f"file://{tmp_path}/segments/")
    assert Path(done.place.removeprefix("file://")).is_dir()


def test_the_keys_are_copied_apart(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    url, keys = f"sqlite:///{tmp_path / 'calls.db'}", f"sqlite:///{tmp_path / 'keys.db'}"
    with EventStore(url, keys=keys) as store:
        store.append("a", voice_call().frames)
        store.append("b", voice_call().frames)
        store.erase("b", vacuum=False)
        done, copied = store.backup(tmp_path / "1.db"), store.backup_keys(tmp_path / "2.db")
        wanted = list(store.events("a"))
    assert done.key_store is not None
    assert (copied.path, copied.keys) == (str(tmp_path / "2.db"), 1)
    with EventStore(f"sqlite:///{tmp_path / '1.db'}", keys=f"sqlite:///{tmp_path / '2.db'}") as one:
        assert list(one.events("a")) == wanted
        assert one.verify("a").failed == []
    with opened(tmp_path / "plain.db") as plain, pytest.raises(InvalidInputError, match="without"):
        plain.backup_keys(tmp_path / "3.db")


def test_a_store_in_memory_is_backed_up_as_well(tmp_path: Path) -> None:
    with EventStore("sqlite://") as store:
        store.append("a", [FRAME])
        assert store.backup(str(tmp_path / "backup.db")).events == 1
    with opened(tmp_path / "backup.db") as restored:
        assert [event.text for event in restored.events("a")] == [FRAME.text]


def test_on_postgresql_it_names_pg_dump(postgres_url: str, tmp_path: Path) -> None:
    target = tmp_path / "a backup"
    with EventStore(postgres_url) as store, pytest.raises(InvalidInputError) as told:
        store.backup(target)
    assert f"run: pg_dump --format=custom '--file={target}' '--dbname=" in str(told.value)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://u:secret@h:6/calls", "user=u dbname=calls host=h port=6"),
        ("postgresql://u@h/c?prepare_threshold=3&sslpassword=secret", "user=u dbname=c host=h"),
        ("postgresql://u@/c?host=a:1&host=b:2", "user=u dbname=c host=a,b port=1,2"),
        ("postgresql://u@/c?host=/run/a%20b", "user=u dbname=c host='/run/a b'"),
        ("postgresql://h/c?application_name=a%20'b", "dbname=c host=h application_name='a \\'b'"),
    ],
)
def test_the_pg_dump_has_each_server_and_no_secret(url: str, wanted: str) -> None:
    with EventStore(url, check_schema=False) as store:
        *begin, place = backups.dump_command(store.engine, Path("a b"))
    assert begin == ["pg_dump", "--format=custom", "--file=a b"]
    assert conninfo_to_dict(place.removeprefix("--dbname=")) == conninfo_to_dict(wanted)
    assert "secret" not in place
