"""The connection of the sample call: frames as text, each with the moment it passes."""

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
    """One message: when it passes (seconds from the start), which way, and its text."""

    at: float
    direction: str
    text: str


@dataclass
class Wire:
    """Collects frames in any order; `envelopes` puts them in order of time."""

    rng: random.Random
    frames: list[Frame] = field(default_factory=list)

    def new_id(self, prefix: str, at: float, size: int = 21) -> str:
        """An id in OpenAI's style; like theirs it carries its second, here after a fixed `Demo`."""
        tail = "".join(self.rng.choices(BASE62, k=size - 5))
        return f"{prefix}_Demo{BASE62[int(at) % 62]}{tail}"

    def obfuscation(self, delta: str) -> str:
        """Random padding up to a whole block, which hides a delta's length from an eavesdropper."""
        return "".join(
            self.rng.choices(BASE62, k=OBFUSCATION_BLOCK - len(delta) % OBFUSCATION_BLOCK)
        )

    def jitter(self, most: float) -> float:
        """Some seconds of network, at most so many."""
        return self.rng.uniform(0, most)

    def server(self, at: float, kind: str, **fields: Any) -> None:
        """A server event; the server writes compact JSON in plain UTF-8."""
        event = {"type": kind, "event_id": self.new_id("event", at), **fields}
        self.frames.append(
            Frame(at, "server", json.dumps(event, ensure_ascii=False, separators=(",", ":")))
        )

    def client(self, at: float, kind: str, **fields: Any) -> None:
        """A client event, written as the openai package writes it."""
        self.frames.append(Frame(at, "client", json.dumps({"type": kind, **fields})))

    def envelopes(self) -> list[str]:
        """The recorded lines in order of time; of the same moment, in order of creation."""
        return [_envelope(frame) for frame in sorted(self.frames, key=lambda frame: frame.at)]


def _envelope(frame: Frame) -> str:
    moment = STARTS_AT + timedelta(seconds=frame.at)
    at = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(
        {"at": at, "direction": frame.direction, "frame": frame.text}, ensure_ascii=False
    )
