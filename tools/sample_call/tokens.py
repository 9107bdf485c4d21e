"""Token counts of the sample call: estimates that add up as the server's own do."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

# How fast sound is billed: ten tokens a second when heard by the model, twenty when spoken by it.
HEARD_MS = 100
SPOKEN_MS = 50
ITEM_OVERHEAD = 5
SPEECH_OVERHEAD = 10
CALL_OVERHEAD = 9
TEXT_OVERHEAD = 2
CACHE_BLOCK = 64
RATE_LIMIT = 40_000


@dataclass(frozen=True)
class Count:
    """Tokens of text and of audio."""

    text: int = 0
    audio: int = 0

    @property
    def total(self) -> int:
        """Both together."""
        return self.text + self.audio

    def details(self) -> dict[str, Any]:
        """As the server lists them on the input side."""
        return {"text_tokens": self.text, "audio_tokens": self.audio, "image_tokens": 0}


@dataclass(frozen=True)
class Reading:
    """What a response reads: all of its input, and the part of it that was cached."""

    input: Count
    cached: Count


def pieces(text: str) -> list[str]:
    """Split a text the way a model streams it: words with their space, digits by threes, marks."""
    return re.findall(r" ?[^\W\d_]+(?:'[a-z]+)?|\d{1,3}|[^\w\s]+|\s|_", text)


def heard(ms: float) -> int:
    """Audio tokens of a customer's turn."""
    return math.ceil(ms / HEARD_MS)


def spoken(ms: float) -> int:
    """Audio tokens of an assistant's speech."""
    return math.ceil(ms / SPOKEN_MS)


@dataclass
class Ledger:
    """The conversation's tokens, item by item: what each next response will read."""

    base: int
    items: dict[str, Count] = field(default_factory=dict)
    read: Count = field(default_factory=Count)
    used: float = 0.0
    used_at: float = 0.0

    def put(self, item_id: str, *, text: int = 0, audio: int = 0) -> None:
        """Set an item's tokens; a truncated item is put again, with fewer."""
        self.items[item_id] = Count(text + ITEM_OVERHEAD, audio)

    def next_reading(self) -> Reading:
        """The input of a response to the conversation; what the last one read is cached."""
        whole = self._sum(self.base)
        cached = Count(_blocks(self.read.text), _blocks(self.read.audio))
        self.read = whole
        return Reading(whole, cached)

    def aside_reading(self, base: int) -> Reading:
        """The input of a response with a prompt of its own, which leaves the cache no prefix."""
        return Reading(self._sum(base), Count())

    def remaining(self, at: float, spent: int) -> tuple[int, float]:
        """Tokens left under the rate limit after a response, and the seconds until all are back."""
        refill = (at - self.used_at) * RATE_LIMIT / 60
        self.used, self.used_at = max(0.0, self.used - refill) + spent, at
        return RATE_LIMIT - round(self.used), round(self.used * 60 / RATE_LIMIT, 3)

    def _sum(self, base: int) -> Count:
        counts = self.items.values()
        return Count(base + sum(c.text for c in counts), sum(c.audio for c in counts))


def _blocks(tokens: int) -> int:
    """Whole cache blocks only."""
    return tokens // CACHE_BLOCK * CACHE_BLOCK


def usage(reading: Reading, output: Count) -> dict[str, Any]:
    """A response's usage object."""
    cached = {
        "cached_tokens": reading.cached.total,
        "cached_tokens_details": reading.cached.details(),
    }
    return {
        "total_tokens": reading.input.total + output.total,
        "input_tokens": reading.input.total,
        "output_tokens": output.total,
        "input_token_details": reading.input.details() | cached,
        "output_token_details": {"text_tokens": output.text, "audio_tokens": output.audio},
    }


def transcription_usage(ms: float, text: str) -> dict[str, Any]:
    """The transcriber's own usage object, billed apart from the responses."""
    audio, output = heard(ms), len(pieces(text)) + 2
    return {
        "type": "tokens",
        "total_tokens": audio + output,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": output,
    }
