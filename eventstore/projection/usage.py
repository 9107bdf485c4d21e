"""What is billed: tokens by modality, cached ones apart, or seconds of audio."""

from __future__ import annotations

from typing import Any, NamedTuple

from eventstore.realtime import values
from eventstore.realtime.values import mapping, number

# Beyond anything billed, and small enough that a million of them sum up within a BIGINT.
_MAX_TOKENS = 10**12


def count(value: Any) -> int:
    """A number of tokens, from 0 to what can be summed."""
    if type(value) is int and 0 <= value <= _MAX_TOKENS:  # nearly always
        return value
    return min(values.count(value), _MAX_TOKENS)


class Tokens(NamedTuple):
    """One billed thing. Cached tokens are part of the input tokens."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_text: int = 0
    input_audio: int = 0
    input_image: int = 0
    cached_tokens: int = 0
    cached_text: int = 0
    cached_audio: int = 0
    cached_image: int = 0
    output_text: int = 0
    output_audio: int = 0
    audio_ms: int = 0


def tokens_of(usage: dict[str, Any] | None) -> Tokens:
    """Read a usage object of a response or a transcription, in any server's shape."""
    if not usage:
        return Tokens()
    inputs = mapping(usage.get("input_token_details"))
    outputs = mapping(usage.get("output_token_details"))
    input_tokens = count(usage.get("input_tokens"))
    output_tokens = count(usage.get("output_tokens"))
    text, audio = count(inputs.get("text_tokens")), count(inputs.get("audio_tokens"))
    image = count(inputs.get("image_tokens"))
    cached = count(inputs.get("cached_tokens"))
    details = mapping(inputs.get("cached_tokens_details"))
    if details:
        cached_text, cached_audio = (
            count(details.get("text_tokens")),
            count(details.get("audio_tokens")),
        )
        cached_image = count(details.get("image_tokens"))
        cached = cached or cached_text + cached_audio + cached_image
    else:
        # Older servers do not split them: text is cached first, since instructions lead.
        cached_text = min(cached, text)
        cached_audio, cached_image = min(cached - cached_text, audio), 0
    output_text, output_audio = (
        count(outputs.get("text_tokens")),
        count(outputs.get("audio_tokens")),
    )
    if not outputs and output_tokens:
        output_text = output_tokens
    if not inputs and input_tokens:
        text = input_tokens
    return Tokens(
        input_tokens,
        output_tokens,
        count(usage.get("total_tokens")) or input_tokens + output_tokens,
        text,
        audio,
        image,
        cached,
        cached_text,
        cached_audio,
        cached_image,
        output_text,
        output_audio,
        _audio_ms(usage),
    )


def _audio_ms(usage: dict[str, Any]) -> int:
    seconds = number(usage.get("seconds"))
    return round(seconds * 1000) if seconds is not None and 0 < seconds < 10**9 else 0
