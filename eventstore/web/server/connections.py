"""Closes connections of the HTTP server that are idle, or that send a request too slowly.

uvicorn itself waits for a request's head and body without a timeout. So idle connections could use
up all connections that the server has. Given to uvicorn by `web/running.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: How many requests and connections the server takes at once; more requests are answered with 503.
MAX_CONNECTIONS = 1000
# The head of a request must arrive within this many seconds, and at least this many bytes of its
# body in each such period.
_HEAD_TIMEOUT, _LEAST_BYTES = 30.0, 16 * 1024


class Connection(H11Protocol):
    """One connection of a client, which is closed if it is idle or too slow."""

    _timer: asyncio.TimerHandle | None = None
    _came = 0

    def connection_made(self, transport: Any) -> None:
        """Start the timer, and close another connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) >= MAX_CONNECTIONS:
            self._make_room()
        self._timer = self.loop.call_later(_HEAD_TIMEOUT, self._look, None, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes that arrive."""
        self._came += len(data)
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no HTTP, and treat the client of a running request as gone."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def is_idle(self) -> bool:
        """Return True if no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def is_half_sent(self) -> bool:
        """Return True if a request is under way whose body has not arrived whole."""
        return self.cycle is not None and self.cycle.more_body

    def is_unread(self) -> bool:
        """Return True if a request is under way whose client does not read the answer."""
        return bool(self.flow.write_paused)

    def _make_room(self) -> None:
        """Abort one connection: an idle one, else a half sent one, else an unread one."""
        others = [o for o in self.connections if o is not self and isinstance(o, Connection)]
        for needs_least in (Connection.is_idle, Connection.is_half_sent, Connection.is_unread):
            for other in filter(needs_least, others):
                self.connections.discard(other)
                other.transport.abort()
                return

    def _look(self, cycle: object, came: int) -> None:
        """Close the connection if it was idle, or too slow, since the last check.

        Args:
            cycle: The request that was under way at the last check.
            came: How many bytes had arrived until then.
        """
        is_slow = self.is_half_sent() and self._came - came < _LEAST_BYTES
        if self.cycle is cycle and (self.is_idle() or is_slow):
            self.transport.close()
        else:
            self._timer = self.loop.call_later(_HEAD_TIMEOUT, self._look, self.cycle, self._came)
