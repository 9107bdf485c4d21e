"""Look up a model's rates: in a user's file of prices, in our corrections, then in genai-prices.

Called by store/usage, which computes costs. Rates are looked up when a cost is asked for. Stored
sums have tokens and no money, so that a changed file changes all answers, even about past days.
The module that reads files of prices is imported only when it is needed, because it is slow.
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

#: The package that has the published prices.
_PACKAGE = "genai-prices"


class Prices:
    """The prices of models. Threads can share an object.

    Args:
        own: A user's prices and deployments, which win over all others.
    """

    def __init__(self, own: PriceFile | None = None) -> None:
        self._rules = (*(own.price if own else ()), *_corrections().price)
        deployments = own.deployments if own else {}
        self._models = {name.lower(): model for name, model in deployments.items()}
        self._own = own
        # Names of models come from outside, so that the cache must have a limit.
        self._rules_of = lru_cache(maxsize=1024)(self._find_rules)

    def boundaries(self, models: Iterable[str]) -> list[int]:
        """Return the times at which prices of models change, in order.

        Usage between two boundaries has one price, so that its sum can be priced. Each boundary is
        a midnight in UTC, so that a day has one price, too.

        Args:
            models: The names of the models or deployments.

        Returns:
            Microseconds since 1970 UTC.
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
            model: The recorded name of the model or deployment, or None if it is unknown.
            tokens: The numbers of one usage object, or their sum over several of one model between
                two boundaries.
            reported: The flags of `Reported`, which all summed objects have in common.
            at: A time of the usage, in microseconds since 1970 UTC.
        """
        return (
            UNKNOWN_COST
            if model is None
            else cost_of_usage(self.rates(model, at), tokens, reported)
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of these prices, with which stored costs of sessions are marked.

        It changes with a user's file, our corrections and the version of `genai-prices`.
        """
        own = self._own.model_dump_json() if self._own else ""
        sources = (own, _corrections().model_dump_json(), version(_PACKAGE))
        return sha256("\n".join(sources).encode()).hexdigest()[:32]

    def rates(self, model: str, at: int) -> ModelRates | None:
        """Return the rates of a model or deployment at a time, or None if they are unknown."""
        for rule in self._rules_of(model):
            if rule.holds_at(at):
                return rule.rates()
        return published.rates_at(self._real(model), at)

    def _real(self, model: str) -> str:
        return self._models.get(model.lower(), model)

    def _find_rules(self, model: str) -> tuple[PriceRule, ...]:
        """Return the rules for a name. Rules for a deployment win over those for its model."""
        names = dict.fromkeys((model, self._real(model)))
        return tuple(rule for name in names for rule in self._rules if rule.is_for(name))


def prices_from(path: str | Path | None) -> Callable[[], Prices]:
    """Return a function that returns the prices to use.

    Args:
        path: A file of prices, which win over all others. It is read now. None means the file
            that EVENTSTORE_PRICES names, if it is set. That file is read when the function is
            called first, so that a program that needs no prices, such as a recorder, does not
            fail because of it.

    Raises:
        InvalidInputError: The file cannot be read, or is no file of prices. For the file of
            EVENTSTORE_PRICES, the returned function raises it.
    """
    if path is not None:
        prices = _read(path)
        return lambda: prices
    named = os.environ.get("EVENTSTORE_PRICES")
    return cache(lambda: _read(named)) if named else published_prices


@cache
def published_prices() -> Prices:
    """Return our corrections and the prices of genai-prices, without a user's file."""
    return Prices()


def _read(path: str | Path) -> Prices:
    from eventstore.pricing.price_file import read_prices

    return Prices(read_prices(Path(path)))


@cache
def _corrections() -> PriceFile:
    from eventstore.pricing.price_file import parse_prices

    text = files("eventstore.pricing").joinpath("corrections.toml").read_text(encoding="utf-8")
    return parse_prices(text)
