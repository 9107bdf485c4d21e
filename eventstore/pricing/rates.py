"""Compute what usage costs by a model's rates.

Called by prices.py, which looks up the rates. A cost is either known or unknown: nothing is
guessed. If the kinds of some tokens are not told, the result is the least and the most that the
usage can have cost.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from eventstore.projection.views.usage import HUGE_INPUT, LARGE_INPUT, Reported, Tokens, open_tokens

#: The least and the most that usage costs, in US dollars. They are equal if the cost is known.
CostRange = tuple[Decimal, Decimal]

_ZERO = Decimal(0)
_FREE: CostRange = (_ZERO, _ZERO)
_MS_PER_HOUR = 3_600_000


class ModelRates(NamedTuple):
    """The prices of a model in US dollars; None if a price is unknown.

    Attributes:
        input_text, …, output_audio: The price of one token of that kind.
        hour: The price of an hour of audio or of a session, for models billed by time.
        tier: The rates do not hold for responses with more input tokens; None for no limit.
    """

    input_text: Decimal | None = None
    input_audio: Decimal | None = None
    input_image: Decimal | None = None
    cached_text: Decimal | None = None
    cached_audio: Decimal | None = None
    cached_image: Decimal | None = None
    output_text: Decimal | None = None
    output_audio: Decimal | None = None
    hour: Decimal | None = None
    tier: int | None = None

    def by_token(self) -> tuple[Decimal | None, ...]:
        """Return the prices of the eight kinds of tokens."""
        return self[:8]

    def is_empty(self) -> bool:
        """Return True if no price is known."""
        return self.hour is None and not any(rate is not None for rate in self.by_token())


class Cost(NamedTuple):
    """What usage costs, in US dollars.

    Attributes:
        usd: The cost, or None if it is unknown.
        between: The least and the most that the usage can cost, if only these are known.
    """

    usd: Decimal | None
    between: CostRange | None = None


UNKNOWN_COST = Cost(None)


def cost_of_usage(rates: ModelRates | None, tokens: Tokens, reported: int) -> Cost:
    """Return what usage costs.

    Args:
        rates: The rates of the model at the time of the usage, or None if they are unknown.
        tokens: The numbers of one usage object, or their sum over several with the same flags.
        reported: The flags of `Reported` that all of these objects have.
    """
    if rates is None or rates.is_empty() or not reported:
        return UNKNOWN_COST
    timed = _by_time(rates, tokens, reported)
    counted = _by_tokens(rates, tokens, reported)
    if timed is None or counted is None:
        return UNKNOWN_COST
    least, most = timed[0] + counted[0], timed[1] + counted[1]
    return Cost(least) if least == most else Cost(None, (least, most))


def _by_time(rates: ModelRates, tokens: Tokens, reported: int) -> CostRange | None:
    if rates.hour is None:
        return _FREE
    if not reported & Reported.SECONDS:
        return None
    usd = rates.hour * tokens.audio_ms / _MS_PER_HOUR
    return usd, usd


def _by_tokens(rates: ModelRates, tokens: Tokens, reported: int) -> CostRange | None:
    if not any(rate is not None for rate in rates.by_token()):
        return _FREE
    if not reported & Reported.TOKENS or reported & Reported.UNSOUND:
        return None
    if rates.tier is not None and _largest_input(reported) > rates.tier:
        return None
    told = _told_apart(rates, tokens)
    rest = _not_told_apart(rates, tokens)
    if told is None or rest is None:
        return None
    return max(told + rest[0], _ZERO), told + rest[1]


def _largest_input(reported: int) -> float:
    """Return an upper limit of the input tokens of responses that have these flags."""
    if reported & Reported.HUGE:
        return float("inf")
    return HUGE_INPUT if reported & Reported.LARGE else LARGE_INPUT


def _told_apart(rates: ModelRates, tokens: Tokens) -> Decimal | None:
    """Return the cost of the tokens whose kind is told, or None if one of them has no price."""
    numbers = (
        tokens.input_text - tokens.cached_text,
        tokens.input_audio - tokens.cached_audio,
        tokens.input_image - tokens.cached_image,
        tokens.cached_text,
        tokens.cached_audio,
        tokens.cached_image,
        tokens.output_text,
        tokens.output_audio,
    )
    if min(numbers) < 0:
        return None
    usd = _ZERO
    for number, rate in zip(numbers, rates.by_token(), strict=True):
        if number:
            if rate is None:
                return None
            usd += number * rate
    return usd


def _not_told_apart(rates: ModelRates, tokens: Tokens) -> CostRange | None:
    """Return the least and the most cost of tokens whose kind is not told, or None if unknown.

    A cached token is already counted as an input token. It adds the difference of both prices.
    """
    rest = open_tokens(tokens)
    if not any(rest):
        return _FREE
    inputs = [rates.input_text, rates.input_audio]
    cached = [rates.cached_text, rates.cached_audio]
    if rates.input_image is not None:  # a model without a price of images takes no images
        inputs.append(rates.input_image)
        cached.append(rates.cached_image)
    saved = [
        None if of_cached is None or of_input is None else of_cached - of_input
        for of_cached, of_input in zip(cached, inputs, strict=True)
    ]
    least = most = _ZERO
    kinds = (inputs, saved, [rates.output_text, rates.output_audio])
    for number, candidates in zip(rest, kinds, strict=True):
        known = [rate for rate in candidates if rate is not None]
        if number < 0 or (number and len(known) < len(candidates)):
            return None
        if number:
            least, most = least + number * min(known), most + number * max(known)
    return least, most
