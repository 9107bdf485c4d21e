"""`eventstore copy` and `eventstore offload`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.calls import voice_call
from support.terminal import Terminal

from eventstore import EventStore


@pytest.fixture
def calls(store: EventStore) -> dict[str, int]:
    """Closed sessions, and how many events they have; and an open one."""
    frames = voice_call().frames
    for name in ("call_1", "call_2"):
        store.append(name, frames, close=True)
        store.set_metadata(name, {"customer": name[-1]})
    store.append("open", frames)
    return {name: store.last_seq(name) for name in ("call_1", "call_2")}


def entry(name: str, calls: dict[str, int], status: str, deleted: bool = False) -> dict[str, Any]:
    return {"session_id": name, "status": status, "events": calls[name], "deleted": deleted}


def listed(*data: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": list(data), "errors": []}


def test_all_closed_sessions_are_copied(terminal: Terminal, calls: dict[str, int]) -> None:
    to = ("copy", "--to", "sqlite:///may.db", "--all", "--json")
    assert terminal(*to).json == listed(*(entry(name, calls, "copied") for name in calls))
    assert terminal(*to).json == listed(*(entry(name, calls, "exists") for name in calls))
    there = terminal("sessions", "--db", "sqlite:///may.db", "--json").json["data"]
    assert {one["eventstore"]["session_id"] for one in there} == set(calls)
    changed = terminal("rebuild", "--all", "--db", "sqlite:///may.db", "--json").json
    assert changed["changed_rows"] == 0
    assert terminal("verify", "--all", "--db", "sqlite:///may.db").code == 0


def test_some_are_moved_and_come_back(
    terminal: Terminal, calls: dict[str, int], database_url: str
) -> None:
    chosen = ("--metadata", "customer=2", "--then-delete", "--json")
    exported = terminal("export", "call_2").out
    assert terminal("copy", "--to", "sqlite:///may.db", *chosen).json == listed(
        entry("call_2", calls, "copied", deleted=True)
    )
    assert "no session call_2" in terminal("export", "call_2").error()
    assert terminal("export", "call_2", "--db", "sqlite:///may.db").out == exported
    back = terminal("copy", "call_2", "--to", database_url, "--db=sqlite:///may.db")
    assert back.out == f"Copied 1 session with {calls['call_2']} events.\n"
    assert terminal("export", "call_2").out == exported


def test_what_it_says_to_people(terminal: Terminal, calls: dict[str, int]) -> None:
    events = f"{sum(calls.values())} events"
    to = ("copy", "--to", "sqlite:///may.db", "--all")
    assert terminal(*to, "--dry-run").out == f"Would copy 2 sessions with {events}.\n"
    assert not Path("may.db").exists()
    assert terminal(*to).out == f"Copied 2 sessions with {events}.\n"
    moved = terminal(*to, "--then-delete")
    assert moved.out == (
        "Copied 0 sessions with 0 events; 2 sessions there already; deleted 2 sessions here.\n"
    )


def test_what_fails_is_told_and_stops_nothing(terminal: Terminal, calls: dict[str, int]) -> None:
    output = terminal("copy", "open", "nowhere", "call_1", "--to", "sqlite:///may.db")
    assert output.code == 1
    assert output.err.splitlines() == [
        "Error: session open is open; copy it once it is closed",
        "Error: no session nowhere; list them with: eventstore sessions",
    ]
    assert output.out == f"Copied 1 session with {calls['call_1']} events; 2 failed.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("copy", "call_1"),
        ("copy", "--to", "sqlite:///x.db"),
        ("copy", "--to", "sqlite:///x.db", "--all", "call_1"),
        ("copy", "--to", "mysql://x/y", "--all"),
        ("copy", "--to", "nonsense", "--all"),
        ("offload", "--all"),
        ("offload", "--to", "x", "--back", "--all"),
        ("offload", "--to", "x"),
        ("offload", "--to", "s3://key:secret@bucket/x", "--all"),
        ("offload", "--to", "no-such-kind://bucket/x", "call_1"),
    ],
)
def test_wrong_usage(
    terminal: Terminal, store: EventStore, calls: dict[str, int], arguments: tuple[str, ...]
) -> None:
    store.seal(["call_1"])
    assert "secret" not in terminal(*arguments).error(2)


def test_the_same_database_is_refused(
    terminal: Terminal, calls: dict[str, int], database_url: str
) -> None:
    output = terminal("copy", "--all", "--to", database_url, "--then-delete")
    assert "same database" in output.error(2)
    assert terminal("export", "call_1").code == 0


def test_bytes_go_to_a_folder_and_back(
    terminal: Terminal,
    calls: dict[str, int],
    own_folder: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exported = terminal("export", "call_1").out
    terminal("seal", "call_1")
    moved = terminal("offload", "--to", "segments", "--all", "--json")
    if database_url.startswith("postgresql"):  # it has no folder of its own
        told = moved.err.strip().rpartition(" ")[2]
        assert told == f"EVENTSTORE_SEGMENTS={(own_folder / 'segments').as_uri()}"
        assert told in terminal("export", "call_1").error(1)
        monkeypatch.setenv(*told.split("=", 1))
    found = moved.json
    size = sum(path.stat().st_size for path in (own_folder / "segments").rglob("*.segment"))
    assert found == listed(
        {"session_id": "call_1", "segments": 1, "bytes": size},
        {"session_id": "call_2", "segments": 0, "bytes": 0},
    )
    assert terminal("export", "call_1").out == exported
    assert terminal("verify", "call_1").code == 0
    assert terminal("offload", "--back", "--all").out == (
        f"Moved 1 segment of 1 session: {size / 1e3:.1f} kB; 1 session had nothing to move.\n"
    )
    for path in (own_folder / "segments").rglob("*.segment"):
        path.unlink()
    assert terminal("export", "call_1").out == exported
