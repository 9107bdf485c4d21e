"""Be a client of GPT-Live by the `openai` package, sync and async."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import openai
from websockets.exceptions import ConnectionClosed

from eventstore import microseconds
from eventstore.demo import live_call_lines
from eventstore.realtime.frames import CLIENT, SERVER, Frame, parse

#: Makes a manager of a connection from `client.live`.
Connect = Callable[[Any], Any]


def primary(live: Any) -> Any:
    """Connect to a session of one's own."""
    return live.connect()


def sample_live_frames() -> list[Frame]:
    """The frames of the sample call of GPT-Live."""
    entries = map(json.loads, live_call_lines())
    return [Frame(e["direction"], e["frame"], microseconds(e["at"])) for e in entries]


def live_talk(
    url: str, recorded: Sequence[Frame], is_async: bool = False, connect: Connect = primary
) -> list[str]:
    """Be the recorded client: send each frame once all before it have come.

    Returns:
        What came, as it was on the wire.
    """
    kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
    client = kind(api_key="sk-none", websocket_base_url=url, base_url="http://127.0.0.1:9/v1")
    if is_async:
        return asyncio.run(_talk_async(connect(client.live), recorded))
    return _talk(connect(client.live), recorded)


def _talk(manager: Any, recorded: Sequence[Frame]) -> list[str]:
    came = []
    with manager as connection:
        for frame in recorded:
            if frame.direction == CLIENT:
                connection.send(parse(str(frame.text)))
            elif frame.direction == SERVER:
                came.append(connection.recv_bytes().decode())
    return came


async def _talk_async(manager: Any, recorded: Sequence[Frame]) -> list[str]:
    came = []
    async with manager as connection:
        for frame in recorded:
            if frame.direction == CLIENT:
                await connection.send(parse(str(frame.text)))
            elif frame.direction == SERVER:
                came.append((await connection.recv_bytes()).decode())
    return came


def everything(
    url: str,
    connect: Connect = primary,
    is_async: bool = False,
    start: dict[str, Any] | None = None,
) -> list[str]:
    """Send a `session.start`, if one is given, and read until the server closes the connection."""
    kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
    client = kind(api_key="sk-none", websocket_base_url=url, base_url="http://127.0.0.1:9/v1")
    if is_async:
        return asyncio.run(_everything_async(connect(client.live), start))
    came: list[str] = []
    with connect(client.live) as connection:
        if start is not None:
            connection.session.start(**start)
        try:
            while True:
                came.append(connection.recv_bytes().decode())
        except ConnectionClosed:
            return came


async def _everything_async(manager: Any, start: dict[str, Any] | None) -> list[str]:
    came: list[str] = []
    async with manager as connection:
        if start is not None:
            await connection.session.start(**start)
        try:
            while True:
                came.append((await connection.recv_bytes()).decode())
        except ConnectionClosed:
            return came
