"""Connections of the HTTP server: who asks for nothing, or too slowly, is cut off.

uvicorn waits for a request's head without end. A connection without a request under way is closed
here after a while, so that idle ones cannot keep others out. Given to uvicorn by `web/server.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Requests and connections at once; more requests are answered with 503.
MOST = 1000
# Seconds for the head of a request to come.
_HEAD_TIMEOUT = 30.0


class Connection(H11Protocol):
    """One connection."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Called by the event loop."""
        super().connection_made(transport)
        if len(self.connections) >= MOST:
            self._make_room()
        self._timer = self.loop.call_later(_HEAD_TIMEOUT, self._look, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _make_room(self) -> None:
        """Cut off a connection that has never asked for anything, where there is one."""
        for other in self.connections:
            if other is not self and isinstance(other, Connection) and other.cycle is None:
                self.connections.discard(other)
                other.transport.abort()
                return

    def _look(self, before: object) -> None:
        """Close the connection, unless a request came since the last look, or is under way."""
        cycle = self.cycle
        if cycle is before and (cycle is None or cycle.response_complete):
            self.transport.close()
        else:
            self._timer = self.loop.call_later(_HEAD_TIMEOUT, self._look, cycle)
