"""Opens the store for an MCP server, and says which extra is missing. Called by the command `mcp`.

This module imports nothing of the package `mcp`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from eventstore.errors import InvalidInputError, MissingExtraError
from eventstore.event_store import READ_LAG, EventStore
from eventstore.mcp.asking import Service
from eventstore.realtime.metadata import Condition
from eventstore.store.database.engine import parse_url, sqlite_file
from eventstore.store.filters.filters import BasicFilter, checked_filter
from eventstore.web.server.access import Access, AccessKeys, Right
from eventstore.web.server.requests import Stores


class Source(NamedTuple):
    """The store to serve.

    Attributes:
        url: The URL of the database.
        encryption_keys: The URL of the database with the sessions' encryption keys, or None.
        prices: A file of prices, or None.
        read_url: The URL of a replica for queries, or None.
        read_lag: How many seconds the replica may lag behind.
    """

    url: str
    encryption_keys: str | None = None
    prices: Path | None = None
    read_url: str | None = None
    read_lag: float = READ_LAG


def check_extra() -> None:
    """Check that the package `mcp` is there, in a version that this code is written for.

    Raises:
        MissingExtraError: It is not.
    """
    try:
        import_module("mcp.server.lowlevel")
        import_module("mcp_types")  # versions before 2 do not have it
    except ImportError as error:
        raise MissingExtraError("mcp (2.3 or newer)", "mcp") from error


def access_without_key(
    name: str, metadata: dict[str, str], raw: bool, allow_writing: bool
) -> Access:
    """Return what somebody may do who needs no key.

    Args:
        name: The name of the access.
        metadata: The pair that a session must have to be seen; empty for all sessions.
        raw: True if frames may be read as they are, with the secrets in them.
        allow_writing: True if scores may be given, and metadata set.

    Raises:
        InvalidInputError: This cannot be a pair of metadata.
    """
    rights: set[Right] = {"read"}
    if raw:
        rights.add("raw")
    if allow_writing:
        rights |= {"score", "append"}
    scope: Condition | None = None
    if metadata:
        (scope,) = checked_filter(BasicFilter, {"metadata": metadata}).metadata
    return Access(name, frozenset(rights), scope)


@contextmanager
def open_service(
    source: Source, keys: AccessKeys | None, access: Access, allow_writing: bool, time_limit: float
) -> Iterator[Service]:
    """Open the store for the block. Nothing is written to it, unless a tool that writes is called.

    Args:
        source: The store to serve.
        keys: The API keys of a server that listens; None if none are needed.
        access: What somebody may do who needs no key.
        allow_writing: True to offer the tools that write.
        time_limit: How many seconds a query may take.

    Raises:
        InvalidInputError: The URL names an SQLite file that is not there. A server that is
            configured with a wrong path would otherwise make an empty database and find no calls.
        SchemaError: The database has no schema, or another version of it than this code needs.
    """
    file = sqlite_file(parse_url(source.url))
    if file is not None and not file.exists():
        raise InvalidInputError(
            f"there is no database {file}; name another by EVENTSTORE_URL or --db, or make it with:"
            f" eventstore --db sqlite:///{file} init"
        )
    open_one = partial(
        EventStore,
        source.url,
        keys=source.encryption_keys,
        prices=source.prices,
        read_url=source.read_url,
        read_lag=source.read_lag,
    )
    with open_one(time_limit=time_limit) as reading, open_one() as writing:
        yield Service(Stores(reading, writing, keys), access, allow_writing, time_limit)
