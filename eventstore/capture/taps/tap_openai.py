"""Record the Realtime and GPT-Live connections of the `openai` package, by one line around each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection
from websockets.sync.client import ClientConnection as SyncClientConnection

from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.taps.websocket_watch import (
    BeginSession,
    session_starter,
    watch_from_here,
    watch_from_the_start,
)

T = TypeVar("T")
#: The end of the attribute's name in which a connection manager keeps the options for `websockets`.
#: Its class's name comes first (Python's private names).
_OPTIONS_ENDING = "__websocket_connection_options"


def tap(
    connection: T,
    recorder: Recorder,
    metadata: Mapping[str, str] | None = None,
    session_id: str | None = None,
    traceparent: str | None = None,
) -> T:
    """Record a connection of the `openai` package, with all its frames in both directions.

    It works with sync and async clients, and with `client.realtime`, `client.realtime.translations`
    and `client.beta.realtime`, and for GPT-Live with `client.live`, `client.live.sideband` and
    `client.live.forks`:

        with tap(client.realtime.connect(model="gpt-realtime"), recorder) as connection:

    Each websocket is a session. If the client reconnects by itself, that is a new session whose
    notes name the recording before, as `previous`. An error of the recording is never raised into
    the caller's code.

    Args:
        connection: What `connect()` returns. A connection that is already open is accepted too, but
            then server frames are recorded only when the app reads them.
        recorder: Writes the frames to a store.
        metadata: Pairs to set on the session.
        session_id: The id to store it under; by default the server's, if that is free.
        traceparent: The app's own span, in W3C's form `00-…-…-01`: the session's traces are below
            it (see `eventstore traces`). What is not in this form is ignored.

    Returns:
        The same object.

    Raises:
        TypeError: If it is neither.
    """
    notes = {"by": "tap", "client": client_name("openai")}
    begin = session_starter(recorder, notes, metadata, session_id, traceparent)
    held = vars(connection) if hasattr(connection, "__dict__") else {}
    options = next((name for name in held if name.endswith(_OPTIONS_ENDING)), None)
    if options is not None:
        # The option by which the client makes its websockets, so that each is seen from its first
        # byte.
        is_async = hasattr(connection, "__aenter__")
        given = held[options]
        make = given.get("create_connection") or (
            ClientConnection if is_async else SyncClientConnection
        )
        setattr(
            connection, options, {**given, "create_connection": partial(_make_watched, make, begin)}
        )
    elif isinstance(held.get("_connection"), ClientConnection | SyncClientConnection):
        _watch_open_connection(connection, begin)
    else:
        raise TypeError(
            "tap() takes what client.realtime.connect() returns, or the connection that it opens,"
            f" not a {type(connection).__name__}"
        )
    return connection


def client_name(package: str) -> str:
    """Return a package's name and version, as a session's notes name the recorded client."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def _make_watched(make: Callable[..., Any], begin: BeginSession, *args: Any, **options: Any) -> Any:
    websocket = make(*args, **options)
    watch_from_the_start(websocket, begin)
    return websocket


def _watch_open_connection(connection: Any, begin: BeginSession) -> None:
    """Record an open connection, and the connections that it makes to reconnect."""
    watch_from_here(connection._connection, begin)
    make = getattr(connection, "_make_ws", None)
    if iscoroutinefunction(make):

        async def made_async(*args: Any) -> Any:
            websocket = await make(*args)
            watch_from_here(websocket, begin)
            return websocket

        connection._make_ws = made_async
    elif make is not None:

        def made(*args: Any) -> Any:
            websocket = make(*args)
            watch_from_here(websocket, begin)
            return websocket

        connection._make_ws = made
