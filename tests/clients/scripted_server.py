"""A Realtime server on loopback that answers by a script, for real clients to be recorded from."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from clients.scripted_session import UTTERANCES, ScriptedSession
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from eventstore.replay.cassette.loop_thread import LoopThread


@dataclass
class Scripted:
    """A running server.

    Attributes:
        port: where it listens.
        asked: the paths that clients asked for, with their queries.
        faults: what a client sent that it could not answer.
    """

    port: int = 0
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """The upstream, for a relay."""
        return f"ws://127.0.0.1:{self.port}"


@contextmanager
def scripted_server(utterances: Sequence[str] = UTTERANCES, pause: float = 0) -> Iterator[Scripted]:
    """Serve a new session to each client, until the block is left.

    Args:
        utterances: what users' turns are written down as.
        pause: seconds before each answer and before its end.
    """
    state = Scripted()

    async def converse(connection: ServerConnection) -> None:
        assert connection.request is not None
        path = connection.request.path
        state.asked.append(path)
        query = parse_qs(urlsplit(path).query)
        model = query.get("model") or query.get("deployment") or ["gpt-realtime"]
        session = ScriptedSession(model[0], utterances, is_flat(path))
        for event in session.greet():
            await connection.send(json.dumps(event))
        async for message in connection:
            try:
                events = session.receive(json.loads(message))
            except Exception as error:
                state.faults.append(f"{message[:300]!r}: {error!r}")
                raise
            for event in events:
                if pause and event["type"] in ("response.created", "response.done"):
                    await asyncio.sleep(pause)
                await connection.send(json.dumps(event))

    def chosen(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        # Browsers' clients offer it, with their key as another one.
        return Subprotocol("realtime") if "realtime" in offered else None

    @asynccontextmanager
    async def running() -> AsyncIterator[Server]:
        options = {"max_size": None, "close_timeout": 1, "select_subprotocol": chosen}
        async with serve(converse, "127.0.0.1", 0, **options) as server:
            yield server

    thread = LoopThread(running)
    state.port = thread.start().sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        thread.stop()


def is_flat(path: str) -> bool:
    """Whether a path is one of the servers that speak the shape from before the GA."""
    return urlsplit(path).path.startswith("/voice-live/") or "api-version=" in path
