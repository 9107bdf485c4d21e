"""The state that all connections of a relay share; `relay.py` makes it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from eventstore.capture.calls.call_recordings import CallRecordings
from eventstore.capture.messages.unpacking_thread import UnpackingThread
from eventstore.capture.recorder.process.recorder_process import RecorderProcess
from eventstore.capture.recorder.recorder import Recorder
from eventstore.capture.relay.relay_metrics import RelayCounts
from eventstore.capture.relay.relay_request import HttpRequest, Upstream
from eventstore.capture.relay.relay_tee import Tee
from eventstore.common.hosts import Visitors
from eventstore.realtime.unfinished_messages import UnfinishedMessages

#: Called with a connection's number and a text for people when something happens.
OnEvent = Callable[[int, str], None]


class LiveConnection(Protocol):
    """What the relay needs of its connections; `relay_connection.RelayedConnection` has it."""

    request: HttpRequest | None
    tee: Tee | None

    def go_away(self) -> None:
        """End the connection in order, because the relay is stopping."""

    def abort(self) -> None:
        """End the connection at once."""


@dataclass
class RelayState:
    """The state that all connections of a relay share.

    Attributes:
        tls: TLS settings for the upstream; None if it has no TLS.
        connect_timeout: Seconds for the upstream to answer a handshake.
        durable: Whether messages are passed on only after they are committed.
        metadata: Pairs that are set on every session.
        unpacking: The thread that unpacks large messages.
        visitors: Decides which hosts and origins may connect.
        max_calls: How many connections may have one to the upstream at once.
        created: Records the calls that the upstream says it has created.
        unfinished: Counts the bytes of unfinished messages.
        counts: The relay's counters.
        live: The open connections.
        calls: The open connections that have one to the upstream, or are making one.
        waiting: The open connections that have not, the oldest first.
        idle: Set while no connection is open.
        reporting: Tasks that report how sessions went.
        connections: How many connections there have been.
        draining: Whether no more connections are accepted.
        warned_of_client_secret: Whether a message said that a client secret cannot join a call.
    """

    recorder: Recorder | RecorderProcess
    upstream: Upstream
    tls: ssl.SSLContext | None
    connect_timeout: float
    durable: bool
    metadata: Mapping[str, str]
    on_event: OnEvent
    unpacking: UnpackingThread
    visitors: Visitors
    max_calls: int
    created: CallRecordings
    unfinished: UnfinishedMessages = field(default_factory=UnfinishedMessages)
    counts: RelayCounts = field(default_factory=RelayCounts)
    live: set[LiveConnection] = field(default_factory=set)
    calls: set[LiveConnection] = field(default_factory=set)
    waiting: dict[LiveConnection, None] = field(default_factory=dict)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    reporting: set[asyncio.Task[None]] = field(default_factory=set)
    connections: int = 0
    draining: bool = False
    warned_of_client_secret: bool = False

    @property
    def upstream_connections(self) -> int:
        """How many connections to the upstream there are, including sidebands."""
        return len(self.calls) + self.created.count

    @property
    def sessions(self) -> int:
        """How many sessions are in progress."""
        relayed = sum(connection.tee is not None for connection in self.live)
        return relayed + self.created.live
