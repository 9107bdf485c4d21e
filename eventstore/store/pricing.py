"""Money for usage, by genai-prices. A price that is not known is said to be unknown, never zero."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from eventstore.projection.usage import Tokens


def price_boundaries(models: list[str]) -> list[int]:
    """When prices of these models change, in microseconds since 1970 UTC, in order.

    Usage between two boundaries has one price, so that sums can be priced as one.
    """
    found: set[int] = set()
    for model in models:
        known = _find(model)
        prices = getattr(known, "prices", None)
        for conditional in prices if isinstance(prices, list) else []:
            start = getattr(getattr(conditional, "constraint", None), "start_date", None)
            if start is not None:
                moment = datetime(start.year, start.month, start.day, tzinfo=UTC)
                found.add(int(moment.timestamp()) * 1_000_000)
    return sorted(found)


def price_usd(model: str | None, tokens: Tokens, at: int) -> Decimal | None:
    """What the usage cost at that time, None where its price is not known.

    Args:
        tokens: summed usage of one model; realtime prices are linear.
        at: a moment of the usage, in microseconds since 1970 UTC.
    """
    if model is None or _find(model) is None:
        return None
    from genai_prices import Usage, calc_price  # slow to import

    usage = _usage(tokens)
    if not usage:
        return Decimal(0)
    moment = datetime.fromtimestamp(at / 1_000_000, tz=UTC)
    try:
        price = calc_price(Usage(**usage), model_ref=model, genai_request_timestamp=moment)
    except (LookupError, ValueError):
        return None
    # A model that is billed in other units gives zero for these: that is no price.
    return price.total_price if price.total_price else None


def _usage(tokens: Tokens) -> dict[str, Any]:
    if not tokens.input_tokens and not tokens.output_tokens:
        return {"audio_seconds": tokens.audio_ms / 1000} if tokens.audio_ms else {}
    cached = tokens.cached_text + tokens.cached_audio + tokens.cached_image
    # Zeros are said too: left out, they would count as unknown where modalities overlap.
    return {
        "input_tokens": tokens.input_tokens,
        "input_audio_tokens": tokens.input_audio,
        "input_image_tokens": tokens.input_image,
        "cache_read_tokens": max(tokens.cached_tokens, cached),
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
