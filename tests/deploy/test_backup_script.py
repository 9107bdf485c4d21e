"""Acceptance: backup.sh backs up either database, and deletes old ones only after that."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from support.calls import voice_call
from support.deployed import script_run
from support.postgres import PostgresServer
from support.postgres_tools import run_client
from support.terminal import Terminal

from eventstore import EventStore

OLD, LEFT = "calls-20260401T023000Z.db", ".calls-20260401T023000Z.db.x1.partial"
KEPT = {"calls-20260430T023000Z.dump", "calls-before-upgrade.db", "others.db"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the backups, behind a link: an old one, what a killed one left, and others."""
    made, link = tmp_path / "disk" / "back ups", tmp_path / "-b; $(touch no)'"
    made.mkdir(parents=True)
    link.symlink_to(made)
    for name in (OLD, LEFT, *KEPT):
        (made / name).write_text("")
        days = 1 if name.endswith(".dump") else 30
        os.utime(made / name, (time.time() - days * 86_400,) * 2)
    return link


def run_script(
    tmp_path: Path, url: str, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    run = script_run(tmp_path, url, *arguments, **more)
    return subprocess.run(**run, capture_output=True, text=True, check=False, timeout=120)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_it_backs_up_sqlite(bare_terminal: Terminal, tmp_path: Path, folder: Path) -> None:
    """Into a folder that is named from another, by a link that begins with a hyphen."""
    url, told = f"sqlite:///{tmp_path}/calls.db", tmp_path / "backup.prom"
    with EventStore(url) as store:
        store.append("a", voice_call().frames)
    done = run_script(tmp_path, url, folder.name, "14", BACKUP_METRICS=str(told))
    assert done.returncode == 0, done.stderr
    [made] = names(folder) - KEPT
    assert made.startswith("calls-2") and made.endswith("Z.db")
    assert bare_terminal("verify", "--all", "--db", f"sqlite:///{folder / made}").code == 0
    assert f"eventstore_backup_bytes {(folder / made).stat().st_size}\n" in told.read_text()
    assert told.stat().st_mode & 0o777 == 0o644 and not (tmp_path / "no").exists()


def test_it_backs_up_postgresql(
    bare_terminal: Terminal,
    tmp_path: Path,
    folder: Path,
    postgres: PostgresServer,
    postgres_url: str,
) -> None:
    """By a URL of psycopg's, with a setting that pg_dump does not know, and a second server."""
    with EventStore(postgres_url) as store:
        store.append("a", voice_call().frames)
    found = make_url(postgres_url).set(drivername="postgresql+psycopg")
    if found.host is not None:
        hosts = (f"{found.host}:{found.port or 5432}", "127.0.0.1:1")
        found = found.set(host=None, port=None).update_query_dict({"host": hosts})
    url = found.update_query_dict({"prepare_threshold": "0"}).render_as_string(False)
    password = {} if found.password is None else {"PGPASSWORD": str(found.password)}
    done = run_script(tmp_path, url, str(folder), **password)
    assert done.returncode == 0, done.stderr
    [made] = names(folder) - KEPT
    assert made.startswith("calls-2") and made.endswith("Z.dump")
    assert (folder / made).stat().st_mode & 0o077 == 0
    other = postgres.create_database()
    try:
        run_client("pg_restore", f"--dbname={postgres.url(other)}", str(folder / made))
        assert bare_terminal("verify", "--all", "--db", postgres.url(other)).code == 0
    finally:
        postgres.drop_database(other)


@pytest.mark.parametrize(
    ("url", "days", "code", "said"),
    [
        ("sqlite:////nowhere/calls.db", "14", 2, "no folder /nowhere"),
        ("sqlite:///none.db", "14", 2, "there is no file none.db"),
        ("sqlite:///none.db", "-1", 2, "the number of days is no number: -1"),
        ("postgresql://nobody@127.0.0.1:1/calls", "14", 1, "Connection refused"),
        ("postgresql://me:secret@127.0.0.1:1/calls", "14", 1, "a password from PGPASSFILE"),
        ("postgresql://me@127.0.0.1:1/c?password=secret", "14", 1, "a password from PGPASSFILE"),
        ("mysql://me@host/calls", "14", 2, "neither SQLite nor PostgreSQL"),
    ],
)
def test_none_is_deleted_if_none_was_made(
    tmp_path: Path, folder: Path, url: str, days: str, code: int, said: str
) -> None:
    done = run_script(tmp_path, url, str(folder), days)
    assert done.returncode == code and said in done.stderr, done
    assert "secret" not in done.stderr + done.stdout
    assert names(folder) == {OLD, LEFT, *KEPT} and not (tmp_path / "none.db").exists()


def first_on_path(run: dict[str, Any], folder: Path, **programs: str) -> None:
    """Put programs before all others that the script finds."""
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    run["env"]["PATH"] = f"{folder}:{run['env']['PATH']}"


#: What writes a little in place of a dump, and says how it was called.
WRITES = 'for one; do case $one in --file=*) echo x > "${one#--file=}";; esac; done; echo "$@"'


@pytest.mark.parametrize("links", [True, False])
def test_a_backup_has_its_name_at_the_end_also_without_hard_links(
    links: bool, tmp_path: Path, folder: Path
) -> None:
    run = script_run(tmp_path, "postgresql://h/calls", str(folder))
    no_links = {} if links else {"ln": "exit 1"}
    first_on_path(run, tmp_path / "first", pg_dump=WRITES, **no_links)
    assert subprocess.run(**run, check=False, timeout=60).returncode == 0
    [made] = names(folder) - KEPT
    assert (folder / made).read_text() == "x\n" and made.endswith("Z.dump")


def test_one_that_is_stopped_leaves_nothing_and_shows_no_password(
    tmp_path: Path, folder: Path
) -> None:
    run = script_run(tmp_path, "postgresql://me:secret@h/calls?sslpassword=secret", str(folder))
    first_on_path(run, tmp_path / "first", pg_dump=f"{WRITES}; exec sleep 60")
    with subprocess.Popen(
        **run, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        called = process.stdout.readline()
        assert "host=h" in called and "secret" not in called
        assert len(names(folder)) == len(KEPT) + 3
        os.killpg(process.pid, signal.SIGTERM)  # as systemd stops a unit
        assert process.wait(timeout=30) == 143
    assert names(folder) == {OLD, LEFT, *KEPT}


def test_it_wants_to_know_where_and_what(tmp_path: Path) -> None:
    assert "name the folder" in run_script(tmp_path, "sqlite:///calls.db").stderr
    assert "name the database" in run_script(tmp_path, "", str(tmp_path)).stderr
