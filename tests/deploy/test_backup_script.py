"""Acceptance: backup.sh backs up either database, and deletes old ones only after that."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from support.calls import voice_call
from support.deployed import DEPLOY
from support.postgres import PostgresServer
from support.postgres_tools import client_program, run_client
from support.terminal import COMMAND, Terminal, environment

from eventstore import EventStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the backups, with two that are there: one of today, and one of last month."""
    made = tmp_path / "backups"
    made.mkdir()
    for name, days in (("calls-old.db", 30), ("calls-new.dump", 1), ("others.db", 30)):
        (made / name).write_text("")
        os.utime(made / name, (time.time() - days * 86_400,) * 2)
    return made


def run_script(tmp_path: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    eventstore = programs / "eventstore"
    eventstore.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    eventstore.chmod(0o755)
    path = [str(programs), "/usr/bin", "/bin"]
    if url.startswith("postgres"):
        path.insert(0, str(Path(client_program("pg_dump")).parent))
    known = environment() | {"EVENTSTORE_URL": url, "PATH": os.pathsep.join(path)}
    return subprocess.run(
        [DEPLOY / "backup.sh", *arguments],
        env=known,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_it_backs_up_sqlite(bare_terminal: Terminal, tmp_path: Path, folder: Path) -> None:
    url = f"sqlite:///{tmp_path}/calls.db"
    with EventStore(url) as store:
        store.append("a", voice_call().frames)
    done = run_script(tmp_path, url, str(folder), "14")
    assert done.returncode == 0, done.stderr
    [made] = names(folder) - {"calls-new.dump", "others.db"}
    assert made.startswith("calls-2") and made.endswith("Z.db")
    assert bare_terminal("verify", "--all", "--db", f"sqlite:///{folder / made}").code == 0


def test_it_backs_up_postgresql(
    bare_terminal: Terminal,
    tmp_path: Path,
    folder: Path,
    postgres: PostgresServer,
    postgres_url: str,
) -> None:
    with EventStore(postgres_url) as store:
        store.append("a", voice_call().frames)
    done = run_script(
        tmp_path, postgres_url.replace("postgresql", "postgresql+psycopg"), str(folder)
    )
    assert done.returncode == 0, done.stderr
    [made] = names(folder) - {"calls-new.dump", "others.db"}
    assert made.startswith("calls-2") and made.endswith("Z.dump")
    assert (folder / made).stat().st_mode & 0o077 == 0
    other = postgres.create_database()
    try:
        run_client("pg_restore", f"--dbname={postgres.url(other)}", str(folder / made))
        assert bare_terminal("verify", "--all", "--db", postgres.url(other)).code == 0
    finally:
        postgres.drop_database(other)


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("sqlite:////nowhere/calls.db", 2, "no folder /nowhere"),
        ("postgresql://nobody@127.0.0.1:1/calls", 1, "Connection refused"),
        ("postgresql://me:secret@127.0.0.1:1/calls", 2, "put the password into PGPASSFILE"),
        ("mysql://me@host/calls", 2, "neither SQLite nor PostgreSQL"),
    ],
)
def test_none_is_deleted_if_none_was_made(
    tmp_path: Path, folder: Path, url: str, code: int, said: str
) -> None:
    done = run_script(tmp_path, url, str(folder), "14")
    assert done.returncode == code and said in done.stderr, done
    assert "secret" not in done.stderr + done.stdout
    assert names(folder) == {"calls-old.db", "calls-new.dump", "others.db"}


def test_it_wants_to_know_where_and_what(tmp_path: Path) -> None:
    assert "name the folder" in run_script(tmp_path, "sqlite:///calls.db").stderr
    assert "name the database" in run_script(tmp_path, "", str(tmp_path)).stderr
