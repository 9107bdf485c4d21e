"""Server connections whose unfinished messages are bounded in all; for the servers of replays."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.server import ServerConnection

from eventstore.realtime.unfinished_messages import UnfinishedMessages


def bounded_connections() -> type[ServerConnection]:
    """The kind of connections for one server, to give to `serve` as `create_connection`."""

    class Connection(BoundedConnection):
        unfinished = UnfinishedMessages()

    return Connection


class BoundedConnection(ServerConnection):
    """A connection that is cut off where it holds the most of too much.

    What comes is counted until a message is received: so what counts is a message that is not
    whole, or that nobody takes.

    Attributes:
        unfinished: the server's count.
        held: bytes that came since the last message was received.
    """

    unfinished: UnfinishedMessages
    held = 0

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self.unfinished.add(self, len(data))
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self.unfinished.release(self)
        super().connection_lost(exc)

    async def recv(self, decode: bool | None = None) -> Any:
        """Receive a message: see `ServerConnection.recv`."""
        message = await super().recv(decode)
        self.unfinished.release(self)
        return message

    def give_up(self) -> None:
        """Cut the connection off: a message that is given up cannot be answered."""
        self.transport.abort()
