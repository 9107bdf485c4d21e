"""Databases to measure on: SQLite files and a PostgreSQL server, both durable."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from eventstore.store.database import engine as engines
from eventstore.store.database import schema
from eventstore.store.database.connections.pool import close_all

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from support import postgres

SQLITE, POSTGRESQL = "sqlite", "postgresql"
BACKENDS = (SQLITE, POSTGRESQL)

#: A quarter of the memory, as PostgreSQL's documentation advises for a server of its own.
SHARED_BUFFERS = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
#: The tests' server trades durability for speed; a benchmark's must not.
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": f"{SHARED_BUFFERS >> 20}MB",
    "max_wal_size": "4GB",
    "autovacuum": "on",
}


class Databases:
    """Fresh databases in a folder of their own. One server serves all of a run."""

    def __init__(self, folder: Path, server: postgres.PostgresServer | None) -> None:
        self.folder = folder
        self.server = server
        self._made = 0

    def path(self, suffix: str = ".db") -> Path:
        """A path that nothing is at yet."""
        self._made += 1
        return self.folder / f"{self._made:05d}{suffix}"

    def backends(self, wanted: tuple[str, ...] = BACKENDS) -> tuple[str, ...]:
        """Those of the wanted ones that this machine has."""
        return tuple(b for b in wanted if b == SQLITE or self.server is not None)

    @contextmanager
    def fresh(self, backend: str, with_schema: bool = True) -> Iterator[str]:
        """The URL of a new database, deleted afterwards."""
        if backend == SQLITE:
            path = self.path()
            url = f"sqlite:///{path}"
            if with_schema:
                set_up(url)
            try:
                yield url
            finally:
                for file in self.folder.glob(f"{path.name}*"):
                    file.unlink()
            return
        if self.server is None:
            raise RuntimeError("no PostgreSQL on this machine")
        name = self.server.create_database()
        try:
            url = self.server.url(name)
            if with_schema:
                set_up(url)
            yield url
        finally:
            self.server.drop_database(name)


def set_up(url: str) -> None:
    """Create the schema."""
    engine = engines.create(url)
    schema.upgrade(engine)
    close_all(engine)


@contextmanager
def databases(folder: Path | None, wanted: tuple[str, ...]) -> Iterator[Databases]:
    """Where a run's databases are made, with a server where PostgreSQL is wanted."""
    postgres.SETTINGS.update(DURABLE)
    with tempfile.TemporaryDirectory(prefix="eventstore-bench-", dir=folder) as made:
        if POSTGRESQL not in wanted:
            yield Databases(Path(made), None)
            return
        with postgres.running_server() as server:
            yield Databases(Path(made), server)


def warm(url: str) -> None:
    """Read a database once, as one that has served for a while has been."""
    path = make_url(url).database
    if path is not None and url.startswith(SQLITE):
        with Path(path).open("rb") as file:
            while file.read(1 << 20):
                pass
        return
    with driver_connection(url) as connection:
        connection.execute("CREATE EXTENSION pg_prewarm")
        connection.execute(
            "SELECT pg_prewarm(oid) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"
        )
        connection.commit()


@contextmanager
def driver_connection(url: str) -> Iterator[Any]:
    """A connection of the driver, set up just as the store sets up its own."""
    engine = engines.create(url)
    proxy = engine.raw_connection()
    try:
        yield proxy.driver_connection
    finally:
        proxy.close()
        close_all(engine)


def settings_of(engine: Engine) -> dict[str, Any]:
    """What decides how durable and how fast a database is."""
    with engine.connect() as connection:
        run = connection.exec_driver_sql
        if engine.dialect.name == SQLITE:
            names = ("journal_mode", "synchronous", "page_size", "wal_autocheckpoint", "cache_size")
            return {name: run(f"PRAGMA {name}").scalar() for name in names}
        names = ("server_version", *DURABLE)
        return {name: run(f"SHOW {name}").scalar() for name in names}
