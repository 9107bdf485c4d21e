"""The application run by uvicorn: what is served, with which keys, and how."""

from __future__ import annotations

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
from eventstore.event_store import EventStore
from eventstore.web.server.access import AccessKeys, one_key, parse_keys
from eventstore.web.server.connections import MOST, Connection
from eventstore.web.server.requests import Stores
from eventstore.web.sound.sound_files import sweep
from eventstore.web.summing import summing


class Service(NamedTuple):
    """What to serve, and where.

    Attributes:
        url, encryption_keys: of the database, and of its sessions' keys.
        prices: a file of prices, which is read once; None for EVENTSTORE_PRICES, or none.
        host, port: to listen on; port 0 for any that is free.
        keys: that requests come with; None where all of this machine are let in.
        time_limit: seconds that a query may take.
        body_bytes: that a request may have.
        tls: the certificate to listen with; None for no TLS.
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


def read_keys(file: Path | None, one: str | None) -> AccessKeys | None:
    """The keys of a file, a single one, or none.

    Raises:
        InvalidInputError: the file cannot be read, or holds no keys.
    """
    if file is not None:
        try:
            text = read_small_file(file)
        except (OSError, ValueError) as error:
            said = "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
            reason = getattr(error, "strerror", None) or said
            raise InvalidInputError(f"cannot read the keys of {file}: {reason}") from error
        return parse_keys(text)
    return one_key(one) if one else None


@contextmanager
def open_stores(service: Service) -> Iterator[Stores]:
    """The store that a service is of, opened for the block.

    Files of sound that servers of former versions left in the temporary folder are removed first.

    Raises:
        SchemaError: the database's schema is missing, or another than this code's.
    """
    sweep()
    open_one = partial(EventStore, service.url, keys=service.encryption_keys, prices=service.prices)
    with (
        open_one(time_limit=service.time_limit) as one,
        open_one() as other,
        summing(other),
    ):
        yield Stores(one, other, service.keys)


def check_host(host: str, keys: AccessKeys | None) -> None:
    """See that what is read without keys is read on this machine alone.

    Raises:
        InvalidInputError: no keys, and another address than loopback.
    """
    if keys is None and not is_loopback(f"[{host}]" if ":" in host else host):
        raise InvalidInputError(
            f"without API keys it listens on this machine alone, not on {host};"
            " set EVENTSTORE_API_KEY, or give --api-keys"
        )


def configuration(
    app: FastAPI, host: str, port: int, tls: ssl.SSLContext | None = None
) -> uvicorn.Config:
    """How the application is served; with TLS, if there is something to listen with."""
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
        limit_concurrency=MOST,
        timeout_graceful_shutdown=10,
        ssl_context_factory=None if tls is None else lambda *_: tls,
    )


class Server(uvicorn.Server):
    """A server that says when it listens, and on which port. Its caller heeds the signals."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, and say so.

        Raises:
            EventStoreError: the address cannot be listened on.
        """
        try:
            await super().startup(sockets)  # type: ignore[arg-type]
        except SystemExit as error:
            where = f"{self.config.host}:{self.config.port}"
            raise EventStoreError(f"cannot listen on {where}: it is in use") from error
        self._ready(self.servers[0].sockets[0].getsockname()[1])

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Answer what is under way, and end the streams that have no end.

        Requests of which more is to come are cut off: nobody knows whether it does.
        """
        state: State = self.config.app.state  # type: ignore[union-attr]
        state.stopping = True
        for one in list(self.server_state.connections):
            if isinstance(one, Connection) and one.is_half_sent():
                one.transport.abort()
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
