"""Real servers to record from, and real clients to be recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import openai
from websockets.asyncio.server import Server, ServerConnection, serve

from eventstore.realtime.frames import CLIENT, SERVER, Frame, parse
from eventstore.replay.cassette.loop_thread import LoopThread
from eventstore.replay.server.server import FindRecording
from eventstore.replay.serving.recording import read_recording

Handler = Callable[[ServerConnection], Awaitable[None]]


@contextmanager
def websocket_server(handler: Handler, **options: Any) -> Iterator[str]:
    """A websocket server of one's own on loopback; gives its base address."""

    @asynccontextmanager
    async def running() -> AsyncIterator[Server]:
        async with serve(handler, "127.0.0.1", 0, close_timeout=1, **options) as server:
            yield server

    thread = LoopThread(running)
    server = thread.start()
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        thread.stop()


def each_in_turn(*calls: Sequence[Frame]) -> FindRecording:
    """Serve the first call to the first client, and so on, the last again and again."""
    left = [read_recording("recording", lambda frames=frames: frames) for frames in calls]
    return lambda target: left.pop(0) if len(left) > 1 else left[0]


def talk(resource: Any, recorded: Sequence[Frame]) -> list[str]:
    """Be the recorded client, by a connection of the `openai` package; gives what came."""
    came = []
    with resource.connect(model="gpt-realtime") as connection:
        for frame in recorded:
            if frame.direction == CLIENT:
                connection.send(parse(str(frame.text)))
            elif frame.direction == SERVER:
                came.append(connection.recv_bytes().decode())
    return came


async def talk_async(resource: Any, recorded: Sequence[Frame]) -> list[str]:
    """`talk` by an asynchronous client."""
    came = []
    async with resource.connect(model="gpt-realtime") as connection:
        for frame in recorded:
            if frame.direction == CLIENT:
                await connection.send(parse(str(frame.text)))
            elif frame.direction == SERVER:
                came.append((await connection.recv_bytes()).decode())
    return came


def openai_talk(
    url: str, recorded: Sequence[Frame], beta: bool = False, is_async: bool = False
) -> list[str]:
    """Talk to a server by the `openai` package, in any of the ways that it has."""
    kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
    client = kind(api_key="sk-none", websocket_base_url=url)
    resource = client.beta.realtime if beta else client.realtime
    if is_async:
        return asyncio.run(talk_async(resource, recorded))
    return talk(resource, recorded)
