"""One client's connection to the relay: its request, and the upstream's answer to that.

`relay.py` makes a `RelayedConnection` for each client that connects.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from http import HTTPStatus

from eventstore.capture.relay.relay_calls import join_created
from eventstore.capture.relay.relay_forwarding import DRAIN_TIMEOUT, DuplexForwarder
from eventstore.capture.relay.relay_metadata import read_metadata, session_notes, shown_query
from eventstore.capture.relay.relay_metrics import exposition, health
from eventstore.capture.relay.relay_pipe import HIGH_WATER, Deadline, PipeSide
from eventstore.capture.relay.relay_request import (
    AnswerReader,
    BadRequestError,
    HttpRequest,
    RequestReader,
    Upstream,
    answer,
    compression,
    header,
    refusal,
    request_head,
    upstream_target,
)
from eventstore.capture.relay.relay_shared import RelayState
from eventstore.capture.relay.relay_tee import Tee
from eventstore.common import unforeseen
from eventstore.realtime.frames import CLIENT, SERVER

_LOGGER = logging.getLogger("eventstore.relay")

# Seconds for a client to send its request, and for a refused client to read the answer.
_HEAD_TIMEOUT, _ANSWER_TIMEOUT = 30.0, 2.0
# Seconds to wait for the id of a session that has ended.
_NAMING_TIMEOUT = 2.0
_OWN_PATHS = ("/healthz", "/metrics")
# Connections that have none to the upstream: they have sent no request yet, or were refused.
_MOST_WAITING = 256


class RelayedConnection:
    """A client's connection, and the connection to the upstream that belongs to it.

    Attributes:
        client: The client's side, as the event loop's protocol.
        request: The client's request, or None until its head is whole.
        tee: The tee of the session in progress, or None if there is no session.
    """

    def __init__(self, shared: RelayState) -> None:
        self._shared = shared
        self.client, self._server = PipeSide(CLIENT, self), PipeSide(SERVER, self)
        self.client.other, self._server.other = self._server, self.client
        self.request: HttpRequest | None = None
        self.tee: Tee | None = None
        self._read: dict[PipeSide, Callable[[bytes], None]] = {
            self.client: self._take_request,
            self._server: self._take_answer,
        }
        self._reader, self._answer = RequestReader(), AnswerReader()
        self._early = b""  # from the client, before the upstream can take it
        self._held = b""  # of the upstream's answer, while its head is not whole
        self._client_ended = False
        self._forwarder: DuplexForwarder | None = None
        self._task: asyncio.Task[None] | None = None
        self._deadline = Deadline()
        self._number = 0

    # Called by the sides

    def connected(self, side: PipeSide) -> None:
        """Start a timeout when a client connects; called when a side's transport is there."""
        if side is self._server:
            if not self.client.alive:
                side.abort()
            return
        shared = self._shared
        shared.connections += 1
        self._number = shared.connections
        shared.live.add(self)
        shared.idle.clear()
        self._deadline.set(_HEAD_TIMEOUT, self._close)
        if shared.draining:
            self._close()
            return
        # A client that opens connections and sends no request must not keep others out: the oldest
        # of these connections is aborted.
        if len(shared.waiting) >= _MOST_WAITING:
            shared.counts.refused[HTTPStatus.REQUEST_TIMEOUT] += 1
            oldest = next(iter(shared.waiting))
            del shared.waiting[oldest]
            oldest.abort()
        shared.waiting[self] = None

    def received(self, side: PipeSide, data: bytes) -> None:
        """Handle bytes that arrived from a side."""
        self._read[side](data)

    def ended(self, side: PipeSide) -> None:
        """Handle a side that has closed its half of the connection."""
        if self._forwarder is not None:
            self._forwarder.ended(side)
        elif side is self._server:
            self._end_answer()
        elif self._task is not None and self.request and not self.request.is_websocket:
            self._client_ended = True  # it may still wait for the answer
        else:
            self._close()

    def lost(self, side: PipeSide, error: Exception | None) -> None:
        """Handle a side whose connection is gone."""
        if self._forwarder is not None:
            self._forwarder.lost(side, error)
        elif side is self._server:
            self._end_answer()
        else:
            self._cancel()
            self._server.close()
        if not self.client.open and not self._server.open:
            self._finish()

    # The client's request

    def _take_request(self, data: bytes) -> None:
        try:
            request = self._reader.feed(data)
        except BadRequestError as error:
            self._refuse(error.status, str(error))
            return
        if request is None:
            return
        self.request, self._early = request, self._reader.rest
        shared = self._shared
        names = (b"host", b"origin", b"sec-fetch-site")
        refused = shared.visitors.refusal(*(header(request.headers, name) for name in names))
        if refused is not None:
            self._refuse(HTTPStatus.FORBIDDEN, refused)
            return
        path = request.target.partition("?")[0]
        if request.method == "GET" and path in _OWN_PATHS:
            self._answer_own_path(path)
            return
        if shared.upstream_connections >= shared.max_calls:
            self._refuse(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"the relay has {shared.max_calls:,} connections, and takes no more at once",
            )
            return
        shared.waiting.pop(self, None)
        shared.calls.add(self)
        self._read[self.client] = self._take_early
        self._deadline.set(self._shared.connect_timeout, self._time_out)
        self._task = asyncio.get_running_loop().create_task(self._connect(request))

    def _take_early(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > HIGH_WATER:
            self.client.hold("early")

    def _answer_own_path(self, path: str) -> None:
        shared = self._shared
        recorder = shared.recorder
        if path == "/healthz":
            self._send_answer(answer(200, health(shared.sessions, recorder)))
        else:
            self._send_answer(answer(200, *exposition(shared.counts, shared.sessions, recorder)))

    def _refuse(self, status: int, message: str) -> None:
        """Answer with an error of the relay's own."""
        if self.client.alive:
            self._shared.on_event(self._number, f"{status}: {message}")
            self._shared.counts.refused[status] += 1
            self._send_answer(refusal(status, message))

    def _send_answer(self, whole: bytes) -> None:
        # Bytes that still arrive are read: to close a socket with unread bytes would reset the
        # connection, and the client might never see the answer.
        self._task = None
        self._read = {self.client: _ignore, self._server: _ignore}
        self.client.release("early")
        self.client.write(whole)
        self.client.end()
        self._deadline.set(_ANSWER_TIMEOUT, self._close)
        self._server.abort()

    # The upstream

    async def _connect(self, request: HttpRequest) -> None:
        shared = self._shared
        upstream = shared.upstream
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: self._server,
                upstream.host,
                upstream.port,
                ssl=shared.tls,
                server_hostname=upstream.host if shared.tls else None,
            )
        except (OSError, ValueError) as error:
            status = HTTPStatus.BAD_GATEWAY
            if isinstance(error, TimeoutError):
                status = HTTPStatus.GATEWAY_TIMEOUT
            self._refuse(status, f"cannot connect to {upstream.shown}: {_why(error)}")
            return
        self._server.write(request_head(upstream, request))
        if not request.is_websocket:
            self._pass_on()
            if request.creates_call:
                self._watch_answer(request)
            if self._client_ended:
                self.ended(self.client)

    def _watch_answer(self, request: HttpRequest) -> None:
        """Read a copy of the answer, until it says which call was created, and record the call."""
        pass_on = self._read[self._server]
        reader = AnswerReader(keeps_body=request.creates_live_session)

        def watched(data: bytes) -> None:
            pass_on(data)
            try:
                reader.feed(data)
                if not join_created(self._shared, self._number, request, reader):
                    return
            except Exception as error:  # no error may disturb the call
                if not isinstance(error, ValueError):
                    unforeseen.log_fault(_LOGGER, "joining a call that was created", error)
            if self._read[self._server] is watched:
                self._read[self._server] = pass_on

        self._read[self._server] = watched

    def _time_out(self) -> None:
        self._cancel()
        upstream = self._shared.upstream.shown
        self._refuse(HTTPStatus.GATEWAY_TIMEOUT, f"{upstream} did not answer in time")

    def _take_answer(self, data: bytes) -> None:
        """Read the answer to a handshake, and pass it on byte for byte once its head is whole."""
        reader, known = self._answer, self._answer.status
        self._held += data
        try:
            reader.feed(data)
        except ValueError:
            self._end_answer("answered with what is no HTTP")
            return
        if reader.status is None:
            return
        if reader.status == HTTPStatus.SWITCHING_PROTOCOLS and self.request is not None:
            self._begin_session(self.request)
            return
        if known is None:
            self._shared.counts.refused[reader.status] += 1
            self._shared.on_event(self._number, f"the upstream refused it with {reader.status}")
        held, self._held = self._held, b""
        self.client.write(held)
        self._deadline.set(DRAIN_TIMEOUT, self._close)
        if reader.ended:
            self._close()

    def _end_answer(self, why: str = "closed the connection unasked") -> None:
        """Handle the end of the upstream's answer, which may be cut off."""
        if self._read[self._server] == self._take_answer and self._answer.status is None:
            self._refuse(HTTPStatus.BAD_GATEWAY, f"{self._shared.upstream.shown} {why}")
        elif self._read[self._server] == self._take_answer:
            self._close()

    def _begin_session(self, request: HttpRequest) -> None:
        shared, reader = self._shared, self._answer
        metadata = read_metadata(request.target, request.headers, dict(shared.metadata))
        url = _shown_url(shared.upstream, request)
        notes = session_notes(
            url,
            request.headers,
            header(reader.headers, b"sec-websocket-protocol"),
            header(reader.headers, b"x-request-id"),
            metadata.refused,
        )
        try:
            session = shared.recorder.session(metadata.pairs or None, None, notes)
        except Exception as error:  # no error may disturb the call
            unforeseen.log_fault(_LOGGER, "beginning to record a call", error)
            shared.on_event(self._number, f"is not recorded: {type(error).__name__}: {url}")
        else:
            agreed = compression(reader.headers)
            self.tee = Tee(session, agreed, shared.counts, shared.unpacking, shared.unfinished)
            shared.counts.sessions += 1
            shared.on_event(self._number, f"begins: {url}")
        head, frames = self._held, reader.rest
        self._held = b""
        self.client.write(head[: len(head) - len(frames)])
        self._pass_on()
        if frames:
            self.received(self._server, frames)

    def _pass_on(self) -> None:
        """Pass bytes on in both directions from now on."""
        self._deadline.clear()
        durable = self._shared.durable
        forwarder = DuplexForwarder(self.client, self._server, self.tee, durable, self._deadline)
        self._forwarder = forwarder
        self._read = {side: forwarder.reader(side) for side in (self.client, self._server)}
        self.client.release("early")
        early, self._early = self._early, b""
        if early:
            self.received(self.client, early)

    # The end

    def go_away(self) -> None:
        """Close the connection; a session is closed with close frames."""
        if self._forwarder is None:
            self._close()
            return
        forwarder = self._forwarder
        self._read = {side: forwarder.closing_reader(side) for side in (self.client, self._server)}
        forwarder.go_away()

    def abort(self) -> None:
        """Close both sides at once."""
        self._cancel()
        self.client.abort()
        self._server.abort()

    def _close(self) -> None:
        self._cancel()
        self._deadline.set(DRAIN_TIMEOUT, self.abort)
        self.client.close()
        self._server.close()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _finish(self) -> None:
        shared = self._shared
        if self not in shared.live or (self.tee and not self.tee.settle(self._finish)):
            return
        shared.live.discard(self)
        shared.calls.discard(self)
        shared.waiting.pop(self, None)
        self._deadline.clear()
        self._forget()
        if not shared.live:
            shared.idle.set()
        if self.tee is not None:
            self.tee.end()
            task = asyncio.get_running_loop().create_task(
                _report_end(shared, self._number, self.tee)
            )
            shared.reporting.add(task)
            task.add_done_callback(shared.reporting.discard)

    def _forget(self) -> None:
        """Drop all references, so that the memory is freed without the garbage collector."""
        self.client.forget()
        self._server.forget()
        self._read = {self.client: _ignore, self._server: _ignore}
        self._forwarder = self._task = None
        self._early = self._held = b""


async def _report_end(shared: RelayState, number: int, tee: Tee) -> None:
    """Report how a session went, once its id is known; after a timeout, without the id."""
    if tee.named is not None:
        named = asyncio.wrap_future(tee.named)
        named.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({named}, timeout=_NAMING_TIMEOUT)
    shared.on_event(number, tee.summary())


def _ignore(data: bytes) -> None:
    """Drop bytes that nobody reads."""


def _shown_url(upstream: Upstream, request: HttpRequest) -> str:
    path, mark, query = upstream_target(upstream, request).partition("?")
    scheme = "wss" if upstream.tls else "ws"
    return f"{scheme}://{upstream.authority}{path}{mark}{shown_query(query)}"


def _why(error: OSError | ValueError) -> str:
    """Return what went wrong, in the operating system's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    message = error.strerror if isinstance(error, OSError) else None
    return message or str(error) or type(error).__name__
