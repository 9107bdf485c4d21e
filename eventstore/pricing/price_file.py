"""Read a user's file of prices: a TOML file with prices of models, and the models of deployments.

Called by prices.py. The file is checked as a whole (docs/prices.md).
"""

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

#: Limits that no real list of prices reaches.
_MOST_CHARACTERS = 1024 * 1024
_MOST_RULES = 2000
#: The highest price in US dollars, for a million tokens, a minute or a second.
_MOST_DOLLARS = 1_000_000
_MTOK = 1_000_000
_PER_HOUR = {"per_second": 3600, "per_minute": 60}
_KINDS = ModelRates._fields[:8]


def _amount(value: Any) -> Decimal:
    """Return a number of the file as an amount of US dollars.

    Raises:
        ValueError: It is no possible amount.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("write a number of US dollars, such as 0.4")
    amount = Decimal(value)
    if not amount.is_finite() or not 0 <= amount <= _MOST_DOLLARS:
        raise ValueError(f"write a number of US dollars from 0 to {_MOST_DOLLARS:,}")
    return amount


def _day(value: Any) -> date:
    """Return a date of the file. A time of day is refused, since it would give a day two prices.

    Raises:
        ValueError: It is no date.
    """
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError("write a day without quotes, such as 2026-05-01")
    return value


DollarAmount = Annotated[Decimal, BeforeValidator(_amount)]
Day = Annotated[date, BeforeValidator(_day)]
Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=256)]


class PriceRule(BaseModel):
    """All prices of some models. A kind of token without an amount has no known price.

    Attributes:
        model: The models' name, with the wildcards `*` and `?`.
        first, end: The day (UTC) from which the prices hold, and the day from which they no longer
            hold; None for no limit. The keys in the file are `from` and `until`.
        input_text, …, output_audio: US dollars for a million tokens of that kind.
        per_second, per_minute: US dollars for a second or a minute of models billed by time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: Name
    first: Day | None = Field(default=None, alias="from")
    end: Day | None = Field(default=None, alias="until")
    input_text: DollarAmount | None = None
    input_audio: DollarAmount | None = None
    input_image: DollarAmount | None = None
    cached_text: DollarAmount | None = None
    cached_audio: DollarAmount | None = None
    cached_image: DollarAmount | None = None
    output_text: DollarAmount | None = None
    output_audio: DollarAmount | None = None
    per_second: DollarAmount | None = None
    per_minute: DollarAmount | None = None

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
        """Return the prices of a single token of each kind, and of an hour."""
        tokens = ModelRates._make([*(_divided(getattr(self, kind)) for kind in _KINDS), None, None])
        hours = [
            amount * number
            for name, number in _PER_HOUR.items()
            if (amount := getattr(self, name)) is not None
        ]
        return tokens._replace(hour=hours[0] if hours else None)

    def is_for(self, model: str) -> bool:
        """Return True if a model's name matches; letters of both cases are equal."""
        return fnmatchcase(model.lower(), self.model.lower())

    def holds_at(self, at: int) -> bool:
        """Return True if the prices hold at a time, in microseconds since 1970 UTC."""
        starts = self.first is None or at >= _midnight(self.first)
        return starts and (self.end is None or at < _midnight(self.end))

    def boundaries(self) -> list[int]:
        """Return the times at which the prices begin and cease, in microseconds since 1970 UTC."""
        return [_midnight(day) for day in (self.first, self.end) if day is not None]


class PriceFile(BaseModel):
    """The contents of a file of prices.

    Attributes:
        price: The rules. The first one that matches a model at a time has its prices.
        deployments: The model of each deployment, by the deployment's name.
    """

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
    """Parse and check the text of a file of prices.

    Raises:
        ValueError: The text is no such file. The message is one line that names the key.
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
    """Read and check a file of prices.

    Raises:
        InvalidInputError: The file cannot be read, or is no file of prices. The message names the
            file and the key.
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
    """Return the first problem and its place as one line, such as `price 2 input_audio: …`."""
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
