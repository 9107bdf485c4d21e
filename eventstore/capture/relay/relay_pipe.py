"""Two transports joined: bytes, half-closes and back pressure go from one to the other.

`relay_connection.py` makes the two sides, and `relay_forwarding.py` a `Forwarder` for each
direction.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Protocol, cast

#: Bytes that may wait to be written to one side before the other side is read no further.
HIGH_WATER = 256 * 1024

# TCP keepalive finds a peer that has vanished without a word after two minutes.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class SideOwner(Protocol):
    """What a side calls when something happens on its connection."""

    def connected(self, side: PipeSide) -> None:
        """Handle a side whose transport is there."""

    def received(self, side: PipeSide, data: bytes) -> None:
        """Handle bytes that arrived."""

    def ended(self, side: PipeSide) -> None:
        """Handle a side that sends no more. It may still be written to."""

    def lost(self, side: PipeSide, error: Exception | None) -> None:
        """Handle a side that is gone; `error` is None if it was closed in order."""


class PipeSide(asyncio.Protocol):
    """One of the two connections, to the client or to the upstream.

    Args:
        name: `client` or `server`.
        owner: Is called when something happens.

    Attributes:
        other: The side that its bytes go to.
        open: Whether its connection exists, even if it is about to close.
    """

    def __init__(self, name: str, owner: SideOwner) -> None:
        self.name = name
        self.other: PipeSide | None = None
        self.open = False
        self.transport: asyncio.Transport | None = None
        self._owner = owner
        self._tls = self._ended = False
        self._holds: set[str] = set()

    @property
    def alive(self) -> bool:
        """Return True if it can be written to."""
        return self.transport is not None and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the connection up; called by the event loop."""
        self.transport = transport = cast(asyncio.Transport, transport)
        self.open = True
        self._tls = transport.get_extra_info("sslcontext") is not None
        transport.set_write_buffer_limits(high=HIGH_WATER)
        _tune(transport.get_extra_info("socket"))
        if self._holds:
            transport.pause_reading()
        self._owner.connected(self)

    def data_received(self, data: bytes) -> None:
        """Pass bytes to the owner; called by the event loop."""
        self._owner.received(self, data)

    def eof_received(self) -> bool:
        """Return True to keep the other half open, unless it is TLS; called by the event loop."""
        self._owner.ended(self)
        return not self._tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner; called by the event loop."""
        self.open = False
        self._owner.lost(self, exc)

    def pause_writing(self) -> None:
        """Pause the other side, because too much waits to be written; called by the event loop."""
        if self.other is not None:
            self.other.hold("full")

    def resume_writing(self) -> None:
        """Let the other side go on; called by the event loop."""
        if self.other is not None:
            self.other.release("full")

    def hold(self, why: str) -> None:
        """Read no further until `release` is called for the same cause."""
        self._holds.add(why)
        if self.transport is not None:
            self.transport.pause_reading()

    def release(self, why: str) -> None:
        """Read on, unless there is another cause not to."""
        self._holds.discard(why)
        if self.transport is not None and not self._holds and self.alive:
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send bytes; does nothing if the connection is gone or was ended."""
        if self.transport is not None and not self._ended and not self.transport.is_closing():
            self.transport.write(data)

    def end(self) -> None:
        """Close this half of the connection, after the bytes that wait are sent."""
        if self.transport is None or self.transport.is_closing():
            return
        self._ended = True
        if self.transport.can_write_eof():
            with suppress(OSError):
                self.transport.write_eof()
        else:
            self.transport.close()

    def close(self) -> None:
        """Close the connection, after the bytes that wait are sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def forget(self) -> None:
        """Drop all references; nothing happens on this side any more.

        A side and its owner refer to each other. Otherwise both would stay in memory until the
        garbage collector looks for them.
        """
        self._owner, self.other, self.transport = _NO_OWNER, None, None


class _NoOwner:
    """The owner of sides that are forgotten."""

    def connected(self, side: PipeSide) -> None:
        """Close a connection that was made too late."""
        side.abort()

    def received(self, side: PipeSide, data: bytes) -> None:
        """Do nothing."""

    def ended(self, side: PipeSide) -> None:
        """Do nothing."""

    def lost(self, side: PipeSide, error: Exception | None) -> None:
        """Do nothing."""


_NO_OWNER = _NoOwner()


def _tune(connection: socket.socket | None) -> None:
    if connection is None:
        return
    with suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Deadline:
    """A timer for one action at a time."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, action: Callable[[], None]) -> None:
        """Call an action in so many seconds; an earlier action that is still due is cancelled."""
        self.clear()
        self._timer = asyncio.get_running_loop().call_later(seconds, action)

    def clear(self) -> None:
        """Cancel the action that is due, if any."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None


class Forwarder:
    """Forwards what one side sends to the other, in order. Some of it may wait for a commit."""

    def __init__(self, source: PipeSide, target: PipeSide) -> None:
        self._source, self._target = source, target
        self._waiting: deque[tuple[Callable[[], None], Future[None] | None]] = deque()
        self._loop = asyncio.get_running_loop()

    def send(self, data: bytes, behind: Future[None] | None = None) -> None:
        """Forward bytes.

        Args:
            behind: Forward them only when this future is done, whether it failed or not.
        """
        if not self._waiting and (behind is None or behind.done()):
            self._target.write(data)
        else:
            self._wait(partial(self._target.write, data), behind)

    def end(self) -> None:
        """End the target's half of the connection, after all that was sent."""
        self._wait(self._target.end)

    def close(self) -> None:
        """Close the target, after all that was sent."""
        self._wait(self._target.close)

    def _wait(self, step: Callable[[], None], behind: Future[None] | None = None) -> None:
        self._waiting.append((step, behind))
        if behind is not None:
            self._source.hold("commit")
            behind.add_done_callback(self._committed)
        self._advance()

    def _committed(self, _: Future[None]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._advance)

    def _advance(self) -> None:
        while self._waiting:
            step, behind = self._waiting[0]
            if behind is not None and not behind.done():
                return
            self._waiting.popleft()
            step()
        self._source.release("commit")
