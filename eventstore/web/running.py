"""Runs the application with uvicorn: reads keys, opens the store, configures and ends the server.

Called by the commands `serve` and `calls` (cli/commands/serve/) and by `web/in_thread.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import State

from eventstore.common.hosts import is_loopback
from eventstore.common.small_files import read_small_file
from eventstore.common.tls import Certificate
from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.event_store import READ_LAG, EventStore
from eventstore.feed.changes import Changes
from eventstore.web.server.access import AccessKeys, one_key, parse_keys
from eventstore.web.server.connections import MAX_CONNECTIONS, Connection
from eventstore.web.server.requests import Stores
from eventstore.web.sound.sound_files import sweep
from eventstore.web.summing import summing


class Service(NamedTuple):
    """The settings of a server: which store it serves, and where it listens.

    Attributes:
        url: The URL of the database.
        encryption_keys: The URL of the database with the sessions' encryption keys; None if the
            store is not encrypted.
        prices: A file of prices, which is read once; None to use the file that EVENTSTORE_PRICES
            names, if it is set.
        host: The address to listen on.
        port: The port to listen on; 0 for any free port.
        keys: The API keys; None if requests from this machine need none.
        time_limit: How many seconds a query may take.
        body_bytes: How many bytes the body of a request may have.
        tls: The certificate to listen with; None for no TLS.
        read_url: The URL of a replica for queries; None if there is none.
        read_lag: How many seconds the replica may lag behind.
    """

    url: str
    encryption_keys: str | None
    prices: Path | None
    host: str
    port: int
    keys: AccessKeys | None
    time_limit: float
    body_bytes: int
    tls: Certificate | None = None
    read_url: str | None = None
    read_lag: float = READ_LAG


def read_keys(file: Path | None, single_key: str | None) -> AccessKeys | None:
    """Return the API keys of a file, or else the single key that is given.

    Args:
        file: A TOML file of keys (see access.py); None for no file.
        single_key: A single key, which is used if there is no file.

    Returns:
        The keys; None if neither a file nor a key is given.

    Raises:
        InvalidInputError: The file cannot be read, or holds no keys.
    """
    if file is not None:
        try:
            text = read_small_file(file)
        except (OSError, ValueError) as error:
            said = "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
            reason = getattr(error, "strerror", None) or said
            raise InvalidInputError(f"cannot read the keys of {file}: {reason}") from error
        return parse_keys(text)
    return one_key(single_key) if single_key else None


@contextmanager
def open_stores(service: Service) -> Iterator[Stores]:
    """Open the store of a service for the block, and compute its sums by day meanwhile.

    Sound files that servers of former versions left in the temporary folder are removed first.

    Raises:
        SchemaError: The database has no schema, or another version of it than this code needs.
    """
    sweep()
    open_one = partial(
        EventStore,
        service.url,
        keys=service.encryption_keys,
        prices=service.prices,
        read_url=service.read_url,
        read_lag=service.read_lag,
    )
    with (
        open_one(time_limit=service.time_limit) as one,
        open_one() as other,
        summing(other),
    ):
        yield Stores(one, other, service.keys)


def check_host(host: str, keys: AccessKeys | None) -> None:
    """Check that a server without API keys listens on loopback alone.

    Raises:
        InvalidInputError: There are no keys, and the host is not a loopback address.
    """
    if keys is None and not is_loopback(f"[{host}]" if ":" in host else host):
        raise InvalidInputError(
            f"without API keys it listens on this machine alone, not on {host};"
            " set EVENTSTORE_API_KEY, or give --api-keys"
        )


def configuration(
    app: FastAPI, host: str, port: int, tls: ssl.SSLContext | None = None
) -> uvicorn.Config:
    """Return uvicorn's configuration for the application.

    Args:
        app: The application.
        host: The address to listen on.
        port: The port to listen on; 0 for any free port.
        tls: The context to listen with; None for no TLS.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        http=Connection,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=10,
        ssl_context_factory=None if tls is None else lambda *_: tls,
    )


class Server(uvicorn.Server):
    """A uvicorn server that reports its port, and leaves the handling of signals to its caller.

    Args:
        config: Uvicorn's configuration.
        ready: Is called with the port when the server listens.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers, where uvicorn would install its own."""
        yield

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Begin to listen, and report the port.

        Raises:
            EventStoreError: The server cannot listen on the address.
        """
        try:
            await super().startup(sockets)  # type: ignore[arg-type]
        except SystemExit as error:
            where = f"{self.config.host}:{self.config.port}"
            raise EventStoreError(f"cannot listen on {where}: it is in use") from error
        self._ready(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Answer the requests that are under way, and end the streams that follow sessions.

        Connections whose request body has not arrived whole are aborted, because the rest of the
        body may never come.
        """
        state: State = self.config.app.state  # type: ignore[union-attr]
        state.stopping = True
        for one in list(self.server_state.connections):
            if isinstance(one, Connection) and one.is_half_sent():
                one.transport.abort()
        changes: Changes | None = getattr(state, "changes", None)
        if changes is not None:
            await asyncio.to_thread(changes.close)
        await super().shutdown(sockets)  # type: ignore[arg-type]


def log_to_standard_error() -> None:
    """Write a line of JSON for each request: method, route, status, time and the key's name."""

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Stamped())
    logger = logging.getLogger("eventstore.web")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Stamped(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z")
        return json.dumps({"at": at, **json.loads(record.getMessage())})
