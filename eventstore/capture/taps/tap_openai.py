"""Record what the `openai` package's Realtime connections send and receive: one line around one."""

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
#: How a manager's attribute ends that has what goes to `websockets`; its class's name comes first.
_OPTIONS = "__websocket_connection_options"


def tap(
    connection: T,
    recorder: Recorder,
    metadata: Mapping[str, str] | None = None,
    session_id: str | None = None,
) -> T:
    """Record a connection of the `openai` package, with all its frames both ways.

    Sync and async, `client.realtime`, `client.realtime.translations` and `client.beta.realtime`:

        with tap(client.realtime.connect(model="gpt-realtime"), recorder) as connection:

    Each websocket is a session: where the client reconnects by itself, a new one whose notes name
    the `previous`. Recording never raises into the caller's code.

    Args:
        connection: what `connect()` returns. A connection that is open already will do, but then
            frames are recorded when they are read: those that nobody reads are not.
        metadata: pairs to set on its session.
        session_id: store it under this id; by default the server's, where it is free.

    Returns:
        The same object.

    Raises:
        TypeError: it is neither.
    """
    begin = session_starter(
        recorder, {"by": "tap", "client": client_name("openai")}, metadata, session_id
    )
    held = vars(connection) if hasattr(connection, "__dict__") else {}
    options = next((name for name in held if name.endswith(_OPTIONS)), None)
    if options is not None:
        # The client's own way to `websockets`: so each connection is seen from its first byte.
        is_async = hasattr(connection, "__aenter__")
        given = held[options]
        make = given.get("create_connection") or (
            ClientConnection if is_async else SyncClientConnection
        )
        setattr(connection, options, {**given, "create_connection": partial(_make, make, begin)})
    elif isinstance(held.get("_connection"), ClientConnection | SyncClientConnection):
        _follow(connection, begin)
    else:
        raise TypeError(
            "tap() takes what client.realtime.connect() returns, or the connection that it opens,"
            f" not a {type(connection).__name__}"
        )
    return connection


def client_name(package: str) -> str:
    """A package and its version, as sessions note who was recorded."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def _make(make: Callable[..., Any], begin: BeginSession, *args: Any, **options: Any) -> Any:
    websocket = make(*args, **options)
    watch_from_the_start(websocket, begin)
    return websocket


def _follow(connection: Any, begin: BeginSession) -> None:
    """Record an open connection, and those that it makes to reconnect."""
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
