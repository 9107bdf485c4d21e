"""Acceptance: `eventstore export --format parquet --since-last` as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.calls import beta_tool_call, voice_call
from support.parquet_tables import check_tables
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.store.database.transaction import write

UPDATE = ("export", "--format", "parquet", "--since-last", "-o", "tables")


@pytest.fixture
def filled(store: EventStore) -> EventStore:
    store.append("sess_a", voice_call().frames)
    store.append("sess_b", beta_tool_call().frames)
    store.set_metadata("sess_b", {"topic": "weather"})
    return store


def test_it_says_what_it_wrote(terminal: Terminal, filled: EventStore) -> None:
    first = terminal(*UPDATE)
    assert (first.code, first.out) == (0, "")
    assert first.err.startswith("Wrote 1 part (")
    assert first.err.endswith("): 4 responses, 9 items, 5 usage rows and 0 scores of 2 sessions.\n")
    check_tables(filled, Path("tables").resolve())
    assert terminal(*UPDATE) == (0, "", "Nothing has changed in 1 part.\n")
    filled.erase(["sess_a", "sess_b"]).raise_for_errors()
    assert terminal(*UPDATE).err.endswith("Removed 1 part of which no session is left.\n")


def test_it_says_so_as_json(terminal: Terminal, filled: EventStore) -> None:
    told = json.loads(terminal(*UPDATE, "--json").out)
    rows = {"sessions": 2, "responses": 4, "items": 9, "usage": 5, "scores": 0}
    partitions = {"written": 1, "removed": 0, "unchanged": 0}
    assert told.pop("bytes") > 1000
    assert told == {
        "object": "eventstore.parquet_update",
        "sessions": 2,
        "rows": rows,
        "partitions": partitions,
        "failed": [],
    }
    told = json.loads(terminal(*UPDATE, "--json").out)
    assert told["partitions"] == {"written": 0, "removed": 0, "unchanged": 1}
    assert told["bytes"] == 0


def test_filters_and_restart(terminal: Terminal, filled: EventStore) -> None:
    assert terminal(*UPDATE, "--metadata", "topic=weather").code == 0
    check_tables(filled, Path("tables").resolve(), metadata=["topic=weather"])
    refused = terminal(*UPDATE, "--all")
    assert refused.code == 2 and refused.err.startswith("Error: tables was made with other filters")
    assert len(refused.err.splitlines()) == 1
    assert terminal(*UPDATE, "--restart").code == 0
    check_tables(filled, Path("tables").resolve())


def test_a_session_that_cannot_be_read_is_named(terminal: Terminal, filled: EventStore) -> None:
    with write(filled.engine) as tx:
        tx.run("UPDATE sessions SET notes = '[' WHERE session_id = 'sess_b'")
    done = terminal(*UPDATE, "--json")
    assert done.code == 1 and "Error: " in done.err and "sess_b" in done.err
    told = json.loads(done.out)
    assert told["sessions"] == 1
    assert [one["session_id"] for one in told["failed"]] == ["sess_b"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--format parquet --since-last", "name it by --output"),
        ("--since-last -o tables", "goes with --format parquet"),
        ("--all --format parquet --restart -o tables", "go with --since-last"),
        ("--all --json", "go with --since-last"),
        ("sess_a --format parquet --since-last -o tables", "no names of sessions"),
        ("--all --model x --format parquet --since-last -o tables", "one of these"),
        ("--format parquet --since-last -o taken", "is a file"),
    ],
)
def test_wrong_usage(terminal: Terminal, filled: EventStore, options: str, said: str) -> None:
    Path("taken").write_text("mine")
    done = terminal("export", *options.split())
    assert done.code == 2 and said in done.err and done.out == ""
    assert not Path("tables").exists()
