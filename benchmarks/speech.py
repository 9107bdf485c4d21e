"""A call made of recorded speech: the WAV files of a folder, said by turns; no sound comes twice.

`SPEECH` names the folder; files of any rate, mono. Without it, the sample call is taken, whose
speech is synthesized. For the figures in docs/benchmarks.md: the 150 first files over 20 kB of
Debian's asterisk-core-sounds-en-g722 (a person, 16 kHz), resampled to 24 kHz by ffmpeg.
"""

from __future__ import annotations

import base64
import os
import random
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import soundfile
from numpy.typing import NDArray

from eventstore.demo import call_lines
from eventstore.realtime.frames import CLIENT, SERVER, Frame
from eventstore.times import parse_time

Pcm = NDArray[np.int16]

RATE = 24_000
_MIC, _DELTA = 40 * RATE // 1000, (100, 400)
_START = 1_760_000_000_000_000
_ID = string.ascii_letters + string.digits


def call(seconds: float) -> list[Frame]:
    """A call of so many seconds, or of all the speech that there is."""
    folder = os.environ.get("SPEECH")
    if folder is None:
        lines = (orjson.loads(line) for line in call_lines())
        return [Frame(line["direction"], line["frame"], parse_time(line["at"])) for line in lines]
    return list(_Call(sorted(Path(folder).glob("*.wav"))).frames(seconds))


class _Call:
    def __init__(self, paths: list[Path]) -> None:
        self._paths = iter(paths)
        self._chance = random.Random(7)
        self._noise = np.random.default_rng(7)
        self._clock = 0.0

    def frames(self, seconds: float) -> Iterator[Frame]:
        yield self._server("session.created", session={"id": self._id("sess")})
        while self._clock < seconds:
            asked, answer = self._clip(), self._clip()
            if asked is None or answer is None:
                return
            yield from self._heard(asked)
            yield from self._answered(answer)

    def _clip(self) -> Pcm | None:
        path = next(self._paths, None)
        return None if path is None else soundfile.read(path, dtype="int16")[0]

    def _heard(self, sound: Pcm) -> Iterator[Frame]:
        """What the microphone takes; where nobody speaks it takes the room."""
        for start in range(0, len(sound), _MIC):
            chunk = sound[start : start + _MIC]
            self._clock += _MIC / RATE
            # As clients write it that use Python's json.
            text = f'{{"type": "input_audio_buffer.append", "audio": "{_base64(chunk)}"}}'
            yield Frame(CLIENT, text, self._at())

    def _answered(self, sound: Pcm) -> Iterator[Frame]:
        item, response = self._id("item"), self._id("resp")
        of = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        yield self._server("input_audio_buffer.committed", item_id=self._id("item"))
        yield self._server("response.created", response={"id": response, "status": "in_progress"})
        start, said = 0, 0.0
        while start < len(sound):
            size = self._chance.randint(*_DELTA) * RATE // 1000
            delta = _base64(sound[start : start + size])
            yield self._server("response.output_audio.delta", **of, delta=delta)
            word = "".join(self._chance.choices(string.ascii_lowercase, k=5))
            yield self._server("response.output_audio_transcript.delta", **of, delta=f" {word}")
            start += size
            said += size / RATE
        yield self._server("response.output_audio.done", **of)
        yield self._server("response.done", response={"id": response, "status": "completed"})
        room = self._noise.integers(-3, 4, int(said * RATE)).astype("<i2")
        yield from self._heard(room)

    def _server(self, type_: str, **fields: Any) -> Frame:
        event = {"type": type_, "event_id": self._id("event"), **fields}
        return Frame(SERVER, orjson.dumps(event).decode(), self._at())

    def _id(self, kind: str) -> str:
        return f"{kind}_{''.join(self._chance.choices(_ID, k=21))}"

    def _at(self) -> int:
        return _START + int(1e6 * self._clock) + self._chance.randint(0, 20_000)


def _base64(samples: Pcm) -> str:
    return base64.b64encode(samples.astype("<i2").tobytes()).decode()
