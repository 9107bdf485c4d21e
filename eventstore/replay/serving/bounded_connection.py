"""Bound the memory that unfinished messages of all connections of a server take together.

Used by replay/server/server.py and cassette_server.py.
"""

from __future__ import annotations

from typing import Any

from websockets.asyncio.server import ServerConnection

from eventstore.realtime.unfinished_messages import UnfinishedMessages
from eventstore.replay.serving.handshake import refused_method


def bounded_connections() -> type[ServerConnection]:
    """Return a connection class for one server, to give to `serve` as `create_connection`.

    The connections of this class share one count of unfinished bytes.
    """

    class Connection(BoundedConnection):
        unfinished = UnfinishedMessages()

    return Connection


class BoundedConnection(ServerConnection):
    """A connection that is cut off if the server holds too much, and this connection the most.

    Bytes are counted when they arrive, and released when a message is received. So the count
    includes messages that are not whole, and messages that nobody has received yet.

    Attributes:
        unfinished: The count of the whole server.
        held: How many bytes arrived since the last message was received.
    """

    unfinished: UnfinishedMessages
    held = 0
    _has_begun = False

    def data_received(self, data: bytes) -> None:
        """Count bytes that arrived. The event loop calls this.

        A request by another method than GET is answered here: `websockets` would close the
        connection without an answer.
        """
        if not self._has_begun:
            self._has_begun = True
            if (refused := refused_method(data)) is not None:
                self.transport.write(refused)
                self.transport.close()
                return
        self.unfinished.add(self, len(data))
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the count of a connection that is lost. The event loop calls this."""
        self.unfinished.release(self)
        super().connection_lost(exc)

    async def recv(self, decode: bool | None = None) -> Any:
        """Receive a message, and release its bytes: see `ServerConnection.recv`."""
        message = await super().recv(decode)
        self.unfinished.release(self)
        return message

    def give_up(self) -> None:
        """Cut the connection off. A message that is dropped in the middle cannot be answered."""
        self.transport.abort()
