"""Frames of GPT-Live sessions: of the session's own connection, and of a sideband."""

from __future__ import annotations

import json
from typing import Any

import pybase64

from eventstore.realtime.frames import CLIENT, SERVER, Frame

Json = dict[str, Any]

AT = 1_780_000_000_000_000
RATE = 24_000
#: Half a second of the user's audio and of the model's, which are told apart by their samples.
USER, MODEL = (sample * (RATE // 2) for sample in (b"\x01\x10", b"\x03\x20"))
#: Types that the client sends in `own_connection`; input audio is told by who sends it there.
ASKED = ("session.start", "session.input_audio.append", "session.close")


def base64(audio: bytes) -> str:
    return pybase64.b64encode_as_string(audio)


def session(session_id: str = "live_x1") -> Json:
    """A session as its server tells it."""
    return {
        "id": session_id,
        "model": "gpt-live-1",
        "status": "active",
        "expires_at": 1_780_003_600,
        "audio": {"output": {"voice": "marin"}, "format": {"type": "audio/pcm", "rate": RATE}},
    }


def start() -> Json:
    return {"type": "session.start", "session": {"model": "gpt-live-1"}}


def started(session_id: str = "live_x1") -> Json:
    return {"type": "session.started", "event_id": "e_1", "session": session(session_id)}


def heard(audio: bytes = USER) -> Json:
    """The user's audio: a client's command, or reflected to a sideband. Both are the same."""
    return {"type": "session.input_audio.append", "audio": base64(audio)}


def said(audio: bytes = MODEL, **times: int) -> Json:
    """The model's audio, with `start_ms` and `end_ms` on a sideband."""
    return {"type": "session.output_audio.delta", "delta": base64(audio), **times}


def words(side: str, text: str, start_ms: int, end_ms: int) -> Json:
    """A fragment of a transcript; `side` is `input` or `output`."""
    places = {"start_ms": start_ms, "end_ms": end_ms}
    type_ = f"session.{side}_transcript.delta"
    return {"type": type_, "event_id": f"e_{side}_{start_ms}", "delta": text, **places}


def used(seconds: int) -> Json:
    event_id = f"e_used_{seconds}"
    return {"type": "session.usage.updated", "event_id": event_id, "usage": {"seconds": seconds}}


def closed(session_id: str = "live_x1", seconds: int = 2) -> Json:
    return {
        "type": "session.closed",
        "event_id": "e_closed",
        "reason": "close_requested",
        "session": session(session_id),
        "usage": {"seconds": seconds},
    }


def own_connection(session_id: str = "live_x1") -> list[Json]:
    """What both sides send on a session's own connection."""
    return [
        start(),
        started(session_id),
        heard(),
        heard(),
        words("input", "Good morning", 0, 800),
        said(),
        words("output", "Hello", 900, 1400),
        used(2),
        {"type": "session.close"},
        closed(session_id),
    ]


def sideband(session_id: str = "live_x1") -> list[Json]:
    """What the server sends to a sideband of such a session."""
    return [
        heard(),
        heard(),
        words("input", "Good morning", 0, 800),
        said(start_ms=900, end_ms=1400),
        words("output", "Hello", 900, 1400),
        used(2),
        closed(session_id),
    ]


def frames_of(events: list[Json], asked: tuple[str, ...] = ASKED) -> list[Frame]:
    """Events as frames, a tenth of a second apart.

    Args:
        asked: The types that the client sends; all others are the server's.
    """
    return [
        Frame(CLIENT if one["type"] in asked else SERVER, json.dumps(one), AT + 100_000 * number)
        for number, one in enumerate(events)
    ]
