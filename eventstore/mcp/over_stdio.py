"""Serve MCP on standard input and output, for a client that starts the server itself.

Called by the command `mcp`. Standard output carries the protocol alone. The server ends when
standard input is closed, and at SIGINT or SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
from mcp.server.stdio import stdio_server

from eventstore.mcp.asking import Service
from eventstore.mcp.server import LOGGER, make_server
from eventstore.realtime.values import dumps, storable_json

#: How many bytes one message may have. A longer one is left out.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
# How many messages that were read may wait for the server.
_WAITING = 64


def serve_stdio(service: Service) -> None:
    """Serve until standard input ends, or until SIGINT or SIGTERM.

    Args:
        service: The server's settings.
    """
    asyncio.run(_serve(service))


async def _serve(service: Service) -> None:
    loop = asyncio.get_running_loop()
    lines = _InputLines(loop)

    def end(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)  # a second signal ends the process at once
        signal.signal(number, signal.SIG_DFL)
        lines.end()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    lines.start()
    server = make_server(service)
    # The server only iterates over the lines.
    async with stdio_server(stdin=cast("anyio.AsyncFile[str]", lines)) as (read, write):
        await server.run(read, write, server.create_initialization_options())


class _InputLines:
    """The lines of standard input, which a thread reads.

    The thread may wait for input for ever. So it is a daemon, and the iteration can end without it.

    Args:
        loop: The event loop on which the lines are iterated over.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(_WAITING)

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def end(self) -> None:
        """End the iteration behind the lines that are there. Called on the event loop."""
        self._lines.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            self._room.release()
            yield line

    def _read(self) -> None:
        """Read lines until the input ends. Runs in the thread."""
        begun, too_long = bytearray(), False
        try:
            while read := os.read(0, 65_536):
                *ended, rest = read.split(b"\n")
                for line in ended:
                    begun += line
                    if not too_long:
                        self._put(_readable(bytes(begun)))
                    begun.clear()
                    too_long = False
                begun += rest
                if len(begun) > MAX_MESSAGE_BYTES:
                    if not too_long:
                        LOGGER.warning("a message of over %d bytes was left out", MAX_MESSAGE_BYTES)
                    begun.clear()
                    too_long = True
            if begun and not too_long:
                self._put(_readable(bytes(begun)))
        except OSError:
            LOGGER.warning("standard input cannot be read any more")
        self._call(self.end)

    def _put(self, line: str) -> None:
        self._room.acquire()
        self._call(self._lines.put_nowait, line)

    def _call(self, function: Any, *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return  # the loop has ended meanwhile


def _readable(line: bytes) -> str:
    """Return a message as text that the package's parser takes.

    It refuses the escape of a lone surrogate, and then answers nothing. So that the client gets an
    answer, such a character is replaced.
    """
    text = line.decode("utf-8", "replace")
    if "\\ud" not in text.lower():
        return text
    try:
        return dumps(storable_json(json.loads(text)))
    except (ValueError, RecursionError):
        return text
