"""Files of prices: what a user pays, and which model a deployment is. TOML, checked as a whole."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from eventstore.common.small_files import read_small_file
from eventstore.errors import InvalidInputError
from eventstore.pricing.rates import ModelRates

#: Far more than any list of prices has.
_MOST_CHARACTERS = 1024 * 1024
_MOST_RULES = 2000
#: In US dollars, for a million tokens, a minute or a second.
_MOST_DOLLARS = 1_000_000
_MTOK = 1_000_000
_PER_HOUR = {"per_second": 3600, "per_minute": 60}
_KINDS = ModelRates._fields[:8]


def _amount(value: Any) -> Decimal:
    """Return an amount of dollars."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("write a number of US dollars, such as 0.4")
    amount = Decimal(value)
    if not amount.is_finite() or not 0 <= amount <= _MOST_DOLLARS:
        raise ValueError(f"write a number of US dollars from 0 to {_MOST_DOLLARS:,}")
    return amount


def _day(value: Any) -> date:
    """Return a day; a time of day would give a day two prices."""
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError("write a day without quotes, such as 2026-05-01")
    return value


Amount = Annotated[Decimal, BeforeValidator(_amount)]
Day = Annotated[date, BeforeValidator(_day)]
Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=256)]


class PriceRule(BaseModel):
    """What models cost, whole: a kind of token that has no amount here has no known price.

    Attributes:
        model: their name, with `*` and `?` for what differs.
        first, end: the day (UTC) from which it holds, and the first one on which it does not.
        input_text: US dollars for a million tokens of that kind, as the other kinds.
        per_second, per_minute: US dollars, for models that are billed by time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: Name
    first: Day | None = Field(default=None, alias="from")
    end: Day | None = Field(default=None, alias="until")
    input_text: Amount | None = None
    input_audio: Amount | None = None
    input_image: Amount | None = None
    cached_text: Amount | None = None
    cached_audio: Amount | None = None
    cached_image: Amount | None = None
    output_text: Amount | None = None
    output_audio: Amount | None = None
    per_second: Amount | None = None
    per_minute: Amount | None = None

    @model_validator(mode="after")
    def _check(self) -> PriceRule:
        if self.first is not None and self.end is not None and self.first >= self.end:
            raise ValueError("until must be a later day than from")
        if self.per_second is not None and self.per_minute is not None:
            raise ValueError("give per_second or per_minute, not both")
        if self.rates().is_empty():
            raise ValueError(f"no price is given; use {', '.join((*_KINDS, *_PER_HOUR))}")
        return self

    def rates(self) -> ModelRates:
        """Return what a token of each kind and an hour cost."""
        tokens = ModelRates._make([*(_divided(getattr(self, kind)) for kind in _KINDS), None, None])
        hours = [
            amount * number
            for name, number in _PER_HOUR.items()
            if (amount := getattr(self, name)) is not None
        ]
        return tokens._replace(hour=hours[0] if hours else None)

    def is_for(self, model: str) -> bool:
        """Return True if a model has these prices, on some days at least."""
        return fnmatchcase(model.lower(), self.model.lower())

    def holds_at(self, at: int) -> bool:
        """Return True if the prices hold at a time, in microseconds since 1970 UTC."""
        starts = self.first is None or at >= _midnight(self.first)
        return starts and (self.end is None or at < _midnight(self.end))

    def boundaries(self) -> list[int]:
        """Return when the prices begin and end to hold, in microseconds since 1970 UTC."""
        return [_midnight(day) for day in (self.first, self.end) if day is not None]


class PriceFile(BaseModel):
    """A list of prices, of which the first that fits holds, and the models of deployments."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    price: tuple[PriceRule, ...] = Field(default=(), max_length=_MOST_RULES)
    deployments: dict[Name, Name] = Field(default_factory=dict, max_length=_MOST_RULES)

    @model_validator(mode="after")
    def _check(self) -> PriceFile:
        names = {name.lower() for name in self.deployments}
        for name, model in self.deployments.items():
            if model.lower() in names:
                raise ValueError(f"deployments: {name} must name a model, not a deployment")
        return self


def parse_prices(text: str) -> PriceFile:
    """Check a list of prices.

    Raises:
        ValueError: what is wrong with it, in one line that names the key.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError("larger than 1 MiB")
    try:
        return PriceFile.model_validate(tomllib.loads(text, parse_float=Decimal))
    except ValidationError as error:
        raise ValueError(_first(error)) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ArithmeticError as error:
        raise ValueError("a number has too many digits") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"no TOML: {error}") from error


def read_prices(path: Path) -> PriceFile:
    """Read a file of prices.

    Raises:
        InvalidInputError: it cannot be read, or is no list of prices; names the file and the key.
    """
    try:
        return parse_prices(read_small_file(path))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidInputError(f"cannot read the prices of {path}: {reason}") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"the prices of {path}: no UTF-8 text") from error
    except ValueError as error:
        raise InvalidInputError(f"the prices of {path}: {error}") from error


def _divided(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount / _MTOK


def _midnight(day: date) -> int:
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong, and where: `price 2 input_audio: …`."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = [part + 1 if isinstance(part, int) else part for part in first["loc"]]
    where = " ".join(str(part) for part in place if part != "[key]")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = f"no such key; there are {', '.join(_known_keys(first['loc']))}"
    return f"{where}: {message}" if where else message


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    fields = PriceFile.model_fields if len(place) == 1 else PriceRule.model_fields
    return [field.alias or name for name, field in fields.items()]
