"""`eventstore spool`: what recorders have left on disk comes into the database."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest
from sqlalchemy import text
from support.terminal import Terminal

from eventstore import EventStore, Recorder
from eventstore.capture.recorder.spool import spool_format as spool_file
from eventstore.capture.recorder.spool.spool_format import Entry, TargetSession
from eventstore.cli.main import run
from eventstore.realtime.frames import CLIENT, SERVER, Frame


@pytest.fixture
def left(tmp_path: Path) -> tuple[str, Path]:
    """A database, and a spool with what a recorder left that could not reach it."""
    path = tmp_path / "calls.db"
    path.write_bytes(b"no database" * 100)
    url = f"sqlite:///{path}"
    recorder = Recorder(url)
    session = recorder.session()
    session.record(SERVER, '{"type":"session.created","session":{"id":"sess_a"}}')
    for number in range(10):
        session.record(CLIENT, str(number))
    recorder.close(timeout=0.1)
    path.unlink()
    return url, tmp_path / "calls.db-spool"


def entries(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    data: list[dict[str, object]] = json.loads(capsys.readouterr().out)["data"]
    return [{key: value for key, value in entry.items() if key != "recorder"} for entry in data]


def test_what_was_left_is_written(
    left: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, folder = left
    waiting = {"state": "ended", "frames": 11, "open_sessions": 1, "damaged": []}
    for _ in range(2):
        assert run(["spool", "--dry-run", "--json", "--db", url]) == 0
        assert entries(capsys) == [waiting]
    assert run(["spool", "--json", "--db", url]) == 0
    assert entries(capsys) == [{**waiting, "state": "written", "open_sessions": 0}]
    assert list(folder.iterdir()) == []
    with EventStore(url) as store:
        assert len(list(store.events("sess_a"))) == 13
    assert run(["spool", "--db", url]) == 0
    assert capsys.readouterr().out == f"Nothing is in the spool {folder}.\n"


def test_what_was_left_for_people(
    left: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, _ = left
    assert run(["spool", "--dry-run", "--db", url]) == 0
    assert capsys.readouterr().out.endswith("Write it with: eventstore spool\n")
    assert run(["spool", "--db", url]) == 0
    assert capsys.readouterr().out.endswith("Wrote 11 frames.\n")


def test_damage_is_told_and_what_is_whole_is_written(
    left: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, folder = left
    (file,) = folder.glob("*.spool")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    assert run(["spool", "--json", "--db", url]) == 0
    (entry,) = entries(capsys)
    assert entry["damaged"] == [f"{file.stem}.damaged"]
    (kept,) = folder.iterdir()
    assert kept.read_bytes() == data
    with EventStore(url) as store:
        events = list(store.events("sess_a"))
        assert [event.text for event in events[2:-1]] == list("0123456789")[: len(events) - 3]
        closed = json.loads(events[-1].text)
        assert "may be missing" in closed["reason"]
        assert closed["by"] == "recorder"


def test_what_a_recorder_that_runs_has_there_is_left_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    with Recorder(url) as recorder:
        session = recorder.session(session_id="sess_a")
        session.record(CLIENT, "x")
        session.committed().result(10)
        for options in ([], ["--dry-run"]):
            assert run(["spool", "--json", "--db", url, *options]) == 0
            (entry,) = entries(capsys)
            assert (entry["state"], entry["open_sessions"]) == ("recording", 1)
        session.record(CLIENT, "y")
        session.committed().result(10)


def test_a_database_that_is_away_loses_nothing(
    left: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, folder = left
    path = Path(url.removeprefix("sqlite:///"))
    path.write_bytes(b"no database" * 100)
    assert run(["spool", "--db", url]) == 1
    assert "not a database" in capsys.readouterr().err
    path.unlink()
    assert run(["spool", "--db", url]) == 0
    assert list(folder.iterdir()) == []


def crafted(body: bytes) -> bytes:
    """A record of a spool's file that has the right length and checksum."""
    return spool_file._head(len(body), zlib.crc32(body)) + body


@pytest.mark.parametrize(
    "body",
    [
        b"d{}",
        b"d[1]",
        b'd[["key"],null,false]',
        b'd["short",null,false]',
        b"d" + b"[" * 100_000,
        b'd["%s",7,false]' % (b"k" * 24),
        b"f" + b"k" * 24 + struct.pack("<QqBB", 1, 0, 200, 0) + b"{}",
        b"f" + b"\xff" * 24 + struct.pack("<QqBB", 1, 0, 0, 0) + b"{}",
        b"f" + b"k" * 24 + struct.pack("<QqBB", 1, 0, 0, 0) + b"\xff",
    ],
)
def test_a_crafted_record_is_damage_and_stops_no_other_recorder(
    left: tuple[str, Path], capsys: pytest.CaptureFixture[str], body: bytes
) -> None:
    url, folder = left
    (folder / "1-1-000000.000001.spool").write_bytes(spool_file.MAGIC + crafted(body))
    assert run(["spool", "--json", "--db", url]) == 0
    crafted_, whole = entries(capsys)
    assert (crafted_["damaged"], whole["frames"]) == (["1-1-000000.000001.damaged"], 11)
    with EventStore(url) as store:
        assert len(list(store.events("sess_a"))) == 13


def test_a_recording_that_no_record_names_and_a_time_that_is_none(
    left: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    url, folder = left
    body = b"f" + b"k" * 24 + struct.pack("<QqBB", 1, 2**63 - 1, 0, 0) + b"{}"
    (folder / "1-1-000000.000001.spool").write_bytes(spool_file.MAGIC + crafted(body))
    assert run(["spool", "--json", "--db", url]) == 0
    assert [entry["frames"] for entry in entries(capsys)] == [1, 11]


def test_a_session_that_takes_nothing_holds_no_other_and_what_it_has_is_kept(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Events stand behind a hole behind its head, where no repair can know what is missing."""
    folder = tmp_path / "spool"
    folder.mkdir()
    with EventStore(database_url) as store:
        store.append("bad", [Frame(CLIENT, str(n)) for n in range(5)])
        with store.engine.begin() as connection:
            connection.execute(text("UPDATE streams SET head_seq = 1, projected_seq = 1"))
            connection.execute(text("DELETE FROM events WHERE seq = 2"))
    records = []
    for key, wanted in (("b" * 24, "bad"), ("g" * 24, "good")):
        to = TargetSession(key, wanted, chosen_by_user=True)
        records.append(spool_file.encode_target(to))
        made = [Entry(key, n, Frame(CLIENT, f"new {n}", None)) for n in (1, 2, 3)]
        records += spool_file.encode_entries(made)
    path = folder / "1-1-000000.000001.spool"
    path.write_bytes(spool_file.MAGIC + b"".join(records))
    options = ["spool", "--json", "--db", database_url, "--spool", str(folder)]
    assert run(options) == 1
    out = capsys.readouterr()
    assert "bad: the database refuses 2 of its frames; they are kept in " in out.err
    assert [error["recording"] for error in json.loads(out.out)["errors"]] == ["bad"]
    with EventStore(database_url) as store:
        assert [e.text for e in store.events("good")][:3] == ["new 1", "new 2", "new 3"]
    (kept,) = folder.iterdir()
    assert kept.name == "1-1-000000.refused" and b"new 3" in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0
    assert "Traceback" not in out.err
    # Renamed, it is read like any other, once the session is mended.
    with EventStore(database_url) as store, store.engine.begin() as connection:
        connection.execute(text("DELETE FROM events WHERE seq > 2 AND session_id = 'bad'"))
    kept.rename(path)
    assert run(options) == 0
    with EventStore(database_url) as store:
        assert [e.text for e in store.events("bad")][1:4] == ["new 1", "new 2", "new 3"]


def test_what_is_logged_of_a_crafted_file_steers_no_terminal(tmp_path: Path) -> None:
    key = "\x1b[2J\x07".ljust(24, "k")
    url, folder = f"sqlite:///{tmp_path}/calls.db", tmp_path / "spool"
    with EventStore(url) as store:
        store.append("gone", [Frame(CLIENT, "x")])
        store.erase("gone", vacuum=False).raise_for_errors()
    folder.mkdir(mode=0o700)
    begun = TargetSession(key, "gone", True)
    entry = Entry(key, 1, Frame(CLIENT, "hello", 1), closing=True)
    records = spool_file.encode_target(begun) + b"".join(spool_file.encode_entries([entry]))
    (folder / "f-9-abcdef.000001.spool").write_bytes(spool_file.MAGIC + records)
    told = Terminal()("spool", "--spool", str(folder), "--db", url)
    assert "session gone was erased" in told.err
    assert all(line.isprintable() for line in (told.out + told.err).split("\n"))
