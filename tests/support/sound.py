"""Sessions with sound, as microphones, networks and servers make them; and what a file holds."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from eventstore import Frame
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import decode

#: When a session's first event comes.
START = 1_700_000_000_000_000
ULAW: dict[str, Any] = {"type": "audio/pcmu"}
#: Mu-law bytes: silence, and as loud as can be.
QUIET, LOUD = 0xFF, 0x80
MS = 8


def frame(direction: str, at: float | None, type_: str, **fields: Any) -> Frame:
    """An event's frame; `at` in seconds since the session's first event."""
    text = json.dumps({"type": type_, **fields})
    return Frame(direction, text, None if at is None else START + round(at * 1e6))


def client(at: float | None, type_: str, **fields: Any) -> Frame:
    """A frame that the client sends."""
    return frame("client", at, type_, **fields)


def server(at: float | None, type_: str, **fields: Any) -> Frame:
    """A frame that the server sends."""
    return frame("server", at, type_, **fields)


def opened(at: float | None = 0.0, side: dict[str, Any] = ULAW) -> Frame:
    """The session is created, with both sides in one format."""
    audio = {"input": {"format": side}, "output": {"format": side}}
    return server(at, "session.created", session={"id": "sess_1", "audio": audio})


def b64(sound: bytes) -> str:
    """Base64 of bytes."""
    return base64.b64encode(sound).decode()


def append(at: float | None, sound: bytes) -> Frame:
    """The client appends sound."""
    return client(at, "input_audio_buffer.append", audio=b64(sound))


def delta(at: float | None, sound: bytes, item: str = "item_1", response: str = "resp_1") -> Frame:
    """The server sends sound."""
    ids = {"response_id": response, "item_id": item, "content_index": 0}
    return server(at, "response.output_audio.delta", delta=b64(sound), **ids)


def with_clicks(ms: int, *clicks_ms: float) -> bytes:
    """Mu-law silence with clicks of a millisecond in it."""
    sound = bytearray([QUIET] * (ms * MS))
    for click in clicks_ms:
        start = min(round(click * MS), len(sound) - MS)
        sound[start : start + MS] = bytes([LOUD] * MS)
    return bytes(sound)


def microphone(
    rng: random.Random,
    spans: Iterable[tuple[float, float]],
    clicks: Iterable[float],
    drift: float,
    stalls: Iterable[tuple[float, float]] = (),
    chunk_ms: int = 100,
) -> Iterator[Frame]:
    """A microphone whose sample clock is off, over a network that delays, and stalls.

    Args:
        spans: when it is on, in true seconds: else nothing is sent.
        clicks: true moments of clicks; each within a span.
        drift: by what share its clock is fast.
        stalls: from when to when nothing gets through; it comes in a burst afterwards.
    """
    moments, stalled, arrived = sorted(clicks), list(stalls), 0.0
    for start, end in spans:
        for number in range(int((end - start) * 1000 * (1 + drift) / chunk_ms)):
            begins = start + number * chunk_ms / 1000 / (1 + drift)
            ends = start + (number + 1) * chunk_ms / 1000 / (1 + drift)
            inside = [(m - begins) * 1000 * (1 + drift) for m in moments if begins <= m < ends]
            sound = with_clicks(chunk_ms, *inside)
            at = ends + min(rng.expovariate(1 / 0.02), 0.3)
            at = max([at, *(until for since, until in stalled if since <= at < until)])
            arrived = max(arrived, at)
            yield append(arrived, sound)


def answer(at: float, ms: int, click_ms: float, number: int) -> Iterator[Frame]:
    """A spoken answer with a click in it, five times as fast as it plays."""
    response, item = f"resp_{number}", f"answer_{number}"
    yield server(at, "response.created", response={"id": response, "status": "in_progress"})
    sound = with_clicks(ms, click_ms)
    for begin in range(0, len(sound), 200 * MS):
        yield delta(at + begin / MS / 5000, sound[begin : begin + 200 * MS], item, response)
    done = {"id": response, "status": "completed"}
    yield server(at + ms / 5000, "response.done", response=done)


def in_order(frames: Iterable[Frame]) -> list[Frame]:
    """Frames in the order of their arrival."""
    return sorted(frames, key=lambda frame: frame.at or 0)


def stored(frames: Iterable[Frame]) -> list[StoredEvent]:
    """Frames as the store gives them back."""
    return [
        StoredEvent(seq, frame.at, frame.direction, decode(frame.text).type, frame.text)
        for seq, frame in enumerate(frames, 1)
    ]


def channels(path: Path) -> tuple[list[NDArray[np.float64]], int]:
    """A file's channels and its rate."""
    samples, rate = soundfile.read(path, always_2d=True)
    return list(samples.T), rate


def clicks_in(samples: NDArray[np.float64], rate: int, apart: float = 0.05) -> list[float]:
    """When something loud begins, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.4)
    far = np.diff(loud, prepend=-rate) > apart * rate
    return [place / rate for place, first in zip(loud, far, strict=True) if first]


def loud_spans(
    samples: NDArray[np.float64], rate: int, gap: float = 0.3
) -> list[tuple[float, float]]:
    """From when to when something sounds, pauses shorter than `gap` seconds included."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    numbers = np.cumsum(np.diff(loud, prepend=loud[:1]) > gap * rate)
    spans = []
    for _, places in groupby(zip(numbers, loud, strict=True), key=lambda pair: pair[0]):
        inside = [place for _, place in places]
        spans.append((inside[0] / rate, inside[-1] / rate))
    return spans
