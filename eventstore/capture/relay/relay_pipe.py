"""Two transports joined: bytes, half closes and back pressure go from one to the other."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Protocol, cast

#: Bytes that wait to be written to one side before the other is read no further.
HIGH_WATER = 256 * 1024

# A peer that has vanished without a word is found out after two minutes.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class SideOwner(Protocol):
    """Who is told what happens on a side."""

    def connected(self, side: Side) -> None:
        """Its transport is there."""

    def received(self, side: Side, data: bytes) -> None:
        """Bytes came."""

    def ended(self, side: Side) -> None:
        """It sends no more, and may still be written to."""

    def lost(self, side: Side, error: Exception | None) -> None:
        """It is gone; the error, unless it was closed in order."""


class Side(asyncio.Protocol):
    """One of the two connections.

    Args:
        name: `client` or `server`.

    Attributes:
        other: the side that its bytes go to.
        open: whether its connection is there, even if it is about to close.
    """

    def __init__(self, name: str, owner: SideOwner) -> None:
        self.name = name
        self.other: Side | None = None
        self.open = False
        self.transport: asyncio.Transport | None = None
        self._owner = owner
        self._tls = self._ended = False
        self._holds: set[str] = set()

    @property
    def alive(self) -> bool:
        """Whether it can be written to."""
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
        """Called by the event loop."""
        self._owner.received(self, data)

    def eof_received(self) -> bool:
        """Called by the event loop; whether the other half stays open, which TLS cannot do."""
        self._owner.ended(self)
        return not self._tls

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.open = False
        self._owner.lost(self, exc)

    def pause_writing(self) -> None:
        """Called by the event loop: too much waits to be written."""
        if self.other is not None:
            self.other.hold("full")

    def resume_writing(self) -> None:
        """Called by the event loop."""
        if self.other is not None:
            self.other.release("full")

    def hold(self, why: str) -> None:
        """Read no further, until it is released for the same cause."""
        self._holds.add(why)
        if self.transport is not None:
            self.transport.pause_reading()

    def release(self, why: str) -> None:
        """Read on, unless there is another cause not to."""
        self._holds.discard(why)
        if self.transport is not None and not self._holds and self.alive:
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send; does nothing where the connection is gone, or was told that no more will come."""
        if self.transport is not None and not self._ended and not self.transport.is_closing():
            self.transport.write(data)

    def end(self) -> None:
        """Send no more; what waits is still sent."""
        if self.transport is None or self.transport.is_closing():
            return
        self._ended = True
        if self.transport.can_write_eof():
            with suppress(OSError):
                self.transport.write_eof()
        else:
            self.transport.close()

    def close(self) -> None:
        """Close it, once what waits is sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close it at once."""
        if self.transport is not None:
            self.transport.abort()

    def forget(self) -> None:
        """Let go of everything: nothing happens any more.

        A side and its owner refer to each other. Without this, both would stay in memory until
        the garbage collector looks for them.
        """
        self._owner, self.other, self.transport = _NO_OWNER, None, None


class _NoOwner:
    """The owner of sides that are forgotten."""

    def connected(self, side: Side) -> None:
        """Close what is connected too late."""
        side.abort()

    def received(self, side: Side, data: bytes) -> None:
        """Do nothing."""

    def ended(self, side: Side) -> None:
        """Do nothing."""

    def lost(self, side: Side, error: Exception | None) -> None:
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
    """The one thing that is due to happen, unless it is put off."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this in so many seconds, in place of what was due."""
        self.clear()
        self._timer = asyncio.get_running_loop().call_later(seconds, action)

    def clear(self) -> None:
        """Nothing is due."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None


class Forwarder:
    """What goes from one side to the other, in order. Some of it may have to wait for a commit."""

    def __init__(self, source: Side, target: Side) -> None:
        self._source, self._target = source, target
        self._waiting: deque[tuple[Callable[[], None], Future[None] | None]] = deque()
        self._loop = asyncio.get_running_loop()

    def send(self, data: bytes, behind: Future[None] | None = None) -> None:
        """Pass bytes on.

        Args:
            behind: pass them on when this is done, whatever came of it.
        """
        if not self._waiting and (behind is None or behind.done()):
            self._target.write(data)
        else:
            self._wait(partial(self._target.write, data), behind)

    def end(self) -> None:
        """End the target's half as the source has ended its own."""
        self._wait(self._target.end)

    def close(self) -> None:
        """Close the target, behind all that was sent."""
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
