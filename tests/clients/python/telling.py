"""What every driver has in common: its arguments, speech to send, and how it tells its items."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from array import array
from collections.abc import Iterator

#: Samples a second, and the length of a chunk of a microphone.
RATE, CHUNK_MS = 24000, int(os.environ.get("CHUNK_MS", "20"))


def arguments() -> argparse.Namespace:
    """`--url` is the server as `http://HOST:PORT`; `--case` what to do, where there is a choice."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--case", default="")
    return parser.parse_args()


def tell(items: list[tuple[str, str]]) -> None:
    """Print the conversation as the client has it: who, and what was said, called or returned."""
    json.dump({"items": items}, sys.stdout)
    sys.stdout.flush()


def turn(speech_ms: int = 400, quiet_ms: int = 500) -> Iterator[bytes]:
    """A user's turn as a microphone gives it: a voice that swells and falls, and silence behind."""
    for start in range(0, speech_ms + quiet_ms, CHUNK_MS):
        places = range(start * RATE // 1000, (start + CHUNK_MS) * RATE // 1000)
        voice = array("h", (_voice(place) if start < speech_ms else 0 for place in places))
        yield voice.tobytes()


def _voice(place: int) -> int:
    swell = 0.7 + 0.3 * math.sin(place / 2000)
    wave = math.sin(place / 25) + 0.5 * math.sin(place / 11)
    return int(8000 * swell * wave / 1.5)
