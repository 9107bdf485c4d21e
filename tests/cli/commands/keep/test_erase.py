"""Integration: the commands that erase and retain, as people and scripts use them."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from support.calls import beta_tool_call, voice_call
from support.terminal import COMMAND, Terminal, environment

from eventstore import EventStore
from eventstore.realtime.frames import CLIENT, Frame
from eventstore.store.database.transaction import read
from eventstore.store.log.session_facts import metadata_frame
from eventstore.store.maintenance.scrub import is_vacuum_due

EVENTS = len(voice_call().frames)


@pytest.fixture
def calls(store: EventStore) -> EventStore:
    """Two calls of one customer, one of another, and one that is open."""
    for name, customer in (("a1", "42"), ("a2", "42"), ("b1", "7")):
        noted = metadata_frame({"customer": customer}, None)
        store.append(name, [*voice_call().frames, noted], close=True)
    store.append("open", beta_tool_call().frames)
    return store


def left(store: EventStore) -> set[str]:
    return {session["id"] for session in store.sessions(limit=100).data}


def answered(answer: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command with a terminal for its input, on which an answer is typed."""
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    try:
        return subprocess.run(
            [*COMMAND, *arguments],
            stdin=theirs,
            capture_output=True,
            env=environment(),
            check=False,
            timeout=60,
        )
    finally:
        os.close(ours)
        os.close(theirs)


def test_sessions_by_name(terminal: Terminal, calls: EventStore) -> None:
    told = terminal("erase", "a1", "open", "a1", "--yes", "--reason", "asked for it")
    assert (told.code, told.err) == (0, "")
    events = EVENTS + 1 + len(beta_tool_call().frames)
    assert told.out == f"Erased 2 sessions with {events} events and 4 responses.\n"
    assert left(calls) == {"a2", "b1"}
    for command in ("state", "events", "export", "replay", "rebuild", "reseed"):
        error = terminal(command, "a1").error()
        assert error.startswith("session a1 was erased on 20") and "(asked for it)" in error
    assert terminal("state", "a1", "--follow").error().startswith("session a1 was erased")
    again = terminal("erase", "a1", "--yes").out
    assert again.splitlines()[1] == "1 session had been erased before."
    assert "erased     2 sessions, and the audio of 0" in terminal("status").out


def test_sessions_by_metadata(terminal: Terminal, calls: EventStore) -> None:
    told = terminal("erase", "--metadata", "customer=42", "--yes", "--json").json
    data, counts = told.pop("data"), {"sessions": 2, "events": 2 * EVENTS + 2, "responses": 4}
    assert told == counts | {
        "object": "eventstore.erasure",
        "what": "session",
        "dry_run": False,
        "erased_before": 0,
        "vacuumed": True,
        "errors": [],
    }
    assert [entry["session_id"] for entry in data] == ["a1", "a2"]
    assert all(len(entry["sha256"]) == 64 and entry["erased_at"] for entry in data)
    assert left(calls) == {"b1", "open"}
    assert terminal("erase", "--metadata", "customer=42", "--yes", "--json").json["data"] == []


@pytest.mark.parametrize("as_json", [True, False])
def test_a_dry_run_changes_nothing(terminal: Terminal, calls: EventStore, as_json: bool) -> None:
    arguments = ("erase", "--metadata", "customer=42", "--metadata", "customer", "--dry-run")
    if as_json:
        told = terminal(*arguments, "--json").json
        assert (told["sessions"], told["responses"], told["dry_run"]) == (2, 4, True)
    else:
        would = f"Would erase 2 sessions with {2 * EVENTS + 2} events and 4 responses.\n"
        assert terminal(*arguments).out == would
    assert len(left(calls)) == 4


def test_somebody_is_asked_who_can_answer(terminal: Terminal, calls: EventStore) -> None:
    no = answered(b"n\n", "erase", "a1")
    assert no.returncode == 130 and b"Erase 1 session with" in no.stderr
    assert len(left(calls)) == 4
    yes = answered(b"y\n", "erase", "a1")
    assert yes.returncode == 0 and yes.stdout.startswith(b"Erased 1 session")
    assert len(left(calls)) == 3


def test_where_nobody_can_answer_yes_is_needed(terminal: Terminal, calls: EventStore) -> None:
    assert "Say so with --yes" in terminal("erase", "a1").error(2)
    assert len(left(calls)) == 4


def test_audio_only_of_what_is_closed(terminal: Terminal, calls: EventStore) -> None:
    told = terminal("erase", "a1", "open", "b1", "--audio-only", "--yes")
    assert told.error_beside_output().startswith("session open is open")
    assert told.out.splitlines() == [
        f"Erased the audio of 2 sessions with {2 * EVENTS + 2} events and 4 responses.",
        "1 session could not be erased.",
    ]
    told_json = terminal("erase", "open", "--audio-only", "--yes", "--json")
    assert told_json.code == 1 and '"errors":[{"session_id":"open"' in told_json.out
    assert terminal("rebuild", "--all", "--json").json["changed_rows"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        ((), 2, "name the sessions, or give --metadata"),
        (("a1", "--metadata", "customer=42"), 2, "name the sessions, or give --metadata"),
        (("a1", "nowhere", "--yes"), 1, "no session nowhere"),
        (("--metadata", "=x", "--yes"), 2, "metadata filter '=x'"),
        (("a1", "--yes", "--reason", "a\nb"), 2, "a reason is one line"),
    ],
)
def test_what_cannot_be_erased_is_said_before_anything_is(
    terminal: Terminal, calls: EventStore, arguments: tuple[str, ...], code: int, problem: str
) -> None:
    assert problem in terminal("erase", *arguments).error(code)
    assert len(left(calls)) == 4


def test_sessions_that_are_not_projected_may_be_missed(
    terminal: Terminal, calls: EventStore, database_url: str
) -> None:
    with EventStore(database_url, projection="deferred") as deferred:
        deferred.append("late", [metadata_frame({"customer": "42"}, None)])
    told = terminal("erase", "--metadata", "customer=42", "--yes")
    assert "eventstore project" in told.err and "Erased 2 sessions" in told.out


def test_import_of_what_was_erased(terminal: Terminal, calls: EventStore, tmp_path: Path) -> None:
    path = str(tmp_path / "a1.jsonl")
    assert terminal("export", "a1", "-o", path).code == 0
    terminal("erase", "a1", "--yes", "--reason", "asked for it")
    told = terminal("import", path)
    assert told.code == 1 and "(asked for it)" in told.err and "--session-id NEW_ID" in told.err
    assert terminal("import", path, "--session-id", "new").code == 0


def test_a_store_that_is_erased_from_goes_on(terminal: Terminal, calls: EventStore) -> None:
    """Another process erases and vacuums, while this one has connections and states at hand."""
    calls.append("open", [Frame(CLIENT, "{}")])
    assert terminal.apart("erase", "a1", "--yes").code == 0
    calls.append("open", [Frame(CLIENT, "{}")])
    assert left(calls) == {"a2", "b1", "open"}
    assert sum(done.changed for done in calls.rebuild().done) == 0


def test_where_somebody_holds_the_files_it_is_to_be_done_again(
    terminal: Terminal, calls: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.store.maintenance.vacuum_postgresql.LOCK_WAIT", 0.1)
    monkeypatch.setattr("eventstore.store.maintenance.vacuum._PATIENCE", 0.1)
    monkeypatch.setattr("eventstore.store.maintenance.older_transactions.WAIT", "0.2s")
    with read(calls.engine) as tx:
        tx.rows("SELECT COUNT(*) FROM events")
        told = terminal("erase", "a1", "--yes")
        assert told.code == 1 and told.out.startswith("Erased 1 session")
        assert told.err.startswith("Error: bytes of what is erased are left in files; run this")
    assert left(calls) == {"a2", "b1", "open"}
    again = terminal("erase", "a1", "--yes", "--json").json
    assert (again["sessions"], again["erased_before"], again["vacuumed"]) == (0, 1, True)


# Retain

POLICY = """
[[rule]]
older_than = "1d"
metadata = { customer = "42" }
do = "erase"

[[rule]]
older_than = "12h"
do = "archive"
"""


def test_retain(terminal: Terminal, calls: EventStore) -> None:
    Path("policy.toml").write_text(POLICY)
    would = terminal("retain", "--policy", "policy.toml", "--dry-run")
    assert would.out.splitlines()[-1] == "Nothing was changed."
    assert len(left(calls)) == 4
    told = terminal("retain", "--policy", "policy.toml").out.splitlines()
    assert told == would.out.splitlines()[:-1]
    assert told[1].split() == f"1 erase after 1 d customer=42 2 {2 * EVENTS + 2} 4 0".split()
    assert told[2].split()[:4] == ["2", "archive", "after", "12"]
    assert left(calls) == {"b1", "open"}
    again = terminal("retain", "--policy", "policy.toml", "--json").json
    assert again == {
        "object": "eventstore.retention",
        "dry_run": False,
        "data": [_nothing("erase", 86_400), _nothing("archive", 43_200)],
        "errors": [],
    }


def test_retain_says_short_ages_in_their_own_units(terminal: Terminal, calls: EventStore) -> None:
    ages = ("30s", "15m", "36h", "2w")
    rules = (f'[[rule]]\nolder_than = "{age}"\ndo = "seal"\n' for age in ages)
    Path("policy.toml").write_text("".join(rules))
    shown = terminal("retain", "--policy", "policy.toml", "--dry-run").out.splitlines()[1:5]
    assert [line.split()[3:5] for line in shown] == [
        ["30", "s"],
        ["15", "min"],
        ["1.5", "d"],
        ["14", "d"],
    ]


def _nothing(do: str, seconds: int) -> dict[str, object]:
    counts = dict.fromkeys(("sessions", "events", "responses", "failed"), 0)
    return {"do": do, "older_than_s": seconds, **counts}


def test_retain_vacuums_what_was_left(
    terminal: Terminal, calls: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("policy.toml").write_text(POLICY)
    assert not is_vacuum_due(calls.engine)
    assert terminal("retain", "--policy", "policy.toml", "--no-vacuum").code == 0
    assert is_vacuum_due(calls.engine)
    for _ in range(2):
        assert terminal("retain", "--policy", "policy.toml").code == 0
        assert not is_vacuum_due(calls.engine)
        # Nothing is left to do: the files are not written again.
        monkeypatch.setattr("eventstore.cli.commands.keep.retain.scrubbed", None)


def test_a_session_that_cannot_be_sealed_is_told(terminal: Terminal, calls: EventStore) -> None:
    with calls.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE session_id = 'b1' AND seq = 2")
    Path("policy.toml").write_text('[[rule]]\nolder_than = "1d"\ndo = "archive"\n')
    told = terminal("retain", "--policy", "policy.toml", "--json")
    assert told.code == 1 and "session b1 lacks event 2" in told.err
    assert '"sessions":2' in told.out and '"failed":1' in told.out


def test_a_policy_that_is_none_is_an_error(terminal: Terminal) -> None:
    Path("policy.toml").write_text('[[rule]]\nolder_than = "soon"\ndo = "erase"\n')
    error = terminal("retain", "--policy", "policy.toml").error(2)
    assert (
        error == "policy.toml: rule 1 older_than: not an age: 'soon'; use 30s, 15m, 12h, 7d or 2w"
    )
    assert "cannot read" in terminal("retain", "--policy", "none.toml").error(2)
