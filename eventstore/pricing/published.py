"""Look up a model's rates in the package `genai-prices`.

Called by prices.py. A model has rates here only if its cost follows from the sums of its usage. So
a model whose price depends on the time of day, or on the number of requests, has no rates.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from eventstore.pricing.rates import ModelRates
from eventstore.projection.views.usage import LARGE_INPUT
from eventstore.times import to_datetime

_MTOK = 1_000_000
_HOUR = 3600
_DURATIONS = ("audio_hours", "input_audio_hours", "output_audio_hours")
#: Prices of kinds of output that usage counts as text. A model with one has no rate of text output.
_WITHIN_OUTPUT = ("output_reasoning_mtok", "output_citation_mtok")


def boundaries(model: str) -> tuple[int, ...]:
    """Return the times at which a model's prices change, in microseconds since 1970 UTC, in order.

    Each is a midnight in UTC, so that a day has one price.
    """
    return _starts(model)


def rates_at(model: str, at: int) -> ModelRates | None:
    """Return a model's rates at a time, or None if they are unknown.

    Args:
        model: The model's name.
        at: The time in microseconds since 1970 UTC.
    """
    starts = _starts(model)
    place = bisect_right(starts, at)
    return _rates(model, starts[place - 1] if place else 0)


@lru_cache(maxsize=1024)
def _starts(model: str) -> tuple[int, ...]:
    found = set()
    for constraint in _constraints(_find(model)):
        start = getattr(constraint, "start_date", None)
        if start is not None:
            moment = datetime(start.year, start.month, start.day, tzinfo=UTC)
            found.add(int(moment.timestamp()) * 1_000_000)
    return tuple(sorted(found))


@lru_cache(maxsize=1024)
def _rates(model: str, at: int) -> ModelRates | None:
    """Return a model's rates from a time at which its prices change, or None if unknown."""
    known = _find(model)
    moment = to_datetime(at)
    if known is None or not _is_by_date(known, moment):
        return None
    price = known[1].get_prices(moment)
    if price.requests_kcount is not None:
        return None
    hour = None
    if any(getattr(price, name) is not None for name in _DURATIONS):
        hour = _hour(known, moment)
        if hour is None:
            return None
    found = _by_token(price)._replace(hour=hour)
    return None if found.is_empty() else found


def _by_token(price: Any) -> ModelRates:
    """Return the rates of tokens of a price. The price of one kind is never used for another."""

    def rate(*names: str) -> Decimal | None:
        for name in names:
            value = getattr(price, name)
            if value is not None:
                # genai-prices writes zero for a price that is not published.
                return getattr(value, "base", value) / _MTOK or None
        return None

    tier = min(
        (t.start for v in vars(price).values() for t in getattr(v, "tiers", ())), default=None
    )
    if tier is not None and tier < LARGE_INPUT:
        return ModelRates()
    open_output = any(getattr(price, name) is not None for name in _WITHIN_OUTPUT)
    return ModelRates(
        input_text=rate("input_text_mtok", "input_mtok"),
        input_audio=rate("input_audio_mtok"),
        input_image=rate("input_image_mtok"),
        cached_text=rate("cache_text_read_mtok", "cache_read_mtok"),
        cached_audio=rate("cache_audio_read_mtok"),
        cached_image=rate("cache_image_read_mtok"),
        output_text=None if open_output else rate("output_text_mtok", "output_mtok"),
        output_audio=rate("output_audio_mtok"),
        tier=tier,
    )


def _hour(known: tuple[Any, Any], moment: datetime) -> Decimal | None:
    """Return the price of an hour, or None if the price is not proportional to the time."""
    from genai_prices import Usage  # slow to import

    provider, model = known

    def price(seconds: int) -> Decimal:
        usage = Usage(audio_seconds=seconds, input_audio_seconds=seconds)
        found = model.calc_price(usage, provider, genai_request_timestamp=moment)
        total: Decimal = found.total_price
        return total

    try:
        hour = price(_HOUR)
        is_linear = abs(price(1) * _HOUR - hour) < Decimal("1e-9")
    except ValueError:
        return None
    return hour if hour and is_linear else None


def _constraints(known: tuple[Any, Any] | None) -> list[Any]:
    prices = known[1].prices if known is not None else None
    return [entry.constraint for entry in prices] if isinstance(prices, list) else []


def _is_by_date(known: tuple[Any, Any], moment: datetime) -> bool:
    """Return True if a model's prices depend on the date alone, and one holds at a time."""
    constraints = _constraints(known)
    if not all(c is None or hasattr(c, "start_date") for c in constraints):
        return False
    return not constraints or any(c is None or c.active(moment) for c in constraints)


@lru_cache(maxsize=1024)
def _find(model: str) -> tuple[Any, Any] | None:
    """Return the provider and the model in genai-prices, or None if it does not have the model."""
    from genai_prices import data_snapshot  # slow to import

    try:
        return data_snapshot.get_snapshot().find_provider_model(model, None, None, None)
    except LookupError:
        return None
