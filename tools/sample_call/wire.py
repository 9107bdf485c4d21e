"""Collects the frames of the sample call, each as text with its time and direction."""

import json
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tools.sample_call.script import STARTS_AT

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
OBFUSCATION_BLOCK = 16


@dataclass(frozen=True)
class Frame:
    """One message on the wire.

    Attributes:
        at: when it arrives, in seconds from the call's start.
        direction: `client` or `server`: who sent it.
        text: its exact text.
    """

    at: float
    direction: str
    text: str


@dataclass
class Wire:
    """Collects frames in any order; `envelopes` sorts them by time.

    Attributes:
        rng: the seeded source of ids and delays.
        frames: the frames so far.
    """

    rng: random.Random
    frames: list[Frame] = field(default_factory=list)

    def new_id(self, prefix: str, at: float, size: int = 21) -> str:
        """Return an id in OpenAI's style, with `Demo` and a character for the second in it.

        OpenAI's ids also contain their time.
        """
        tail = "".join(self.rng.choices(BASE62, k=size - 5))
        return f"{prefix}_Demo{BASE62[int(at) % 62]}{tail}"

    def obfuscation(self, delta: str) -> str:
        """Return random padding to a whole block, which hides a delta's length on the network."""
        return "".join(
            self.rng.choices(BASE62, k=OBFUSCATION_BLOCK - len(delta) % OBFUSCATION_BLOCK)
        )

    def jitter(self, most: float) -> float:
        """Return a random delay of at most so many seconds."""
        return self.rng.uniform(0, most)

    def server(self, at: float, kind: str, **fields: Any) -> None:
        """Add a server event, as compact JSON without escapes, as OpenAI's server writes it."""
        self.bare(at, kind, event_id=self.new_id("event", at), **fields)

    def bare(self, at: float, kind: str, **fields: Any) -> None:
        """Add a server event without an id, such as GPT-Live's sound."""
        event = {"type": kind, **fields}
        self.frames.append(
            Frame(at, "server", json.dumps(event, ensure_ascii=False, separators=(",", ":")))
        )

    def client(self, at: float, kind: str, **fields: Any) -> None:
        """Add a client event, written as the openai package writes it."""
        self.frames.append(Frame(at, "client", json.dumps({"type": kind, **fields})))

    def envelopes(self) -> list[str]:
        """Return the recorded lines by time, and in order of creation at the same time."""
        return [_envelope(frame) for frame in sorted(self.frames, key=lambda frame: frame.at)]


def _envelope(frame: Frame) -> str:
    moment = STARTS_AT + timedelta(seconds=frame.at)
    at = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(
        {"at": at, "direction": frame.direction, "frame": frame.text}, ensure_ascii=False
    )
