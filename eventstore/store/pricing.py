"""Money for usage, by genai-prices. A price that is not known is said to be unknown, never zero."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from eventstore.projection.usage import Tokens
from eventstore.times import to_datetime


def price_boundaries(models: list[str]) -> list[int]:
    """When prices of these models change, in microseconds since 1970 UTC, in order.

    Usage between two boundaries has one price, so that sums can be priced as one. Each is a
    midnight in UTC, so that a day has one price, too.
    """
    return sorted({at for model in models for at in _boundaries(model)})


@lru_cache(maxsize=1024)
def _boundaries(model: str) -> tuple[int, ...]:
    prices = getattr(_find(model), "prices", None)
    found = set()
    for conditional in prices if isinstance(prices, list) else []:
        start = getattr(getattr(conditional, "constraint", None), "start_date", None)
        if start is not None:
            moment = datetime(start.year, start.month, start.day, tzinfo=UTC)
            found.add(int(moment.timestamp()) * 1_000_000)
    return tuple(sorted(found))


def price_usd(model: str | None, tokens: Tokens, at: int) -> Decimal | None:
    """What the usage cost at that time, None where its price is not known.

    Args:
        tokens: summed usage of one model; realtime prices are linear.
        at: a moment of the usage, in microseconds since 1970 UTC.
    """
    if model is None or _find(model) is None:
        return None
    parts = _parts(tokens)
    rates = None if parts is None else _rates(model, _period(model, at))
    if parts is None or rates is None:
        usage = _usage(tokens)
        return _calculated(model, usage, at) if usage else _NOTHING
    # As `_calculated` finds it, in a hundredth of the time.
    total = _NOTHING
    for number, rate in zip(parts, rates, strict=True):
        if number:
            total += number * rate
    return total or None


def _calculated(model: str, usage: dict[str, Any], at: int) -> Decimal | None:
    from genai_prices import Usage, calc_price  # slow to import

    try:
        price = calc_price(Usage(**usage), model_ref=model, genai_request_timestamp=to_datetime(at))
    except (LookupError, ValueError):
        return None
    # A model that is billed in other units gives zero for these: that is no price.
    return price.total_price if price.total_price else None


def _parts(tokens: Tokens) -> tuple[int, ...] | None:
    """Tokens of each price, as `_UNITS` has them; None where they contradict each other.

    None where there are no tokens, too.
    """
    if not tokens.input_tokens and not tokens.output_tokens:
        return None
    cached_text = _cached(tokens) - tokens.cached_audio - tokens.cached_image
    parts = (
        tokens.input_tokens - tokens.input_audio - tokens.input_image - cached_text,
        tokens.input_audio - tokens.cached_audio,
        tokens.input_image - tokens.cached_image,
        cached_text,
        tokens.cached_audio,
        tokens.cached_image,
        tokens.output_tokens - tokens.output_audio,
        tokens.output_audio,
    )
    return parts if min(parts) >= 0 else None


def _cached(tokens: Tokens) -> int:
    return max(tokens.cached_tokens, tokens.cached_text + tokens.cached_audio + tokens.cached_image)


#: Usage of one token for each part.
_UNITS = (
    Tokens(input_tokens=1),
    Tokens(input_tokens=1, input_audio=1),
    Tokens(input_tokens=1, input_image=1),
    Tokens(input_tokens=1, cached_tokens=1, cached_text=1),
    Tokens(input_tokens=1, input_audio=1, cached_tokens=1, cached_audio=1),
    Tokens(input_tokens=1, input_image=1, cached_tokens=1, cached_image=1),
    Tokens(output_tokens=1),
    Tokens(output_tokens=1, output_audio=1),
)
_MANY = 10**6
_NOTHING = Decimal(0)


@lru_cache(maxsize=1024)
def _rates(model: str, at: int) -> tuple[Decimal, ...] | None:
    """The price of a token of each part, None where prices are not linear.

    Args:
        at: a moment of a period between two changes of the model's prices.
    """
    if not _is_by_date(model):
        return None
    one = [_calculated(model, _usage(unit), at) for unit in _UNITS]
    many = [_calculated(model, _usage(Tokens(*(n * _MANY for n in u))), at) for u in _UNITS]
    rates = tuple(rate for rate in one if rate is not None)
    if len(rates) < len(_UNITS) or many != [rate * _MANY for rate in rates]:
        return None
    return rates


def _period(model: str, at: int) -> int:
    """A moment that has the prices of `at`, the same for all that have them."""
    starts = _boundaries(model)
    place = bisect_right(starts, at)
    return starts[place - 1] if place else 0


def _is_by_date(model: str) -> bool:
    """Whether the model's prices change with the date alone."""
    prices = getattr(_find(model), "prices", None)
    conditional = prices if isinstance(prices, list) else []
    constraints = (getattr(one, "constraint", None) for one in conditional)
    return all(c is None or hasattr(c, "start_date") for c in constraints)


def _usage(tokens: Tokens) -> dict[str, Any]:
    if not tokens.input_tokens and not tokens.output_tokens:
        return {"audio_seconds": tokens.audio_ms / 1000} if tokens.audio_ms else {}
    # Zeros are said too: left out, they would count as unknown where modalities overlap.
    return {
        "input_tokens": tokens.input_tokens,
        "input_audio_tokens": tokens.input_audio,
        "input_image_tokens": tokens.input_image,
        "cache_read_tokens": _cached(tokens),
        "cache_audio_read_tokens": tokens.cached_audio,
        "cache_image_read_tokens": tokens.cached_image,
        "output_tokens": tokens.output_tokens,
        "output_audio_tokens": tokens.output_audio,
    }


@cache
def _find(model: str) -> Any:
    """The model as genai-prices knows it, None where it does not."""
    from genai_prices import data_snapshot

    try:
        return data_snapshot.get_snapshot().find_provider_model(model, None, None, None)[1]
    except LookupError:
        return None
