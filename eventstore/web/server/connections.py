"""Connections of the HTTP server: who asks for nothing, or too slowly, is cut off.

uvicorn waits for a request's head and body without end. A connection without a request under way,
or whose body hardly goes on, is closed here after a while, so that idle ones cannot keep others
out. Given to uvicorn by `web/running.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Requests and connections at once; more requests are answered with 503.
MOST = 1000
# Seconds for the head of a request to come, and bytes of its body that must come in each as many.
_HEAD_TIMEOUT, _LEAST_BYTES = 30.0, 16 * 1024


class Connection(H11Protocol):
    """One connection."""

    _timer: asyncio.TimerHandle | None = None
    _came = 0

    def connection_made(self, transport: Any) -> None:
        """Called by the event loop."""
        super().connection_made(transport)
        if len(self.connections) >= MOST:
            self._make_room()
        self._timer = self.loop.call_later(_HEAD_TIMEOUT, self._look, None, 0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._came += len(data)
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP. A request that is under way has lost its client by it."""
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
        """Return True if a request is under way whose body has not come to its end."""
        return self.cycle is not None and self.cycle.more_body

    def is_unread(self) -> bool:
        """Return True if a request is under way whose client does not read the answer."""
        return bool(self.flow.write_paused)

    def _make_room(self) -> None:
        """Cut off a connection that needs its room least, where there is one."""
        others = [o for o in self.connections if o is not self and isinstance(o, Connection)]
        for needs_least in (Connection.is_idle, Connection.is_half_sent, Connection.is_unread):
            for other in filter(needs_least, others):
                self.connections.discard(other)
                other.transport.abort()
                return

    def _look(self, cycle: object, came: int) -> None:
        """Close the connection if nothing was asked, or hardly any of a body came, since a look.

        Args:
            cycle, came: the request that was under way, and the bytes that had come, at that look.
        """
        is_slow = self.is_half_sent() and self._came - came < _LEAST_BYTES
        if self.cycle is cycle and (self.is_idle() or is_slow):
            self.transport.close()
        else:
            self._timer = self.loop.call_later(_HEAD_TIMEOUT, self._look, self.cycle, self._came)
