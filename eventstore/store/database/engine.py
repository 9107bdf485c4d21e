"""Engines: one for each database URL, set up for durable appends and many processes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool, StaticPool

from eventstore.common.private_files import make_private_file
from eventstore.encryption.cipher import check_installed
from eventstore.errors import InvalidInputError
from eventstore.pricing.prices import Prices, published_prices
from eventstore.store.database.allowed_locations import AllowedLocations
from eventstore.store.database.connections.pool import CONNECTIONS, Connections, SQLiteConnection
from eventstore.store.database.engine_options import ALLOWED, KEYS, PRICES, TIME_LIMIT
from eventstore.store.database.keys import KeyRing

SQLITE_BUSY_MS = 30_000
# Bigger pages hold a frame's audio without a chain of overflow pages: see docs/adr/0002.
SQLITE_PAGE_SIZE = 8192
# Seldom reached: store/database/connections/wal.py copies the log earlier, beside the appends.
SQLITE_CHECKPOINT_PAGES = 4000

# PostgreSQL: a server that is gone is found out in half a minute; the URL may say otherwise.
NETWORK = {
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

_DIALECTS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


def parse_url(url: str) -> URL:
    """A database URL with the driver that the store uses.

    Raises:
        InvalidInputError: no database URL, or a database that is not supported.
    """
    try:
        parsed = make_url(url)
        (parsed.host or "").encode("idna")  # as whoever looks it up does
    except (ArgumentError, ValueError) as error:
        raise InvalidInputError(
            "not a database URL; use sqlite:///calls.db or postgresql://user@host/name"
        ) from error
    backend = parsed.drivername.partition("+")[0]
    if backend not in _DIALECTS:
        raise InvalidInputError(
            f"no support for {backend!r} databases; use sqlite:///… or postgresql://…"
        )
    return parsed.set(drivername=_DIALECTS[backend])


def create(
    url: str,
    keys: str | None = None,
    time_limit: float | None = None,
    prices: Callable[[], Prices] = published_prices,
) -> Engine:
    """An engine for a database URL.

    SQLite runs in WAL mode with synchronous FULL, PostgreSQL with its own durable defaults.

    Args:
        keys: the URL of the database of its sessions' keys; None where it is not encrypted.
        time_limit: seconds that a query may take: a transaction that reads on SQLite, each of its
            statements on PostgreSQL; None for any. What writes is not limited.
        prices: returns what usage is priced by; called when money is asked for.

    Raises:
        InvalidInputError: no database URL, or a database that is not supported.
        MissingExtraError: with keys, where the package that encrypts is not installed.
    """
    parsed = parse_url(url)
    if not keys:
        return _create(parsed, KeyRing(None), time_limit, prices)
    if parse_url(keys) == parsed:
        raise InvalidInputError("keys are kept apart: name another database for them")
    check_installed()
    ring = KeyRing(_create(parse_url(keys), KeyRing(None), None, prices))
    return _create(parsed, ring, time_limit, prices)


def _create(
    parsed: URL, keys: KeyRing, time_limit: float | None, prices: Callable[[], Prices]
) -> Engine:
    options: dict[str, Any] = {
        KEYS: keys,
        PRICES: prices,
        ALLOWED: AllowedLocations(_folder_of_file(parsed)),
        TIME_LIMIT: time_limit,
    }
    if parsed.drivername != "sqlite":
        connections = Connections(is_sqlite=False, path=None)
        engine = create_engine(
            parsed,
            pool_size=5,
            max_overflow=20,
            pool_reset_on_return=None,
            connect_args={n: value for n, value in NETWORK.items() if n not in parsed.query},
            execution_options={**options, CONNECTIONS: connections},
        )
        connections.watch(engine)
        return engine
    path = parsed.database
    memory = not path or path == ":memory:" or "mode=memory" in path
    if not memory and path is not None and not path.startswith("file:"):
        folder = Path(path).parent
        if not folder.is_dir():
            raise InvalidInputError(f"no folder {folder} for the database {path}; make it first")
    connections = Connections(
        is_sqlite=True, path=None if memory or path is None else _absolute_path(path)
    )
    engine = create_engine(
        parsed,
        poolclass=StaticPool if memory else QueuePool,
        **({} if memory else {"pool_size": 5, "max_overflow": 20}),
        pool_reset_on_return=None,  # every transaction here ends itself
        connect_args={
            "check_same_thread": False,
            "timeout": SQLITE_BUSY_MS / 1000,
            "factory": SQLiteConnection,
        },
        execution_options={**options, CONNECTIONS: connections},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    connections.watch(engine)
    file = sqlite_file(parsed)
    if file is not None and parsed.query.get("mode") not in ("ro", "rw"):  # these make no file

        @event.listens_for(engine, "do_connect")
        def _make_private(*_: Any) -> None:
            # SQLite would make it by the umask, also where a link says; its log and index get the
            # mode of the file.
            make_private_file(Path(os.path.realpath(file)))

    return engine


def sqlite_file(parsed: URL) -> Path | None:
    """Return the file of an SQLite database, or None where there is no such file."""
    path = parsed.database or ""
    if parsed.drivername != "sqlite" or parsed.query.get("mode") == "memory":
        return None
    if path.startswith("file:"):
        path = unquote(urlsplit(path).path)
    return None if path in ("", ":memory:") else Path(path)


def _folder_of_file(parsed: URL) -> Path | None:
    """Return the folder of an SQLite database's file, or None where there is no such file."""
    file = sqlite_file(parsed)
    return None if file is None else Path(os.path.realpath(file)).parent


def _absolute_path(path: str) -> str:
    """The absolute path of SQLite's file, which may be named by a URI."""
    if path.startswith("file:"):
        path = unquote(urlsplit(path).path)
    return str(Path(path).absolute())


def has_wal(engine: Engine) -> bool:
    """Whether the database is an SQLite file, which has a write-ahead log."""
    return engine.dialect.name == "sqlite" and not isinstance(engine.pool, StaticPool)


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # Transactions are begun by hand (BEGIN IMMEDIATE), not by the driver's guess.
    connection.isolation_level = None
    run = connection.execute
    run(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
    run(f"PRAGMA page_size={SQLITE_PAGE_SIZE}")
    run("PRAGMA journal_mode=WAL")
    run("PRAGMA synchronous=FULL")
    run(f"PRAGMA wal_autocheckpoint={SQLITE_CHECKPOINT_PAGES}")
    run("PRAGMA cache_size=-32768")
    run("PRAGMA temp_store=MEMORY")
