"""Integration: rebuild, project and status keep read models in step with the log."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import text
from support.calls import beta_tool_call, cut_off_call, voice_call
from support.events import Call
from support.poison import poison
from support.postgres import PostgresServer
from support.rows import read_model_rows
from support.shut_database import shut
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.cli import outlasting
from eventstore.errors import ClosedError
from eventstore.projection.state import PROJECTOR_VERSION
from eventstore.store.database.tables import declared as tables

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
    told = terminal("rebuild", "voice", "nowhere", "tools", "--json")
    assert "no session nowhere" in told.error_beside_output()
    found = json.loads(told.out)
    assert (found["sessions"], [e["session_id"] for e in found["errors"]]) == (2, ["nowhere"])


def test_project_catches_up_with_deferred_appends(terminal: Terminal, recorded: EventStore) -> None:
    before = rows(recorded)
    with EventStore(recorded.engine.url.render_as_string(False), projection="deferred") as writer:
        writer.append("later", voice_call().frames)
    assert terminal("status", "--json").json["behind"] == 1
    assert "1 session; run: eventstore project" in terminal("status").out
    assert recorded.responses(session="later").data == []
    done = terminal("project", "--json").json
    assert (done["sessions"], done["events"]) == (1, recorded.last_seq("later"))
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
    store.rebuild().raise_for_errors()
    assert read_model_rows(store.engine, "voice") == projected


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_session_that_cannot_be_rebuilt_stops_no_other(
    terminal: Terminal, recorded: EventStore, workers: str
) -> None:
    poison(recorded, "tools")
    told = terminal("rebuild", "--all", "--json", "--workers", workers)
    assert "session tools: the segment" in told.error_beside_output()
    found = json.loads(told.out)
    assert (found["sessions"], [e["session_id"] for e in found["errors"]]) == (2, ["tools"])
    assert terminal("status", "--json").json["behind"] == 1


def test_project_goes_on_behind_a_session_that_fails_and_status_names_it(
    terminal: Terminal, recorded: EventStore
) -> None:
    poison(recorded, "cut")
    make_stale(recorded)
    for tries in (1, 2):
        told = terminal("project", "--json")
        assert "session cut: the segment" in told.error_beside_output()
        found = json.loads(told.out)
        assert found["sessions"] == (2 if tries == 1 else 0)
        assert [e["session_id"] for e in found["errors"]] == ["cut"]
        status = terminal("status", "--json").json
        assert (status["behind"], status["failed_projections"]) == (1, 1)
        (failed,) = status["failed"]
        assert (failed["session_id"], failed["tries"]) == ("cut", tries)
        assert failed["error"] == "DamagedError"
    assert "failed     1 session could not be projected: cut (DamagedError)" in (
        terminal("status").out
    )
    poison(recorded, "cut", mend=True)
    assert terminal("project", "--json").json["sessions"] == 1
    status = terminal("status", "--json").json
    assert (status["behind"], status["failed_projections"], status["failed"]) == (0, 0, [])


def make_stale(store: EventStore) -> None:
    """Make all rows those of an older projector."""
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE streams SET projector_version = 0"))


def test_project_follow_tries_again_and_does_not_starve_others(
    terminal: Terminal, recorded: EventStore
) -> None:
    poison(recorded, "cut")
    make_stale(recorded)
    follower = terminal.start("project", "--follow", "--interval", "0.02")
    try:
        until(lambda: recorded.status()["failed_projections"] == 1)
        with EventStore(
            recorded.engine.url.render_as_string(False), projection="deferred"
        ) as writer:
            writer.append("zuletzt", voice_call().frames)
        # A second try shows that it goes on.
        until(lambda: recorded.status()["behind"] == 1)
        until(lambda: recorded.status()["failed"][0]["tries"] >= 2)
        poison(recorded, "cut", mend=True)
        until(lambda: recorded.status()["behind"] == 0)
        follower.send_signal(signal.SIGTERM)
        _, err = follower.communicate(timeout=PATIENCE)
    finally:
        _end(follower)
    assert follower.returncode == 0
    # It waited between tries: as many lines as tries, and not one for each look.
    assert 2 <= err.count(b"Error: session cut") <= 6
    assert recorded.status()["failed_projections"] == 0


def test_project_follow_goes_on_when_the_database_is_back(
    bare_terminal: Terminal,
    postgres: PostgresServer,
    own_postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EVENTSTORE_URL", own_postgres_url)
    follower = bare_terminal.start("project", "--follow", "--interval", "0.02")
    said: list[bytes] = []

    def away() -> int:
        return sum(line.endswith(b"; trying again until it is back\n") for line in said)

    reader = Thread(target=lambda: said.extend(follower.stderr or ()))
    reader.start()
    try:
        for name in ("voice", "tools"):
            with EventStore(own_postgres_url, projection="deferred") as writer:
                writer.append(name, CALLS[name]().frames)
                until(lambda: writer.status()["behind"] == 0)
            shut(postgres, own_postgres_url, True)
            until(lambda name=name: away() == (1 if name == "voice" else 2))
            shut(postgres, own_postgres_url, False)
            until(lambda: away() == said.count(b"The database is back.\n"))
        assert follower.poll() is None
        follower.send_signal(signal.SIGTERM)
        follower.wait(PATIENCE)
    finally:
        _end(follower)
        reader.join()
    assert follower.returncode == 0
    # One line each time that it goes, and one each time that it is back.
    assert [away(), len(said)] == [2, 6]


def test_what_outlasts_an_outage_goes_on(database_url: str, tmp_path: Path) -> None:
    away = "postgresql://nobody@127.0.0.1:1/nothing"
    if database_url.startswith("sqlite"):
        away = f"sqlite:///{tmp_path}/later/calls.db"
    (tmp_path / "later").mkdir()
    unreachable = EventStore(away, check_schema=False)
    (tmp_path / "later").rmdir()
    looks: list[int] = []
    stop = Event()

    def look() -> None:
        looks.append(1)
        if len(looks) <= 3:
            unreachable.status()
        with EventStore(database_url) as store:
            store.status()
        stop.set()

    outlasting.run(look, stop, 0.001)
    assert len(looks) == 4


def test_what_is_no_outage_ends_what_outlasts_them(store: EventStore) -> None:
    store.close()
    with pytest.raises(ClosedError):
        outlasting.run(lambda: print(store.status()), Event(), 0.001)


def test_one_day_that_cannot_be_summed_stops_no_other(
    terminal: Terminal, store: EventStore
) -> None:
    for day in range(3):
        call = Call()
        call.ms = day * 86_400_000
        call.created("resp").done("resp", usage={"input_tokens": 5})
        store.append(f"sess_{day}", call.frames, close=True)
    with store.engine.begin() as connection:
        connection.execute(
            text("UPDATE usage SET total_tokens = :n, input_tokens = :n WHERE session_id = :s"),
            {"n": 2**63 - 1, "s": "sess_1"},
        )
        copied = ", ".join(c.name for c in tables.usage.columns if c.name != "usage_id")
        connection.execute(
            text(
                f"INSERT INTO usage (usage_id, {copied})"
                f" SELECT 'again', {copied} FROM usage WHERE session_id = 'sess_1'"
            )
        )
    told = terminal("project", "--json")
    assert told.code == 1 and "Error: 2023-11-15: " in told.err
    found = json.loads(told.out)
    assert found["summed_days"] == 2
    assert [e["day"] for e in found["errors"] if "day" in e] == ["2023-11-15"]
    # Nor a session whose usage cannot be added up: its cost is unknown.
    unpriced = [e["session_id"] for e in found["errors"] if "day" not in e]
    if store.engine.dialect.name == "sqlite":  # PostgreSQL adds it up
        assert unpriced == ["sess_1"]
    assert found["priced_sessions"] == 3 - len(unpriced)
    assert len(store.sessions(sort="cost").data) == 3


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.communicate()


def test_status_tells_what_is_there(terminal: Terminal, recorded: EventStore) -> None:
    events = sum(recorded.last_seq(name) for name in CALLS)
    told = dict(line.split(None, 1) for line in terminal("status").out.splitlines())
    assert told["sessions"] == "3"
    assert told["events"] == str(events)
    assert told["responses"] == "5"
    assert told["behind"].startswith("0 session")
    assert "(schema " in told["database"]
