"""Integration: how `import` tells what it read a file as, and what the file lacks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from support.import_files import answer, created, jsonl
from support.terminal import Terminal

from eventstore import EventStore

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CALL = [created("sess_1"), *answer("resp_1")]


def clocked(time: str = "8:26:41 PM") -> bytes:
    return jsonl(*({"timestamp": time, "direction": "server", "event": one} for one in CALL))


def test_what_a_file_lacks_is_a_warning_and_in_json(
    terminal: Terminal, own_folder: Path, store: EventStore
) -> None:
    Path("call.log").write_bytes(clocked("soon"))
    told = terminal("import", "call.log", "--json")
    (entry,) = told.json["data"]
    assert entry["format"] == "timestamped" and entry["events"] == 3
    (warning,) = entry["warnings"]
    assert "3 of 3 times are not understood, such as 'soon'" in warning
    assert told.err == f"Warning: call.log: {warning}\n"
    assert store.events("sess_1").__next__().at is None


@on_sqlite
def test_a_warning_steers_no_terminal(terminal: Terminal, own_folder: Path) -> None:
    Path("call.log").write_bytes(clocked("\x1b[2J8 PM"))
    told = terminal("import", "call.log")
    assert told.code == 0 and "times are not understood" in told.err and "\x1b" not in told.err


@on_sqlite
def test_a_warning_is_told_once_a_file(terminal: Terminal, own_folder: Path) -> None:
    both = clocked() + clocked().replace(b"sess_1", b"sess_2").replace(b"resp_1", b"resp_2")
    Path("calls.log").write_bytes(both)
    told = terminal("import", "calls.log", "--json")
    assert len(told.json["data"]) == 2 and told.err.count("Warning") == 1


@on_sqlite
def test_a_format_is_named_where_guessing_fails(terminal: Terminal, own_folder: Path) -> None:
    Path("call").write_bytes(clocked())
    (entry,) = terminal("import", "call", "--format", "jsonl", "--json").json["data"]
    assert entry["format"] == "jsonl" and entry["warnings"] == []
    assert "'excel' is not one of 'jsonl'" in terminal("import", "call", "--format", "excel").err


@on_sqlite
def test_a_packed_file_is_read_from_standard_input(terminal: Terminal) -> None:
    told = terminal("import", "-", "--json", stdin=gzip.compress(jsonl(*CALL)))
    assert [entry["session_id"] for entry in told.json["data"]] == ["sess_1"]


@on_sqlite
def test_a_file_that_is_not_understood_is_one_line(terminal: Terminal, own_folder: Path) -> None:
    Path("notes.txt").write_text("Dear diary\n")
    told = terminal("import", "notes.txt", "--json")
    assert "--format" in told.error_beside_output() and json.loads(told.out)["data"] == []
