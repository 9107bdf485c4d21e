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
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import anyio
import mcp_types as types
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from eventstore.mcp.asking import Service
from eventstore.mcp.server import LOGGER, make_server
from eventstore.realtime.values import dumps, storable_json

#: How many bytes one message may have. A longer one is answered with an error.
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
    server = make_server(service)
    try:
        # The server only iterates over the lines.
        async with stdio_server(stdin=cast("anyio.AsyncFile[str]", lines)) as (read, write):

            async def refuse(error: types.JSONRPCError) -> None:
                await write.send(SessionMessage(error))

            lines.start(refuse)
            await server.run(read, write, server.create_initialization_options())
    except* (BrokenPipeError, anyio.BrokenResourceError):
        LOGGER.info("the client has gone")  # it closed its end of standard output


_Refuse = Callable[[types.JSONRPCError], Awaitable[None]]


class _InputLines:
    """The lines of standard input that are messages. A thread reads them.

    The thread may wait for input for ever. So it is a daemon, and the iteration can end without it.

    Args:
        loop: The event loop on which the lines are iterated over.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines: asyncio.Queue[str | types.JSONRPCError | None] = asyncio.Queue()
        self._room = threading.Semaphore(_WAITING)

    def start(self, refuse: _Refuse) -> None:
        """Begin to read.

        Args:
            refuse: Answers a line that is no message. The package would answer nothing, and the
                client would wait.
        """
        self._refuse = refuse
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def end(self) -> None:
        """End the iteration behind the lines that are there. Called on the event loop."""
        self._lines.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            self._room.release()
            wrong = _error_of(line) if isinstance(line, str) else line
            if wrong is not None:
                await self._refuse(wrong)
            elif isinstance(line, str) and line.strip():
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
                        self._put(_error(types.INVALID_REQUEST, _TOO_LONG))
                    begun.clear()
                    too_long = True
            if begun and not too_long:
                self._put(_readable(bytes(begun)))
        except OSError:
            LOGGER.warning("standard input cannot be read any more")
        self._call(self.end)

    def _put(self, line: str | types.JSONRPCError) -> None:
        self._room.acquire()
        self._call(self._lines.put_nowait, line)

    def _call(self, function: Any, *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return  # the loop has ended meanwhile


_TOO_LONG = f"a message has at most {MAX_MESSAGE_BYTES:,} bytes"
_NO_MESSAGE = "a line is one JSON object: a request, a notification or a response of JSON-RPC 2.0"


def _error(code: int, message: str, id_: str | int | None = None) -> types.JSONRPCError:
    return types.JSONRPCError(
        jsonrpc="2.0", id=id_, error=types.ErrorData(code=code, message=message)
    )


def _error_of(line: str) -> types.JSONRPCError | None:
    """Return the error that answers a line; None if it is a message, or empty."""
    if not line.strip():
        return None
    try:
        message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        message = None
    # A request whose id is neither a text nor a whole number looks like a notification.
    if message is not None and not isinstance(message, types.JSONRPCNotification):
        return None
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return _error(types.PARSE_ERROR, "the line is no JSON")
    if message is not None and "id" not in read:
        return None
    id_ = read.get("id") if isinstance(read, dict) else None
    known = isinstance(id_, str | int) and not isinstance(id_, bool)
    return _error(types.INVALID_REQUEST, _NO_MESSAGE, id_ if known else None)


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
