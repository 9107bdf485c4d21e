"""Create an SQLAlchemy engine for a database URL, set up for durable appends of many processes.

Called by sessions/log.py (`open_log`), event_store.py, workers.py and the recorder's spool.
"""

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
from eventstore.store.database.connections.poolers import (
    given_prepare_threshold,
    is_behind_pooler,
)
from eventstore.store.database.engine_options import ALLOWED, KEY_RING, PRICES, TIME_LIMIT
from eventstore.store.database.keys import KeyRing

SQLITE_BUSY_MS = 30_000
# On larger pages a frame's audio needs no chain of overflow pages: docs/adr/0002.
SQLITE_PAGE_SIZE = 8192
# This is seldom reached, because connections/wal.py starts checkpoints earlier.
SQLITE_CHECKPOINT_PAGES = 4000

# PostgreSQL: a server that is gone is noticed within half a minute. The URL can set other values.
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
    """Return a database URL with the driver that the store uses.

    Raises:
        InvalidInputError: It is not a database URL, or the database is not supported.
    """
    try:
        parsed = make_url(url)
        (parsed.host or "").encode("idna")  # Name resolution would fail on such a host later.
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
    """Return an engine for a database URL.

    SQLite runs in WAL mode with synchronous=FULL, PostgreSQL with its durable defaults.

    Args:
        url: The URL of the database.
        keys: The URL of the database of its sessions' keys. By default it is EVENTSTORE_KEYS;
            without both, nothing is encrypted.
        time_limit: How long a query may take, in seconds; None means no limit. On SQLite it limits
            a reading transaction, on PostgreSQL each statement of one. Writing is not limited.
        prices: Returns the prices of usage; called when money is asked for.

    Raises:
        InvalidInputError: A URL is not valid, or the database is not supported.
        MissingExtraError: Keys are named, and the package that encrypts is not installed.
    """
    parsed = parse_url(url)
    keys = keys or os.environ.get("EVENTSTORE_KEYS")
    if not keys:
        return _create(parsed, KeyRing(None), time_limit, prices)
    if parse_url(keys) == parsed:
        raise InvalidInputError("keys are kept apart: name another database for them")
    check_installed()
    ring = KeyRing(_create(parse_url(keys), KeyRing(None), None, prices))
    return _create(parsed, ring, time_limit, prices)


def create_for_reading(url: str, primary: Engine) -> Engine:
    """Return an engine for a replica of a store's database, with the options of the store's engine.

    Args:
        url: The URL of the replica.
        primary: The engine of the store's database.

    Raises:
        InvalidInputError: The URL is not valid, or one of the databases is not PostgreSQL.
    """
    parsed = parse_url(url)
    if "sqlite" in (parsed.drivername, primary.dialect.name):
        raise InvalidInputError("only PostgreSQL has replicas to read from; leave the URL out")
    options = primary.get_execution_options()
    return _create(parsed, options[KEY_RING], options[TIME_LIMIT], options[PRICES])


def _create(
    parsed: URL, keys: KeyRing, time_limit: float | None, prices: Callable[[], Prices]
) -> Engine:
    options: dict[str, Any] = {
        KEY_RING: keys,
        PRICES: prices,
        ALLOWED: AllowedLocations(_folder_of_file(parsed)),
        TIME_LIMIT: time_limit,
    }
    if parsed.drivername == "sqlite":
        return _create_sqlite(parsed, options)
    connections = Connections(is_sqlite=False, path=None, url=_text(parsed))
    given = given_prepare_threshold(parsed)
    network = {n: value for n, value in NETWORK.items() if n not in parsed.query}
    engine = create_engine(
        parsed,
        pool_size=5,
        max_overflow=20,
        pool_reset_on_return=None,
        connect_args={**network, **given},
        execution_options={**options, CONNECTIONS: connections},
    )
    connections.watch(engine)

    @event.listens_for(engine, "connect")
    def _look_for_pooler(connection: Any, _: Any) -> None:
        connections.behind_pooler = is_behind_pooler(connection)
        if connections.behind_pooler and not given:
            connection.prepare_threshold = None

    return engine


def _text(parsed: URL) -> str:
    return parsed.render_as_string(hide_password=False)


def _create_sqlite(parsed: URL, options: dict[str, Any]) -> Engine:
    path = parsed.database
    memory = not path or path == ":memory:" or "mode=memory" in path
    if not memory and path is not None and not path.startswith("file:"):
        folder = Path(path).parent
        if not folder.is_dir():
            raise InvalidInputError(f"no folder {folder} for the database {path}; make it first")
    connections = Connections(
        is_sqlite=True,
        path=None if memory or path is None else _absolute_path(path),
        url=_text(parsed),
    )
    engine = create_engine(
        parsed,
        poolclass=StaticPool if memory else QueuePool,
        **({} if memory else {"pool_size": 5, "max_overflow": 20}),
        pool_reset_on_return=None,  # Every transaction of transaction.py ends itself.
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
    if file is not None and parsed.query.get("mode") not in ("ro", "rw"):

        @event.listens_for(engine, "do_connect")
        def _make_private(*_: Any) -> None:
            # SQLite would create the file with the umask's mode, and also at the end of a link. Its
            # log and index get the mode of the file.
            make_private_file(Path(os.path.realpath(file)))

    return engine


def sqlite_file(parsed: URL) -> Path | None:
    """Return the path of an SQLite database's file, or None if there is no file."""
    path = parsed.database or ""
    if parsed.drivername != "sqlite" or parsed.query.get("mode") == "memory":
        return None
    if path.startswith("file:"):
        path = unquote(urlsplit(path).path)
    return None if path in ("", ":memory:") else Path(path)


def _folder_of_file(parsed: URL) -> Path | None:
    """Return the folder of an SQLite database's file, or None if there is no file."""
    file = sqlite_file(parsed)
    return None if file is None else Path(os.path.realpath(file)).parent


def _absolute_path(path: str) -> str:
    """Return the absolute path of SQLite's file, which may be named by a URI."""
    if path.startswith("file:"):
        path = unquote(urlsplit(path).path)
    return str(Path(path).absolute())


def has_wal(engine: Engine) -> bool:
    """Return True if the database is an SQLite file, which has a write-ahead log."""
    return engine.dialect.name == "sqlite" and not isinstance(engine.pool, StaticPool)


def _set_up_sqlite(connection: sqlite3.Connection, record: Any) -> None:
    # transaction.py begins transactions explicitly (BEGIN IMMEDIATE), instead of the driver.
    connection.isolation_level = None
    run = connection.execute
    run(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
    run(f"PRAGMA page_size={SQLITE_PAGE_SIZE}")
    run("PRAGMA journal_mode=WAL")
    run("PRAGMA synchronous=FULL")
    run(f"PRAGMA wal_autocheckpoint={SQLITE_CHECKPOINT_PAGES}")
    run("PRAGMA cache_size=-32768")
    run("PRAGMA temp_store=MEMORY")
