"""The stock client of GPT-Live, by the `openai` package, in the ways in which it connects."""

from __future__ import annotations

import json
from typing import Any

import openai

from support.live_calls import Json, heard, start

#: What an app sends on a session's own connection.
SENT: list[Json] = [start(), heard(), {"type": "session.close"}]
#: By how many events of the server each of these is answered.
_ANSWERS = {"session.start": 1, "session.input_audio.append": 4, "session.close": 1}
ROLES = ("connect", "forks", "sideband")


def live_client(url: str, is_async: bool = False) -> Any:
    kind: Any = openai.AsyncOpenAI if is_async else openai.OpenAI
    return kind(api_key="sk-very-secret", websocket_base_url=url)


def connecting(client: Any, role: str, session_id: str = "live_x1", **options: Any) -> Any:
    """What `connect` of the client returns.

    Args:
        role: `connect` for a session's own connection, `forks` or `sideband`.
    """
    if role == "connect":
        return client.live.connect(**options)
    return getattr(client.live, role).connect(session_id=session_id, **options)


def sent_in(role: str) -> list[Json]:
    """What an app sends in such a connection."""
    return [] if role == "sideband" else SENT


def converse(manager: Any, role: str, hears: int = 0) -> list[str]:
    """Be the app; gives what came.

    Args:
        hears: how many events come to a sideband.
    """
    came = []
    with manager as connection:
        for event in sent_in(role):
            connection.send(event)
            came += [connection.recv_bytes().decode() for _ in range(_ANSWERS[event["type"]])]
        came += [connection.recv_bytes().decode() for _ in range(hears)]
    return came


async def converse_async(manager: Any, role: str, hears: int = 0) -> list[str]:
    """`converse` by an asynchronous client."""
    came = []
    async with manager as connection:
        for event in sent_in(role):
            await connection.send(event)
            for _ in range(_ANSWERS[event["type"]]):
                came.append((await connection.recv_bytes()).decode())
        for _ in range(hears):
            came.append((await connection.recv_bytes()).decode())
    return came


def events(frames: list[str | bytes]) -> list[Json]:
    """Frames as the events that they are."""
    return [json.loads(frame) for frame in frames]
