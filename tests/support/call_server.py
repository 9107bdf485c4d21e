"""A server that plays OpenAI to sidebands: it knows a call only once that is accepted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection

from eventstore.realtime.frames import SERVER
from support.calls import voice_call
from support.cassettes import websocket_server

#: What the server of such a call sends.
CAME = [frame.text for frame in voice_call().frames if frame.direction == SERVER]


@dataclass
class CallServer:
    """What it knows, and what it saw.

    Attributes:
        url: what stands for `wss://api.openai.com/v1`.
        accepted: the calls that it knows; None for all.
        over: the calls that it ends; None for all, at once.
        asked: how often each call was asked for.
        heads: the headers of each handshake, in lower case.
        codes: the codes that connections were closed with.
    """

    url: str = ""
    accepted: set[str] | None = None
    over: set[str] | None = None
    asked: Counter[str] = field(default_factory=Counter)
    paths: list[str] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    codes: list[int | None] = field(default_factory=list)


@contextmanager
def call_server(
    accepted: set[str] | None = None,
    over: set[str] | None = None,
    came: Sequence[str | bytes] = CAME,
    status: int = 404,
) -> Iterator[CallServer]:
    """Run it on loopback.

    Args:
        came: the frames of each call.
        status: with which unknown calls are refused.
    """
    server = CallServer(accepted=accepted, over=over)

    def look(connection: ServerConnection, request: Any) -> Any:
        call_id = _call(request.path)
        server.asked[call_id] += 1
        server.paths.append(request.path)
        server.heads.append({name.lower(): value for name, value in request.headers.raw_items()})
        if server.accepted is not None and call_id not in server.accepted:
            error = {"error": {"message": f"No call {call_id}."}}
            return connection.respond(status, json.dumps(error))
        return None

    async def serve(connection: ServerConnection) -> None:
        assert connection.request is not None
        call_id = _call(connection.request.path)
        for frame in came:
            await connection.send(frame)
        while server.over is not None and call_id not in server.over:
            closed = asyncio.ensure_future(connection.wait_closed())
            if (await asyncio.wait({closed}, timeout=0.02))[0]:
                break
        else:
            await connection.close(1000, "over")
        server.codes.append(connection.close_code)

    with websocket_server(serve, process_request=look) as url:
        server.url = url
        yield server


def _call(path: str) -> str:
    return parse_qs(urlsplit(path).query).get("call_id", [""])[0]
