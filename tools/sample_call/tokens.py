"""Estimates the token counts of the sample call, with sums that add up as the server's do."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

# Milliseconds of sound for one token: ten tokens a second for sound that the model hears, twenty
# for sound that it speaks.
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
        """The sum of both."""
        return self.text + self.audio

    def details(self) -> dict[str, Any]:
        """Return the counts in the shape of the server's `input_token_details`."""
        return {"text_tokens": self.text, "audio_tokens": self.audio, "image_tokens": 0}


@dataclass(frozen=True)
class Reading:
    """The tokens that a response reads: all of its input, and the cached part of it."""

    input: Count
    cached: Count


def pieces(text: str) -> list[str]:
    """Split a text as a model streams it: words with the space before them, three digits, marks."""
    return re.findall(r" ?[^\W\d_]+(?:'[a-z]+)?|\d{1,3}|[^\w\s]+|\s|_", text)


def heard(ms: float) -> int:
    """Return the audio tokens of a customer's turn of so many milliseconds."""
    return math.ceil(ms / HEARD_MS)


def spoken(ms: float) -> int:
    """Return the audio tokens of an assistant's speech of so many milliseconds."""
    return math.ceil(ms / SPOKEN_MS)


@dataclass
class Ledger:
    """The tokens of a conversation's items, which the next response reads.

    Attributes:
        base: the tokens of the session's prompt.
        items: the tokens of each item, by its id.
        read: the tokens that the last response read.
        used: the tokens that count against the rate limit.
        used_at: when `used` was computed, in seconds from the call's start.
    """

    base: int
    items: dict[str, Count] = field(default_factory=dict)
    read: Count = field(default_factory=Count)
    used: float = 0.0
    used_at: float = 0.0

    def put(self, item_id: str, *, text: int = 0, audio: int = 0) -> None:
        """Set an item's tokens. A truncated item is set again, with fewer tokens."""
        self.items[item_id] = Count(text + ITEM_OVERHEAD, audio)

    def next_reading(self) -> Reading:
        """Return the input of the next response, of which the last response's input is cached."""
        whole = self._sum(self.base)
        cached = Count(_blocks(self.read.text), _blocks(self.read.audio))
        self.read = whole
        return Reading(whole, cached)

    def aside_reading(self, base: int) -> Reading:
        """Return the input of a response with its own prompt, so that no prefix is cached."""
        return Reading(self._sum(base), Count())

    def remaining(self, at: float, spent: int) -> tuple[int, float]:
        """Return the tokens left under the rate limit, and the seconds until all are back.

        Args:
            at: when the response is done, in seconds from the call's start.
            spent: the response's tokens.
        """
        refill = (at - self.used_at) * RATE_LIMIT / 60
        self.used, self.used_at = max(0.0, self.used - refill) + spent, at
        return RATE_LIMIT - round(self.used), round(self.used * 60 / RATE_LIMIT, 3)

    def _sum(self, base: int) -> Count:
        counts = self.items.values()
        return Count(base + sum(c.text for c in counts), sum(c.audio for c in counts))


def _blocks(tokens: int) -> int:
    """Round tokens down to whole blocks, because the server caches only such."""
    return tokens // CACHE_BLOCK * CACHE_BLOCK


def usage(reading: Reading, output: Count) -> dict[str, Any]:
    """Return a response's usage object."""
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
    """Return the usage object of a transcription, which is billed apart from the responses."""
    audio, output = heard(ms), len(pieces(text)) + 2
    return {
        "type": "tokens",
        "total_tokens": audio + output,
        "input_tokens": audio,
        "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
        "output_tokens": output,
    }
