"""A way to a real server that can be shut, cut or jammed, as networks are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from sqlalchemy.engine import make_url

from eventstore.replay.cassette.loop_thread import LoopThread


class Gate:
    """A forwarder on loopback. Connections go through while it is open."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._shut = self._losing = False
        self._connections: set[asyncio.StreamWriter] = set()
        self.loop = asyncio.get_running_loop()
        self.port = 0

    def shut(self) -> None:
        """Cut all connections, and take no new ones."""
        self._call(self._cut)

    def jam(self) -> None:
        """Let nothing through; connections stay open."""
        self._call(self._flowing.clear)

    def lose_answers(self) -> None:
        """Let through what is asked, and throw away what is answered."""
        self._call(lambda: setattr(self, "_losing", True))

    def open(self) -> None:
        """Let everything through again."""
        self._call(self._free)

    def _call(self, work: object) -> None:
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (work(), done.set()))  # type: ignore[operator]
        assert done.wait(10)

    def _cut(self) -> None:
        self._shut = True
        for writer in self._connections:
            writer.transport.abort()

    def _free(self) -> None:
        self._shut = self._losing = False
        self._flowing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection."""
        if self._shut:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._connections |= {writer, there_writer}
        try:
            await asyncio.gather(
                self._forward(reader, there_writer),
                self._forward(there_reader, writer, answers=True),
            )
        finally:
            self._connections -= {writer, there_writer}

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                if answers and self._losing:
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def gate_to(host: str, port: int) -> Iterator[Gate]:
    """A gate before a server."""

    @asynccontextmanager
    async def running() -> AsyncIterator[Gate]:
        gate = Gate(host, port)
        server = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
        gate.port = server.sockets[0].getsockname()[1]
        try:
            yield gate
        finally:
            gate._cut()
            server.close()

    thread = LoopThread(running)
    gate = thread.start()
    try:
        yield gate
    finally:
        thread.stop()


@contextmanager
def gate_to_database(url: str) -> Iterator[tuple[Gate, str]]:
    """A gate before a PostgreSQL server, and the database's URL through it."""
    parsed = make_url(url)
    with gate_to(parsed.host or "127.0.0.1", parsed.port or 5432) as gate:
        through = parsed.set(host="127.0.0.1", port=gate.port)
        yield gate, through.render_as_string(hide_password=False)
