"""Responses that are sent over a long time: event streams, and exports as JSON lines.

Called by `web/api/events.py` and `web/api/live.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from typing import ParamSpec, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from starlette.types import Receive, Scope, Send

from eventstore.web.server.paths import places_of
from eventstore.web.server.places import Place
from eventstore.web.server.requests import asker_of

P = ParamSpec("P")
T = TypeVar("T")

# How many lines, and how many bytes, are read and sent at once.
_LINES, _BYTES = 500, 256 * 1024


class Stream(StreamingResponse):
    """A streaming response that holds one of the places of streams until it ends."""

    def __init__(self, content: AsyncIterator[bytes], media_type: str, place: Place) -> None:
        super().__init__(content, media_type=media_type)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, then release its place."""
        with self._place:
            await super().__call__(scope, receive, send)


class EventStream(Stream):
    """Server-sent events that hold one of the places of streams until they end."""

    def __init__(self, content: AsyncIterator[bytes], place: Place) -> None:
        super().__init__(content, EventSourceResponse.media_type, place)
        # Tells nginx, and proxies that follow it, to hand each event on at once.
        self.headers["X-Accel-Buffering"] = "no"


async def take_stream(request: Request) -> Place:
    """Take a place for a stream.

    Raises:
        BusyError: The request's asker has as many streams as it may have.
    """
    return await places_of(request).streams.take(asker_of(request))


async def in_turn(request: Request, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread for a stream, and return its result.

    Streams share a few threads: the call waits until it is this stream's turn.
    """
    with await places_of(request).stream_reads.take(asker_of(request)):
        return await run_in_threadpool(read, *args, **kwargs)


async def piecewise(request: Request, lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield lines joined to pieces. A slow client holds no thread between two pieces."""

    def piece() -> bytes:
        found, size = [], 0
        for line in islice(lines, _LINES):
            found.append(line)
            size += len(line)
            if size >= _BYTES:
                break
        return b"".join(found)

    while some := await in_turn(request, piece):
        yield some
