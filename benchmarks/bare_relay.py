"""Relays that record nothing: by the websockets library, message by message, and byte by byte."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def by_message(upstream: str) -> None:
    """What one writes with `websockets`."""

    async def pump(source: Connection, target: Connection) -> None:
        with suppress(ConnectionClosed):
            async for message in source:
                await target.send(message)
        await target.close()

    async def play(client: ServerConnection) -> None:
        url = f"{upstream}{client.request.path if client.request else ''}"
        async with connect(url, compression=None, max_size=None) as server:
            await asyncio.gather(pump(client, server), pump(server, client))

    async with serve(play, "127.0.0.1", 0, compression=None, max_size=None) as server:
        await _run(server.sockets[0].getsockname()[1])


async def by_byte(upstream: str) -> None:
    """The least that any relay does: asyncio's streams, nothing read."""
    there = urlsplit(upstream)

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(there.hostname, there.port)
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    await _run(server.sockets[0].getsockname()[1])


async def _run(port: int) -> None:
    print(f"Relaying on ws://127.0.0.1:{port}", file=sys.stderr, flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run({"message": by_message, "byte": by_byte}[sys.argv[1]](sys.argv[2]))
