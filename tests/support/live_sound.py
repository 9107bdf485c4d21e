"""GPT-Live sessions with sound: on the session's own connection, and on a sideband."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore import Frame
from support.sound import b64, client, server, with_clicks

ULAW: dict[str, Any] = {"type": "audio/pcmu", "rate": 8000}


def started(at: float | None = 0.0, format_: dict[str, Any] = ULAW) -> Frame:
    """The session is started, with one format for both sides."""
    session = {"id": "live_1", "model": "gpt-live-1", "audio": {"format": format_}}
    return server(at, "session.started", event_id="event_started", session=session)


def heard(at: float | None, sound: bytes) -> Frame:
    """The client sends sound on the session's own connection."""
    return client(at, "session.input_audio.append", audio=b64(sound))


def reflected(at: float | None, sound: bytes) -> Frame:
    """A sideband is told what the user said."""
    return server(at, "session.input_audio.append", audio=b64(sound))


def spoken(at: float | None, sound: bytes, place_ms: tuple[int, int] | None = None) -> Frame:
    """The model's sound; on a sideband with its place."""
    places = {} if place_ms is None else {"start_ms": place_ms[0], "end_ms": place_ms[1]}
    return server(at, "session.output_audio.delta", delta=b64(sound), **places)


def fragment(at: float | None, side: str, start_ms: int, end_ms: int, words: str) -> Frame:
    """Some words of a side (`input` or `output`), with their place."""
    return server(
        at,
        f"session.{side}_transcript.delta",
        event_id=f"event_{side}_{start_ms}",
        start_ms=start_ms,
        end_ms=end_ms,
        delta=words,
    )


def pcm_click(ms: int, *clicks_ms: float) -> bytes:
    """PCM16 at 24 kHz: silence with clicks of a millisecond in it."""
    sound = bytearray(ms * 48)
    for click in clicks_ms:
        start = round(click * 24) * 2
        sound[start : start + 48] = b"\xff\x7f" * 24
    return bytes(sound)


def full_duplex(first: float = 1.0, length: float = 6.0) -> Iterator[Frame]:
    """A session whose model sends all the time. The user clicks at 1.05 s, the model at 3.05 s.

    Args:
        first: When the user's first audio begins, in seconds since the session's first event.
        length: How long both sides send, in seconds.
    """
    yield started()
    for number in range(round(length * 10)):
        at = first + (number + 1) / 10
        yield heard(at, with_clicks(100, *([50] if number == 10 else [])))
        yield spoken(at + 0.3, with_clicks(100, *([50] if number == 30 else [])))
        if number == 14:
            yield fragment(at + 0.35, "input", 1000, 1400, "Hello there.")
        if number == 40:
            yield fragment(at + 0.35, "output", 3000, 4000, "Hi, what is it?")
