"""`eventstore spool`: what recorders have left on disk comes into the database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventstore import EventStore, Recorder
from eventstore.cli.main import run
from eventstore.realtime.frames import CLIENT, SERVER


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
