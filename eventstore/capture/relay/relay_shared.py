"""What all connections of a relay share."""

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

#: Told what happens in words, with the connection's number.
OnEvent = Callable[[int, str], None]


class LiveConnection(Protocol):
    """What all connections know of each other: `relay_connection.RelayedConnection` has it all."""

    request: HttpRequest | None
    tee: Tee | None

    def go_away(self) -> None:
        """End the connection, as a server does that is stopped."""

    def abort(self) -> None:
        """End the connection at once."""


@dataclass
class RelayState:
    """What all connections of a relay share.

    Attributes:
        tls: for the upstream; None where that has none.
        connect_timeout: seconds for the upstream to answer a handshake.
        durable: pass messages on only once they are committed.
        metadata: set on every session.
        unpacking: unpacks large messages.
        visitors: who may ask.
        max_calls: how many connections may have one to the upstream at once.
        created: records the calls that the upstream says it has created.
        unfinished: counts the bytes of unfinished messages.
        live: the connections under way.
        calls: those of them that have one to the upstream, or are about to.
        waiting: those that have not asked for one, the oldest first.
        idle: set while there are none.
        telling: the tasks that say how sessions went.
        connections: how many there have been.
        draining: whether no more are taken.
        warned_of_client_secret: whether it was told that a client secret may join no call.
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
        """How many connections to the upstream there are, sidebands among them."""
        return len(self.calls) + self.created.count

    @property
    def sessions(self) -> int:
        """How many sessions are under way."""
        relayed = sum(connection.tee is not None for connection in self.live)
        return relayed + self.created.live
