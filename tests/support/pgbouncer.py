"""A real pgbouncer on loopback, before the PostgreSQL server of a test run.

It refuses to run as root, so root drops to another user, as for PostgreSQL.
"""

from __future__ import annotations

import os
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


class Bouncer:
    """Where pgbouncer is."""

    def __init__(self, port: int) -> None:
        self.port = port

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


@contextmanager
def running_pgbouncer(postgres: PostgresServer, mode: str) -> Iterator[Bouncer]:
    """A pgbouncer in one of its modes (`transaction`, `session`, `statement`) for a while."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        if os.environ.get("REQUIRE_PGBOUNCER"):
            pytest.fail("REQUIRE_PGBOUNCER is set, and there is no pgbouncer")
        pytest.skip("no pgbouncer: install Debian's package pgbouncer")
    user, port = other_user(), free_port()
    folder = folder_for(user)
    settings = folder / "pgbouncer.ini"
    server = _server(make_url(postgres.url("postgres")))
    settings.write_text(SETTINGS.format(server=server, port=port, mode=mode, size=POOL_SIZE))
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
        yield Bouncer(port)
    finally:
        keeper.communicate(timeout=READY_WITHIN)
        shutil.rmtree(folder, ignore_errors=True)


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
