"""A real pgbouncer on loopback, before the PostgreSQL server of a test run.

It refuses to run as root, so root drops to another user, as for PostgreSQL.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url

from support.postgres import (
    READY_WITHIN,
    PostgresServer,
    as_user,
    folder_for,
    free_port,
    other_user,
)

# It ends with its standard input, so that a killed test run leaves nothing behind.
KEEPER = '"$@" & read -r _; kill -KILL $!; wait $!; rm -rf "$0"'

#: Connections to the server for each database: fewer than the tests have threads.
POOL_SIZE = 4

SETTINGS = """
[databases]
* = {server}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
query_wait_timeout = 20
log_connections = 0
log_disconnections = 0
"""
#: The first version that keeps track of prepared statements, and its setting for that.
KEEPS_STATEMENTS, MOST_STATEMENTS = (1, 21), "max_prepared_statements"


class Bouncer:
    """Where pgbouncer is.

    Attributes:
        port: The port.
        keeps_statements: True if it prepares a client's statements on each connection that the
            client is given.
    """

    def __init__(self, port: int, keeps_statements: bool = False) -> None:
        self.port, self.keeps_statements = port, keeps_statements

    def url(self, url: str) -> str:
        """The URL of a database, by way of pgbouncer."""
        parsed = make_url(url)
        through = URL.create(
            parsed.drivername,
            username=parsed.username,
            host="127.0.0.1",
            port=self.port,
            database=parsed.database,
        )
        return through.render_as_string(hide_password=False)


def program_of_pgbouncer() -> str:
    """The program; without one the test is skipped."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        if os.environ.get("REQUIRE_PGBOUNCER"):
            pytest.fail("REQUIRE_PGBOUNCER is set, and there is no pgbouncer")
        pytest.skip("no pgbouncer: install Debian's package pgbouncer")
    return program


@contextmanager
def running_pgbouncer(
    postgres: PostgresServer, mode: str, statements: int = 0
) -> Iterator[Bouncer]:
    """A pgbouncer for a while.

    Args:
        postgres: The server behind it.
        mode: One of its modes: `transaction`, `session`, `statement`.
        statements: How many prepared statements it keeps on each connection, which needs version
            1.21. Without it the test is skipped.
    """
    program = program_of_pgbouncer()
    knows = _version(program) >= KEEPS_STATEMENTS
    if statements and not knows:
        pytest.skip("this pgbouncer is older than 1.21, and keeps no prepared statements")
    user, port = other_user(), free_port()
    folder = folder_for(user)
    settings = folder / "pgbouncer.ini"
    server = _server(make_url(postgres.url("postgres")))
    told = SETTINGS.format(server=server, port=port, mode=mode, size=POOL_SIZE)
    settings.write_text(f"{told}{MOST_STATEMENTS} = {statements}\n" if knows else told)
    settings.chmod(0o644)
    log = folder / "log"
    with log.open("ab") as output:
        keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, folder, program, "-q", settings],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=folder,
            **as_user(user),
        )
    try:
        _wait_until_ready(port, postgres, keeper, log)
        yield Bouncer(port, keeps_statements=statements > 0)
    finally:
        keeper.communicate(timeout=READY_WITHIN)
        shutil.rmtree(folder, ignore_errors=True)


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"PgBouncer (\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0,)


def _server(url: URL) -> str:
    """The server's own address in the words of pgbouncer's settings."""
    host = url.host or str(url.query.get("host", "127.0.0.1"))
    told = {"host": host, "port": url.port, "user": url.username, "password": url.password}
    return " ".join(f"{name}={value}" for name, value in told.items() if value is not None)


def _wait_until_ready(
    port: int, postgres: PostgresServer, keeper: subprocess.Popen[bytes], log: Path
) -> None:
    url = make_url(Bouncer(port).url(postgres.url("postgres"))).render_as_string(False)
    end = time.monotonic() + READY_WITHIN
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if keeper.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"pgbouncer did not start: {log.read_text()}") from error
            time.sleep(0.03)
        else:
            return
