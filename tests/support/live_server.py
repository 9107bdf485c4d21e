"""A server that speaks GPT-Live: sessions of its own, their sidebands, and forks.

Each session says the same: the user is heard, and the model answers once.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from websockets.asyncio.server import ServerConnection

from support.cassettes import websocket_server
from support.live_calls import Json, closed, said, sideband, started, used, words

_PATH = re.compile(r"/v1/live/sessions(?:/([^/?]+)/(attach|fork))?")


@dataclass
class LiveServer:
    """What it knows, and what it saw.

    Attributes:
        url: what stands for `wss://api.openai.com/v1`.
        known: the sessions that can be attached to; None for all.
        came: what it sends to each sideband, which it closes then; None for the usual events. One
            to which it sends nothing is listened to.
        together: how many sidebands must have joined before it sends to any of them.
        joined: how many have.
        paths, heads: of each handshake; the names of headers are in lower case.
        got: what each connection sent, by its path.
    """

    url: str = ""
    known: set[str] | None = None
    came: list[Json] | None = None
    together: int = 1
    joined: int = 0
    paths: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    got: dict[str, list[str | bytes]] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def new_id(self) -> str:
        return f"live_{next(self._ids)}"

    def answers(self, event: Json, session_id: str) -> list[Json]:
        """What it says to a client's event on a session's own connection."""
        if event["type"] == "session.start":
            return [started(session_id)]
        if event["type"] == "session.input_audio.append":
            heard = words("input", "Good morning", 0, 800)
            return [heard, said(), words("output", "Hello", 900, 1400), used(2)]
        return [closed(session_id)] if event["type"] == "session.close" else []


@contextmanager
def live_server(
    known: set[str] | None = None, came: list[Json] | None = None
) -> Iterator[LiveServer]:
    """Run it on loopback.

    Args:
        known: the sessions that can be attached to; None for all.
        came: what it sends to each sideband; None for the usual events.
    """
    server = LiveServer(known=known, came=came)

    def look(connection: ServerConnection, request: Any) -> Any:
        server.paths.append(request.path)
        server.heads.append({name.lower(): value for name, value in request.headers.raw_items()})
        found = _PATH.match(request.path)
        if found is None:
            return connection.respond(404, '{"error": {"message": "No such path."}}')
        if found[2] == "attach" and server.known is not None and found[1] not in server.known:
            return connection.respond(404, json.dumps({"error": {"message": f"No {found[1]}."}}))
        return None

    async def serve(connection: ServerConnection) -> None:
        assert connection.request is not None
        found = _PATH.match(connection.request.path)
        assert found is not None
        got = server.got.setdefault(connection.request.path, [])
        if found[2] == "attach":
            server.joined += 1
            while server.joined < server.together:
                await asyncio.sleep(0.01)
            for event in sideband(found[1]) if server.came is None else server.came:
                await connection.send(json.dumps(event))
            if server.came == []:
                got += [message async for message in connection]
            return
        session_id = server.new_id()
        async for message in connection:
            got.append(message)
            event = json.loads(message)
            for answer in server.answers(event, session_id):
                await connection.send(json.dumps(answer))
            if event["type"] == "session.close":
                return

    with websocket_server(serve, process_request=look) as url:
        server.url = url
        yield server
