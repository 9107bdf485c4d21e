"""Watch a client's websocket: record its messages in both directions, and how it ended.

It replaces methods that the `websockets` package documents: those of the protocol object, through
which each byte of a connection goes, or `recv` and `close` of the connection object. The taps call
it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Protocol, State
from websockets.sync.client import ClientConnection as SyncClientConnection

from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.recorder.session_recorder import SessionRecorder
from eventstore.common import unforeseen
from eventstore.realtime.frames import CLIENT, SERVER
from eventstore.realtime.upstream_urls import public_url

#: Begins to record a connection to a URL.
BeginSession = Callable[[str], SessionRecorder]
AnyConnection = ClientConnection | SyncClientConnection

_LOGGER = logging.getLogger("eventstore.capture")
_CUT_OFF = 1006


class ConnectionEnd(NamedTuple):
    """How a connection ended.

    Attributes:
        by: Who closed it, client or server; None if it was cut off without a close frame.
        code, reason: Those of the close frame; 1006 if there was none (RFC 6455, 7.4.1).
    """

    by: str | None
    code: int
    reason: str


def connection_end(protocol: Protocol) -> ConnectionEnd:
    """Return how a client's connection ended, after its end."""
    sent, rcvd = protocol.close_sent, protocol.close_rcvd
    if sent is not None and not protocol.close_rcvd_then_sent:
        return ConnectionEnd(CLIENT, sent.code, sent.reason)
    if rcvd is not None:
        return ConnectionEnd(SERVER, rcvd.code, rcvd.reason)
    return ConnectionEnd(None, _CUT_OFF, "")


def session_starter(
    recorder: Recorder,
    notes: Mapping[str, Any],
    metadata: Mapping[str, str] | None,
    session_id: str | None,
    traceparent: str | None = None,
) -> BeginSession:
    """Return a function that begins a session for each websocket of one client.

    Args:
        notes: What each session says of how it was recorded. The URL is added without secrets, and
            from the second session on the `previous` recording, by the name in its `opened` note.
        session_id: The id to store the first session under.
        traceparent: The app's span that the sessions are below, as for `Recorder.session`.
    """
    begun: list[SessionRecorder] = []

    def begin(url: str) -> SessionRecorder:
        noted = {**notes, "url": public_url(url)}
        if begun:
            noted["previous"] = begun[-1].recording
        named = None if begun else session_id
        begun.append(recorder.session(metadata, named, noted, traceparent=traceparent))
        del begun[:-1]
        return begun[0]

    return begin


def watch_from_the_start(connection: AnyConnection, begin: BeginSession) -> None:
    """Record a connection that has not made its handshake yet.

    A connection that the server refuses is not a session. All messages are recorded when they
    arrive, even if the app never reads them.
    """
    protocol, tapped = connection.protocol, _TappedConnection(connection.protocol, begin)
    joiner = _FragmentJoiner()
    events_received, receive_eof = protocol.events_received, protocol.receive_eof

    def watched_events() -> list[Any]:
        events = events_received()
        for event in events:
            if isinstance(event, Response) and protocol.handshake_exc is None:
                tapped.open()
            elif isinstance(event, Frame):
                tapped.record(SERVER, joiner.add(event.opcode, event.data, event.fin))
        return events

    def watched_eof() -> None:
        receive_eof()
        tapped.end()

    protocol.events_received = watched_events  # type: ignore[method-assign]
    protocol.receive_eof = watched_eof  # type: ignore[method-assign]
    _watch_sending(protocol, tapped)


def watch_from_here(connection: AnyConnection, begin: BeginSession) -> None:
    """Record a connection that is already open; server messages are recorded as the app reads them.

    The session ends when a read finds the connection closed, or when the app closes it.
    """
    tapped = _TappedConnection(connection.protocol, begin)
    tapped.open()
    _watch_sending(connection.protocol, tapped)
    receive: Any = connection.recv
    close: Any = connection.close
    watched = _watch_async if iscoroutinefunction(receive) else _watch_sync
    connection.recv, connection.close = watched(receive, close, tapped)  # type: ignore[method-assign]


def _watch_sync(receive: Any, close: Any, tapped: _TappedConnection) -> tuple[Any, Any]:
    def watched_recv(*args: Any, **options: Any) -> Any:
        try:
            message = receive(*args, **options)
        except ConnectionClosed:
            tapped.end()
            raise
        tapped.record(SERVER, _as_text(message))
        return message

    def watched_close(*args: Any, **options: Any) -> None:
        try:
            close(*args, **options)
        finally:
            tapped.end()

    return watched_recv, watched_close


def _watch_async(receive: Any, close: Any, tapped: _TappedConnection) -> tuple[Any, Any]:
    async def watched_recv(*args: Any, **options: Any) -> Any:
        try:
            message = await receive(*args, **options)
        except ConnectionClosed:
            tapped.end()
            raise
        tapped.record(SERVER, _as_text(message))
        return message

    async def watched_close(*args: Any, **options: Any) -> None:
        try:
            await close(*args, **options)
        finally:
            tapped.end()

    return watched_recv, watched_close


def _watch_sending(protocol: ClientProtocol, tapped: _TappedConnection) -> None:
    """Record what the client sends, at the moment it is sent."""
    joiner = _FragmentJoiner()

    def watched(send: Any, opcode: Opcode) -> Any:
        def watched_send(data: Any, fin: bool = True) -> None:
            send(data, fin)
            tapped.record(CLIENT, joiner.add(opcode, data, fin))

        return watched_send

    protocol.send_text = watched(protocol.send_text, Opcode.TEXT)  # type: ignore[method-assign]
    protocol.send_binary = watched(protocol.send_binary, Opcode.BINARY)  # type: ignore[method-assign]
    protocol.send_continuation = watched(protocol.send_continuation, Opcode.CONT)  # type: ignore[method-assign]


class _FragmentJoiner:
    """Joins the fragments of messages in one direction (RFC 6455, 5.4)."""

    def __init__(self) -> None:
        self._fragments: list[bytes] = []
        self._is_text = True

    def add(self, opcode: Opcode, data: Any, fin: bool) -> str | bytes | None:
        """Take a frame; return the message that it completes, if it does."""
        if opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        if opcode is not Opcode.CONT:
            self._is_text = opcode is Opcode.TEXT
        self._fragments.append(bytes(data))
        if not fin:
            return None
        whole, self._fragments = b"".join(self._fragments), []
        return _as_text(whole) if self._is_text else whole


def _as_text(message: str | bytes) -> str | bytes:
    """Return a message as text; bytes that are not UTF-8 stay bytes."""
    if isinstance(message, str):
        return message
    try:
        return message.decode()
    except UnicodeDecodeError:
        return message


class _TappedConnection:
    """Records one connection; an error of the recording never reaches the connection."""

    def __init__(self, protocol: ClientProtocol, begin: BeginSession) -> None:
        self._protocol, self._begin = protocol, begin
        self._session: SessionRecorder | None = None

    def open(self) -> None:
        """Begin the session, because the connection is open."""
        self._record_safely(self._open)

    def record(self, direction: str, message: str | bytes | None) -> None:
        """Record a message; None is ignored."""
        session = self._session  # another thread may set it to None meanwhile
        if session is not None and message is not None:
            self._record_safely(session.record, direction, message)

    def end(self) -> None:
        """Close the session if the connection is closed."""
        session = self._session
        if session is not None and self._protocol.state is State.CLOSED:
            self._session = None
            self._record_safely(session.close, *connection_end(self._protocol))

    def _open(self) -> None:
        uri = self._protocol.uri
        host = f"[{uri.host}]" if ":" in uri.host else uri.host
        standard = uri.port == (443 if uri.secure else 80)
        place = host if standard else f"{host}:{uri.port}"
        scheme = "wss" if uri.secure else "ws"
        self._session = self._begin(f"{scheme}://{place}{uri.resource_name}")

    def _record_safely(self, action: Callable[..., Any], *args: Any) -> None:
        try:
            action(*args)
        except Exception as error:
            # Recording ends here: a log with a gap that it does not name is worse than a log that
            # ends.
            self._session = None
            unforeseen.log_fault(
                _LOGGER, "recording a connection, which goes on unrecorded,", error
            )
