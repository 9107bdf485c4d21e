"""Integration: the command `backup` copies a store in use, and says what is not in the copy."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.calls import voice_call
from support.terminal import Terminal

from eventstore import EventStore, Frame


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/calls.db"
    monkeypatch.setenv("EVENTSTORE_URL", url)
    with EventStore(url) as store:
        store.append("a", voice_call().frames, close=True)
    return url


def test_a_backup_is_verified_and_put_in_the_place_of_the_store(
    bare_terminal: Terminal, url: str, tmp_path: Path
) -> None:
    told = bare_terminal("backup", str(tmp_path / "backup.db"))
    assert told.code == 0 and told.err == ""
    assert told.out.startswith("Backed up 1 session with ")
    of_backup = ("--db", f"sqlite:///{tmp_path}/backup.db")
    assert "1 session verified" in bare_terminal("verify", "--all", *of_backup).out
    before = bare_terminal("export", "--all").out
    with EventStore(url) as store:
        store.append("b", voice_call().frames)
    for ending in ("", "-wal", "-shm"):
        Path(f"{tmp_path}/calls.db{ending}").unlink(missing_ok=True)
    (tmp_path / "backup.db").rename(tmp_path / "calls.db")
    assert bare_terminal("export", "--all").out == before


def test_the_document_says_what_is_in_it(bare_terminal: Terminal, url: str, tmp_path: Path) -> None:
    made = tmp_path / "backup.db"
    found = bare_terminal("backup", str(made), "--json").json
    assert found["object"] == "eventstore.backup" and found["keys"] is None
    assert found["store"]["path"] == str(made)
    assert (found["store"]["bytes"], found["store"]["sessions"]) == (made.stat().st_size, 1)
    assert (found["store"]["outside"], found["store"]["key_store"]) == (0, None)


def test_it_tells_of_segments_and_keys_that_are_elsewhere(
    bare_terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    monkeypatch.setenv("EVENTSTORE_URL", f"sqlite:///{tmp_path}/calls.db")
    monkeypatch.setenv("EVENTSTORE_KEYS", f"sqlite:///{tmp_path}/keys.db")
    with EventStore(f"sqlite:///{tmp_path}/calls.db") as store:
        store.append("a", voice_call().frames, close=True)
        store.seal("a")
        store.offload("a", str(tmp_path / "segments"))
    told = bare_terminal("backup", str(tmp_path / "1.db"))
    assert told.code == 0
    assert f"Not in the backup: 1 segment in file://{tmp_path}/segments/" in told.err
    assert "the keys of encrypted sessions; see --keys-to" in told.err
    told = bare_terminal("backup", str(tmp_path / "2.db"), "--keys-to", str(tmp_path / "k.db"))
    assert "keys" not in told.err
    assert f"Backed up the keys of 1 session to {tmp_path}/k.db" in told.out
    restored = ("--keys", f"sqlite:///{tmp_path}/k.db", "--db", f"sqlite:///{tmp_path}/2.db")
    assert "1 session verified" in bare_terminal(*restored, "verify", "--all").out
    only = bare_terminal("backup", "--keys-to", str(tmp_path / "only.db"), "--json").json
    assert only["store"] is None and only["keys"]["keys"] == 1


def test_wrong_use_is_told(bare_terminal: Terminal, url: str, tmp_path: Path) -> None:
    assert "name the file" in bare_terminal("backup").error(2)
    assert "exists" in bare_terminal("backup", str(tmp_path / "calls.db")).error(2)
    assert "no folder" in bare_terminal("backup", str(tmp_path / "no" / "b.db")).error(2)
    keys = bare_terminal("backup", "--keys-to", str(tmp_path / "k.db")).error(2)
    assert "opened without a database of keys" in keys


def test_on_postgresql_the_command_to_run_is_told(
    bare_terminal: Terminal, postgres_url: str, tmp_path: Path
) -> None:
    told = bare_terminal("backup", str(tmp_path / "b.dump"), "--db", postgres_url).error(2)
    assert f"run: pg_dump --format=custom --file={tmp_path}/b.dump '--dbname=" in told
    asked = ("backup", str(tmp_path / "b.dump"), "--show-command", "--db", postgres_url)
    assert told.endswith(f"run: {bare_terminal(*asked).out.strip()}")


def test_a_store_of_an_older_version_is_copied_as_it_is(
    bare_terminal: Terminal, url: str, tmp_path: Path
) -> None:
    """So that there is a way back: whoever installs the new version first backs up then."""
    with closing(sqlite3.connect(tmp_path / "calls.db")) as store:
        store.execute("UPDATE alembic_version SET version_num = '0009'")
        store.commit()
    assert "1 session" in bare_terminal("backup", str(tmp_path / "backup.db")).out
    for name in ("calls.db", "backup.db"):
        with closing(sqlite3.connect(tmp_path / name)) as store:
            assert store.execute("SELECT * FROM alembic_version").fetchall() == [("0009",)]


def test_what_is_no_store_is_not_made_one_and_backed_up(
    bare_terminal: Terminal, tmp_path: Path
) -> None:
    """A wrong path would give an empty backup each night, until the last good one is deleted."""
    (tmp_path / "empty.db").touch()
    wrong, empty = (f"sqlite:///{tmp_path}/{name}.db" for name in ("wrong", "empty"))
    target = str(tmp_path / "backup.db")
    assert "there is no file" in bare_terminal("backup", target, "--db", wrong).error(2)
    assert "nothing to back up" in bare_terminal("backup", target, "--db", empty).error(1)
    keys = ("--keys", wrong, "backup", "--keys-to", target, "--db", empty)
    assert "there is no file" in bare_terminal(*keys).error(2)
    assert {path.name for path in tmp_path.glob("*.db")} == {"empty.db"}
    assert "goes with FILE" in bare_terminal("backup", target, "--json", "--show-command").error(2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_that_is_stopped_leaves_no_file(
    bare_terminal: Terminal, url: str, tmp_path: Path, number: signal.Signals
) -> None:
    frame = Frame("server", '{"type":"x","audio":"' + "A" * 4_000_000 + '"}')
    with EventStore(url) as store:
        for _ in range(60):
            store.append("large", [frame])
    process = bare_terminal.start("backup", str(tmp_path / "backup.db"))
    try:
        end = time.monotonic() + 30
        while not any(".partial" in path.name for path in tmp_path.iterdir()):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.001)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    left = {path.name for path in tmp_path.iterdir()} - {"calls.db-wal", "calls.db-shm", "folder"}
    if process.returncode == 0:  # it was faster than the signal
        assert left == {"calls.db", "backup.db"}
    else:
        assert (process.returncode, err.strip()) == (130, b"Error: stopped")
        assert left == {"calls.db"}
