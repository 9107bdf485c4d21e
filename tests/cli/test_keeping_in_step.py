"""Integration: rebuild, project and status keep read models in step with the log."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from cli.terminal import Terminal
from sqlalchemy import text
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.rows import read_model_rows

from eventstore import EventStore
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store import tables

CALLS = {"voice": voice_call, "tools": beta_tool_call, "cut": cut_off_call}
PATIENCE = 30.0


@pytest.fixture
def recorded(store: EventStore) -> EventStore:
    """A store with three calls."""
    for name, call in CALLS.items():
        store.append(name, call().frames)
    return store


def rows(store: EventStore) -> dict[str, Any]:
    return {name: read_model_rows(store.engine, name) for name in CALLS}


def damage(store: EventStore) -> None:
    """Lose most of the read models' rows, and make the rest wrong."""
    with store.engine.begin() as connection:
        for table in tables.READ_MODELS[1:]:
            connection.execute(table.delete())
        connection.execute(tables.sessions.update().values(model="wrong", notes="{}"))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.03)


def test_rebuild_of_all_by_two_workers_gives_equal_rows(
    terminal: Terminal, recorded: EventStore
) -> None:
    before = rows(recorded)
    damage(recorded)
    assert rows(recorded) != before
    told = terminal("rebuild", "--all", "--workers", "2", "--json").json
    assert told["sessions"] == 3
    assert rows(recorded) == before


def test_rebuild_of_one_session_leaves_the_others(terminal: Terminal, recorded: EventStore) -> None:
    before = rows(recorded)
    damage(recorded)
    wrong = rows(recorded)
    assert terminal("rebuild", "voice").out.startswith("Rebuilt 1 session with ")
    assert rows(recorded) == wrong | {"voice": before["voice"]}


def test_rebuild_names_what_is_missing(terminal: Terminal, recorded: EventStore) -> None:
    assert "no session nowhere" in terminal("rebuild", "nowhere", "--json").error()
    assert "no session nowhere" in terminal("rebuild", "voice", "nowhere", "--json").error()


def test_project_catches_up_with_deferred_appends(terminal: Terminal, recorded: EventStore) -> None:
    before = rows(recorded)
    with EventStore(recorded.engine.url.render_as_string(False), projection="deferred") as writer:
        writer.append("later", voice_call().frames)
    assert terminal("status", "--json").json["behind"] == 1
    assert "1 session; run: eventstore project" in terminal("status").out
    assert recorded.responses(session="later").data == []
    done = terminal("project", "--json").json
    assert (done["sessions"], done["events"]) == (1, recorded.head("later"))
    assert [r["id"] for r in recorded.responses(session="later").data] == ["resp_2", "resp_1"]
    assert terminal("status", "--json").json["behind"] == 0
    assert terminal("project", "--json").json["sessions"] == 0
    assert rows(recorded) == before


def test_project_renews_what_an_older_projector_wrote(
    terminal: Terminal, recorded: EventStore
) -> None:
    before = rows(recorded)
    damage(recorded)
    with recorded.engine.begin() as connection:
        older = {"version": PROJECTOR_VERSION - 1}
        sql = "UPDATE streams SET projector_version = :version WHERE session_id <> 'cut'"
        connection.execute(text(sql), older)
    assert terminal("status", "--json").json["behind"] == 2
    assert terminal("project", "--json").json["sessions"] == 2
    after = rows(recorded)
    assert (after["voice"], after["tools"]) == (before["voice"], before["tools"])
    assert after["cut"] != before["cut"]


def test_project_follows_appends_of_other_processes_until_it_is_stopped(
    terminal: Terminal, store: EventStore
) -> None:
    follower = terminal.start("project", "--follow", "--interval", "0.02", "--json")
    try:
        with EventStore(store.engine.url.render_as_string(False), projection="deferred") as writer:
            frames = voice_call().frames
            for place in range(0, len(frames), 13):
                writer.append("voice", frames[place : place + 13])
                until(lambda: store.status()["behind"] == 0)
            writer.append("tools", beta_tool_call().frames)
        until(lambda: len(store.responses().data) == 4)
        assert follower.poll() is None
        follower.send_signal(signal.SIGTERM)
        out, err = follower.communicate(timeout=PATIENCE)
    finally:
        _end(follower)
    assert follower.returncode == 0
    assert out.count(b"\n") == 1 and b'"sessions"' in out
    assert b"projected tools up to" in err and b"Traceback" not in err
    projected = read_model_rows(store.engine, "voice")
    list(store.rebuild())
    assert read_model_rows(store.engine, "voice") == projected


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.communicate()


def test_status_tells_what_is_there(terminal: Terminal, recorded: EventStore) -> None:
    events = sum(recorded.head(name) for name in CALLS)
    told = dict(line.split(None, 1) for line in terminal("status").out.splitlines())
    assert told["sessions"] == "3"
    assert told["events"] == str(events)
    assert told["responses"] == "5"
    assert told["behind"].startswith("0 session")
    assert "(schema " in told["database"]
