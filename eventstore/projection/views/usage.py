"""Read usage objects of any server: tokens by modality, cached tokens, or seconds of audio.

Called for rows of usage and for resources; prices are computed from the result (pricing/rates.py).
Servers report usage in several shapes, and some report it incompletely. Missing numbers are not
guessed: the flags of `Reported` say how far the numbers can be trusted.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Any, NamedTuple

from eventstore.realtime.values import integer, mapping, number

# Far more than any bill has, and small enough that a million of them sum up within a BIGINT.
_MAX_TOKENS = 10**12
# Longer than any call, and small enough to sum up.
_MAX_SECONDS = 10**9
_INVALID = -1
_KINDS = ("text_tokens", "audio_tokens", "image_tokens")

#: A response with more input tokens is `LARGE`, or `HUGE`: some models have other prices then.
LARGE_INPUT, HUGE_INPUT = 32_000, 100_000


class Reported(IntFlag):
    """Flags that say how a usage object can be priced. They are in the column `usage.reported`.

    Without any flag, the usage has no price.

    Attributes:
        TOKENS: The usage has the numbers of input and output tokens.
        OPEN: The kind (text, audio or image) of some tokens is not told.
        UNSOUND: The numbers contradict each other, or some are no numbers.
        SECONDS: The usage has a length in seconds.
        LARGE, HUGE: The usage has so many input tokens that models with tiers have another price.
        AUDIO, IMAGE: The usage has tokens of that kind, for which not every model has a price.
            Sums of usage are kept apart by these flags, so that usage without such tokens keeps a
            known price.
    """

    TOKENS = 1
    OPEN = 2
    UNSOUND = 4
    SECONDS = 8
    LARGE = 16
    HUGE = 32
    AUDIO = 64
    IMAGE = 128


NOT_REPORTED = Reported(0)
# Plain numbers, because combining members of an enum takes a microsecond each.
_TOKENS, _OPEN, _UNSOUND, _SECONDS, _LARGE, _HUGE, _AUDIO, _IMAGE = map(int, Reported)


class Tokens(NamedTuple):
    """The numbers of one usage object. Cached tokens are a part of the input tokens."""

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


class OpenTokens(NamedTuple):
    """Numbers of tokens whose kind (text, audio or image) is not told."""

    inputs: int
    cached: int
    outputs: int


class Usage(NamedTuple):
    """The numbers of a usage object, and flags that say how far they can be trusted."""

    tokens: Tokens
    reported: Reported


def billed_tokens(usage: dict[str, Any] | None, writes_text: bool = False) -> Tokens:
    """Return the numbers of a usage object, as `read_usage` does, without its flags."""
    return read_usage(usage, writes_text).tokens


def billed_sums(usage: dict[str, Any] | None) -> tuple[int, int, int]:
    """Return the input, the output and all tokens of a usage object, as `read_usage` does."""
    if not usage:
        return 0, 0, 0
    input_ = max(_number(usage, "input_tokens") or 0, 0)
    output = max(_number(usage, "output_tokens") or 0, 0)
    total = _number(usage, "total_tokens")
    return input_, output, max(total, 0) if total else input_ + output


def read_usage(usage: dict[str, Any] | None, writes_text: bool = False) -> Usage:
    """Read a usage object of a response, a transcription or a session, in any server's shape.

    Args:
        usage: The object that the server sent, or None.
        writes_text: True for a transcription, whose output can only be text.
    """
    if not usage:
        return Usage(Tokens(), NOT_REPORTED)
    usage = _in_shape_of_realtime(usage)
    input_, output = _number(usage, "input_tokens"), _number(usage, "output_tokens")
    total = _number(usage, "total_tokens")
    inputs, cached = _inputs(mapping(usage.get("input_token_details")), input_ or 0)
    if writes_text and not usage.get("output_token_details"):
        outputs = [output or 0, 0]
    else:
        outputs = _outputs(mapping(usage.get("output_token_details")), output or 0)
    told = [input_, output, total, *inputs, *cached, *outputs]
    audio_ms = _audio_ms(usage)
    numbers = [number if number is not None and number > 0 else 0 for number in (*told, audio_ms)]
    if not total:
        numbers[2] = numbers[0] + numbers[1]
    tokens = Tokens._make(numbers)
    has_tokens = input_ is not None and input_ >= 0 and output is not None and output >= 0
    return Usage(tokens, _reported(tokens, has_tokens, _INVALID not in told, audio_ms is not None))


def open_tokens(tokens: Tokens) -> OpenTokens:
    """Return the tokens whose kind is not told. Numbers are negative if kinds exceed their sum."""
    return OpenTokens(
        tokens.input_tokens - tokens.input_text - tokens.input_audio - tokens.input_image,
        tokens.cached_tokens - tokens.cached_text - tokens.cached_audio - tokens.cached_image,
        tokens.output_tokens - tokens.output_text - tokens.output_audio,
    )


def _reported(tokens: Tokens, has_tokens: bool, is_valid: bool, has_length: bool) -> Reported:
    reported = _SECONDS if has_length else 0
    if not has_tokens:
        return Reported(reported)
    reported |= _TOKENS
    if not is_valid or not _is_sound(tokens):
        return Reported(reported | _UNSOUND)
    if any(open_tokens(tokens)):
        reported |= _OPEN
    if tokens.input_audio or tokens.output_audio:
        reported |= _AUDIO
    if tokens.input_image:
        reported |= _IMAGE
    if tokens.input_tokens > LARGE_INPUT:
        reported |= _HUGE if tokens.input_tokens > HUGE_INPUT else _LARGE
    return Reported(reported)


def _is_sound(tokens: Tokens) -> bool:
    """Return True if no number contradicts another one, such as a part that exceeds its sum."""
    return (
        min(open_tokens(tokens)) >= 0
        and tokens.total_tokens == tokens.input_tokens + tokens.output_tokens
        and tokens.cached_tokens <= tokens.input_tokens
        and tokens.cached_text <= tokens.input_text
        and tokens.cached_audio <= tokens.input_audio
        and tokens.cached_image <= tokens.input_image
    )


def _inputs(details: dict[str, Any], total: int) -> tuple[list[int], list[int]]:
    """Return the input tokens by kind, and the cached tokens: first all, then by kind."""
    kinds = [_number(details, name) or 0 for name in _KINDS]
    cached = _number(details, "cached_tokens")
    split = mapping(details.get("cached_tokens_details"))
    by_kind = [_number(split, name) or 0 for name in _KINDS] if split else [0, 0, 0]
    if cached is None:
        cached = _INVALID if _INVALID in by_kind else sum(by_kind)
    elif not split and total in kinds and cached <= total:
        # Older servers do not tell the kinds. If all input is of one kind, the cached part is, too.
        by_kind[kinds.index(total)] = max(cached, 0)
    return kinds, [cached, *by_kind]


def _outputs(details: dict[str, Any], total: int) -> list[int]:
    """Return the numbers of output tokens that are text, and that are audio."""
    text, audio = _number(details, "text_tokens") or 0, _number(details, "audio_tokens") or 0
    reasoning = _number(details, "reasoning_tokens") or 0
    # Reasoning is billed as text. Some servers count it within the text tokens, others beside them.
    if min(text, audio, reasoning) >= 0 and text + audio + reasoning == total:
        text += reasoning
    return [text, audio]


def _in_shape_of_realtime(usage: dict[str, Any]) -> dict[str, Any]:
    """Return a usage object in the shape of Realtime.

    The Responses API and the Decision API write `…_tokens_details` for `…_token_details`. They tell
    no kinds: all of their tokens are text, or are billed as text.
    """
    if "input_tokens_details" not in usage or "input_token_details" in usage:
        return usage
    read = mapping(usage["input_tokens_details"]).get("cached_tokens")
    inputs: dict[str, Any] = {"text_tokens": usage.get("input_tokens"), "cached_tokens": read}
    outputs = {"text_tokens": usage.get("output_tokens")}
    return {**usage, "input_token_details": inputs, "output_token_details": outputs}


def _number(of: dict[str, Any], name: str) -> int | None:
    """Return a number of tokens, None if it is missing, or `_INVALID` if it is no such number."""
    value = of.get(name)
    if value is None:
        return None
    found = value if type(value) is int else integer(value)
    return found if found is not None and 0 <= found <= _MAX_TOKENS else _INVALID


def _audio_ms(usage: dict[str, Any]) -> int | None:
    """Return the billed length in milliseconds, or None if the usage has none."""
    for name in ("seconds", "billable_audio_seconds"):
        seconds = number(usage.get(name))
        if seconds is not None and 0 <= seconds < _MAX_SECONDS:
            return round(seconds * 1000)
    return None
