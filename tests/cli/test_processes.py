"""Acceptance: the command as a process among others: pipes, signals, limits, several at once."""

from __future__ import annotations

import resource
import signal
import subprocess
from pathlib import Path

import pytest
from support.calls import voice_call
from support.terminal import Output, Terminal

from eventstore import EventStore

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SAMPLE = "sess_Demo0wh8M7iLQ5xcsWTic"


@on_sqlite
def test_the_exit_code_is_that_of_the_process(terminal: Terminal) -> None:
    assert "no session nowhere" in terminal.apart("state", "nowhere").error(1)


# Pipes


@on_sqlite
def test_export_goes_through_a_pipe_into_import(terminal: Terminal, store: EventStore) -> None:
    store.append("sess_1", voice_call().frames)
    to = "--db sqlite:///elsewhere.db --session-id sess_1 --json"
    told = terminal.shell(f"eventstore export sess_1 | eventstore import - {to}")
    assert told.json["data"][0]["added"] == store.last_seq("sess_1")


@pytest.fixture
def sample(terminal: Terminal, sample_call: Path) -> None:
    """The sample call in the store: more text than a pipe holds."""
    assert terminal("import", str(sample_call)).code == 0


@pytest.mark.usefixtures("sample")
@on_sqlite
def test_a_broken_pipe_ends_quietly(terminal: Terminal) -> None:
    told = terminal.shell(f"eventstore export {SAMPLE} | head -c 20")
    assert (len(told.out), told.err) == (20, "")


@pytest.mark.usefixtures("sample")
@on_sqlite
def test_a_broken_pipe_is_no_failure(terminal: Terminal) -> None:
    told = terminal.shell(f"eventstore events {SAMPLE} | head -1")
    assert (told.code, told.err) == (0, "")


# Signals


@pytest.mark.usefixtures("sample")
@on_sqlite
def test_a_replay_is_stopped_in_a_line(terminal: Terminal) -> None:
    # Whoever runs the tests in the background may have it ignore the signal.
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.default_int_handler)}
    playing = terminal.start("replay", SAMPLE, "--speed", "0.1", **heeding)
    assert playing.stdout is not None
    assert b"opened" in playing.stdout.readline()
    playing.send_signal(signal.SIGINT)
    out, err = playing.communicate(timeout=30)
    assert playing.returncode == 130
    assert err.decode().strip() == "Error: stopped"
    assert b"Traceback" not in out


# A full disk


def _limited_to(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@on_sqlite
def test_a_full_disk_is_told_and_nothing_half_done(
    terminal: Terminal, store: EventStore, database_url: str, sample_call: Path
) -> None:
    store.append("before", voice_call().frames)
    whole = store.state("before")
    store.close()
    limited = {"preexec_fn": lambda: _limited_to(600_000)}
    said = terminal.apart("import", str(sample_call), "--json", **limited).error()
    assert "nothing was written" in said
    with EventStore(database_url) as again:
        assert [entry["id"] for entry in again.sessions().data] == ["before"]
        assert again.state("before") == whole
    assert terminal("status", "--json").json["behind"] == 0
    # With space again, it goes on as if nothing had been.
    assert terminal("import", str(sample_call), "--json").json["data"][0]["added"] == 1204


@pytest.mark.usefixtures("sample")
@on_sqlite
def test_an_export_onto_a_full_disk_leaves_no_half_file(
    terminal: Terminal, own_folder: Path
) -> None:
    limited = {"preexec_fn": lambda: _limited_to(100_000)}
    said = terminal.apart("export", SAMPLE, "-o", "out.jsonl", **limited).error()
    assert "too large" in said
    assert not list(own_folder.glob("out.jsonl*"))


# Several at once


def _together(started: list[subprocess.Popen[bytes]]) -> list[Output]:
    ended = []
    for process in started:
        out, err = process.communicate(timeout=60)
        ended.append(Output(process.returncode, out.decode(), err.decode()))
    return ended


def test_several_imports_of_the_same_file_at_once_store_it_once(
    terminal: Terminal, store: EventStore, sample_call: Path
) -> None:
    started = [terminal.start("import", str(sample_call), "--json") for _ in range(2)]
    told = [entry.json["data"][0] for entry in _together(started)]
    assert {(entry["session_id"], entry["events"]) for entry in told} == {(SAMPLE, 1204)}
    assert store.last_seq(SAMPLE) == 1204
    shown = store.state(SAMPLE)
    store.rebuild().raise_for_errors()
    assert store.state(SAMPLE) == shown


def test_several_first_uses_at_once_make_one_schema(
    bare_terminal: Terminal, empty_database_url: str
) -> None:
    started = [bare_terminal.start("init", "--json", "--db", empty_database_url) for _ in range(2)]
    told = [entry.json for entry in _together(started)]
    assert sorted(entry["before"] is None for entry in told) == [False, True]
    assert bare_terminal("status", "--json", "--db", empty_database_url).json["sessions"] == 0
