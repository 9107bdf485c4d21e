"""What a shell suggests, by the protocol that click's scripts for shells speak with a program."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from support.calls import voice_call
from support.terminal import COMMAND, environment

from eventstore import EventStore

ODD = ("$(touch ran)", "two words", "a;b", "*", "new\nline", "quo'te", "x,y")


@pytest.fixture
def filled(own_folder: Path) -> Path:
    """The database that commands use where none is named."""
    with EventStore("sqlite:///eventstore.db") as store:
        for number in range(1, 4):
            store.append(f"sess_{number}", voice_call().frames)
            store.set_metadata(f"sess_{number}", {"customer": str(40 + number), "colour": "red"})
        store.append("call_1", voice_call().frames)
        for number, odd in enumerate(ODD):
            store.append(f"odd {number}", voice_call().frames)
            store.set_metadata(f"odd {number}", {odd: odd, "odd": odd})
        store.append("sess_gone", voice_call().frames)
        store.erase(["sess_gone"])
    return own_folder / "eventstore.db"


def completed(line: str, shell: str = "bash", **variables: str) -> list[str]:
    """What is suggested for the last word of a line, which must be all that is printed."""
    words = line.split(" ")
    number = str(len(words) - 1)
    asked = {"_EVENTSTORE_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": number}
    # Named as the script for the shell does it, by the name of the program.
    done = subprocess.run(
        [*COMMAND],
        env={**environment(), **asked, **variables},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    found = done.stdout.decode().split("\n")
    return sorted(filter(None, found))


def words(*suggested: str) -> list[str]:
    return sorted(f"plain,{word}" for word in suggested)


def test_commands_are_suggested(own_folder: Path) -> None:
    assert completed("eventstore sess") == words("sessions")
    assert {*words("sessions", "state", "serve")} <= {*completed("eventstore s")}
    assert completed("eventstore --ver") == words("--version")
    assert completed("eventstore sessions --metad") == words("--metadata")
    assert not any(own_folder.iterdir())


@pytest.mark.parametrize(
    "command", ["state", "show", "export", "verify call_1", "responses --session"]
)
def test_sessions_are_suggested(filled: Path, command: str) -> None:
    assert completed(f"eventstore {command} sess_") == words("sess_1", "sess_2", "sess_3")
    assert completed(f"eventstore {command} call") == words("call_1")
    assert completed(f"eventstore {command} nobody") == []


def test_metadata_is_suggested(filled: Path) -> None:
    assert completed("eventstore sessions --metadata cust") == words("customer=")
    assert completed("eventstore usage --metadata c") == words("colour=", "customer=")
    pairs = words("customer=41", "customer=42", "customer=43")
    assert completed("eventstore sessions --metadata customer=") == pairs
    assert completed("eventstore sessions --metadata customer=43") == words("customer=43")
    assert completed("eventstore metadata cu") == words("customer")


def test_models_are_suggested(filled: Path) -> None:
    (model,) = completed("eventstore sessions --model ")
    assert model.startswith("plain,gpt-")
    assert completed("eventstore responses --model nobody") == []


def test_what_a_shell_would_run_is_not_suggested(filled: Path) -> None:
    assert completed("eventstore sessions --metadata odd=") == []
    assert completed("eventstore metadata ") == words("colour", "customer", "odd", "topic", "user")
    assert completed("eventstore state odd") == []


def test_other_shells_are_told(filled: Path) -> None:
    assert completed("eventstore sessions --metadata cust", "zsh") == ["_", "customer=", "plain"]
    asked = {"COMP_WORDS": "eventstore metadata cust", "COMP_CWORD": "cust"}
    assert "customer" in "".join(completed("eventstore metadata cust", "fish", **asked))


def test_the_database_of_the_line_is_asked(filled: Path) -> None:
    filled.rename(filled.with_name("other.db"))
    for line in (
        "eventstore state --db sqlite:///other.db call",
        "eventstore --db sqlite:///other.db state call",
    ):
        assert completed(line) == words("call_1")
    line = "eventstore state call"
    assert completed(line, EVENTSTORE_URL="sqlite:///other.db") == words("call_1")
    assert completed(line) == []
    assert not filled.exists()


def test_postgresql_is_asked(store: EventStore, database_url: str) -> None:
    store.append("sess_a", voice_call().frames)
    store.set_metadata("sess_a", {"customer": "7"})
    line = "eventstore sessions --metadata "
    assert completed(f"{line}customer=", EVENTSTORE_URL=database_url) == words("customer=7")
    assert completed("eventstore state ses", EVENTSTORE_URL=database_url) == words("sess_a")


@pytest.mark.parametrize(
    "url",
    [
        *("nonsense", "", "sqlite:///no/such/folder/x.db", "sqlite://", "mysql://localhost/x"),
        "postgresql://nobody@127.0.0.1:1/none",
    ],
)
def test_without_a_store_nothing_is_suggested(own_folder: Path, url: str) -> None:
    assert completed("eventstore state ", EVENTSTORE_URL=url) == []
    assert completed("eventstore sessions --metadata ", EVENTSTORE_URL=url) == []
    assert not any(own_folder.iterdir())


def _damage(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(8192 * 4))


def _age(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()


def _empty(database: Path) -> None:
    database.write_bytes(b"")


def _replace_by_another_tools(database: Path) -> None:
    database.unlink()
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE streams(session_id)")
        connection.execute("INSERT INTO streams VALUES ('sess_1')")
    connection.close()


@pytest.mark.parametrize("spoil", [_damage, _age, _empty, _replace_by_another_tools])
def test_of_a_store_that_is_none_nothing_is_suggested(filled: Path, spoil: object) -> None:
    assert callable(spoil)
    spoil(filled)
    before = filled.read_bytes()
    assert completed("eventstore state ") == []
    assert completed("eventstore sessions --metadata c") == []
    assert filled.read_bytes() == before


def test_suggestions_are_bounded(own_folder: Path) -> None:
    with EventStore("sqlite:///eventstore.db") as store:
        for number in range(60):
            store.append(f"sess_{number}", [])
            store.set_metadata(f"sess_{number}", {f"key{number}": "x"})
    assert len(completed("eventstore state ")) == 50
    assert len(completed("eventstore metadata ")) == 50


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_a_word(filled: Path, tmp_path: Path) -> None:
    program = tmp_path / "eventstore"
    program.write_text("#!/bin/sh\nexec " + " ".join(f"'{part}'" for part in COMMAND) + ' "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(_EVENTSTORE_COMPLETE=bash_source eventstore)";'
        " COMP_WORDS=(eventstore state sess_); COMP_CWORD=2;"
        ' _eventstore_completion eventstore; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        env={**environment(), "PATH": path},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.decode().split() == ["sess_1", "sess_2", "sess_3"]
