"""Where a model's rates come from: a user's file of prices, our corrections, then genai-prices.

The rates are looked up when money is asked for, so that a file that changed changes every answer,
also about days that were summed up before: sums hold tokens, and no money. What reads a file of
prices is imported then, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache, cached_property, lru_cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from eventstore.pricing import published
from eventstore.pricing.rates import UNKNOWN_COST, Cost, ModelRates, cost_of_usage
from eventstore.projection.views.usage import Tokens

if TYPE_CHECKING:
    from eventstore.pricing.price_file import PriceFile, PriceRule

#: Where published prices come from.
_PACKAGE = "genai-prices"


class Prices:
    """What models cost. Safe to share between threads.

    Args:
        own: a user's prices and deployments, which go before all others.
    """

    def __init__(self, own: PriceFile | None = None) -> None:
        self._rules = (*(own.price if own else ()), *_corrections().price)
        deployments = own.deployments if own else {}
        self._models = {name.lower(): model for name, model in deployments.items()}
        self._own = own
        # Names come from outside: only so many of them are kept.
        self._rules_of = lru_cache(maxsize=1024)(self._find_rules)

    def boundaries(self, models: Iterable[str]) -> list[int]:
        """Return when prices of these models change, in microseconds since 1970 UTC, in order.

        Usage between two boundaries has one price, so that sums can be priced as one. Each is a
        midnight in UTC, so that a day has one price, too.
        """
        found: set[int] = set()
        for model in models:
            found.update(published.boundaries(self._real(model)))
            for rule in self._rules_of(model):
                found.update(rule.boundaries())
        return sorted(found)

    def cost(self, model: str | None, tokens: Tokens, reported: int, at: int) -> Cost:
        """Return what usage cost.

        Args:
            model: as it was recorded: a model's name, or a deployment's.
            tokens: of one billed thing, or of several of one model within one period of prices.
            reported: the flags of `Reported` that each of them has.
            at: a moment of the usage, in microseconds since 1970 UTC.
        """
        return (
            UNKNOWN_COST
            if model is None
            else cost_of_usage(self.rates(model, at), tokens, reported)
        )

    @cached_property
    def fingerprint(self) -> str:
        """A name of these prices: two lists that price alike have the same one.

        It changes with a user's file, with our corrections and with the version of `genai-prices`.
        """
        own = self._own.model_dump_json() if self._own else ""
        told = (own, _corrections().model_dump_json(), version(_PACKAGE))
        return sha256("\n".join(told).encode()).hexdigest()[:32]

    def rates(self, model: str, at: int) -> ModelRates | None:
        """Return the rates of a model or deployment at a time, None where they are not known."""
        for rule in self._rules_of(model):
            if rule.holds_at(at):
                return rule.rates()
        return published.rates_at(self._real(model), at)

    def _real(self, model: str) -> str:
        return self._models.get(model.lower(), model)

    def _find_rules(self, model: str) -> tuple[PriceRule, ...]:
        """Return the rules for a name: those for a deployment go before those for its model."""
        names = dict.fromkeys((model, self._real(model)))
        return tuple(rule for name in names for rule in self._rules if rule.is_for(name))


def prices_from(path: str | Path | None) -> Callable[[], Prices]:
    """Return a function that returns what usage is priced by.

    Args:
        path: a file of prices, which go before all others, and which is read now; None for the one
            that EVENTSTORE_PRICES names, if any. That one is read by the function, so that
            whoever asks for no money, such as a recorder, does not depend on it.

    Raises:
        InvalidInputError: it cannot be read, or is no list of prices; names the file and the key.
            For the file of EVENTSTORE_PRICES the function raises it.
    """
    if path is not None:
        prices = _read(path)
        return lambda: prices
    named = os.environ.get("EVENTSTORE_PRICES")
    return cache(lambda: _read(named)) if named else published_prices


@cache
def published_prices() -> Prices:
    """Return the prices without any of a user's own."""
    return Prices()


def _read(path: str | Path) -> Prices:
    from eventstore.pricing.price_file import read_prices

    return Prices(read_prices(Path(path)))


@cache
def _corrections() -> PriceFile:
    from eventstore.pricing.price_file import parse_prices

    text = files("eventstore.pricing").joinpath("corrections.toml").read_text(encoding="utf-8")
    return parse_prices(text)
