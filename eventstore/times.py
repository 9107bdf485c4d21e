"""Times are integers: microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# What datetime can show; anything outside is no time of a call.
MIN_AT = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
MAX_AT = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND


def now() -> int:
    """The client's clock, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def is_time(at: object) -> bool:
    """Whether a value is a time that the store can keep, and show."""
    return type(at) is int and MIN_AT <= at <= MAX_AT


def to_iso(at: int | None) -> str | None:
    """Microseconds as ISO 8601 in UTC with six decimals; None stays None."""
    if at is None:
        return None
    seconds, micros = divmod(at, 1_000_000)
    return f"{_to_the_second(seconds)}.{micros:06}Z"


@lru_cache(maxsize=1024)
def _to_the_second(seconds: int) -> str:
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def date_of(day: int) -> str:
    """A day since 1970 as ISO 8601."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


def from_value(value: Any) -> int | None:
    """Microseconds from ISO 8601 text (UTC where it names no zone) or epoch seconds.

    Raises:
        ValueError: the value is neither, or lies outside the years 1 to 9999.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        raise ValueError(f"not a time: {value!r}")
    if isinstance(value, int | float):
        return _bounded(_seconds(str(value)))
    if isinstance(value, str):
        try:
            return _bounded(_seconds(value))
        except ValueError:
            pass
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _bounded((moment - EPOCH) // _MICROSECOND)
    raise ValueError(f"not a time: {value!r}")


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"([0-9]{1,6})([smhdw])")


def parse_age(text: str) -> int:
    """Microseconds from `30s`, `15m`, `12h`, `7d` or `2w`.

    Raises:
        ValueError: the text is none of these.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not an age: {text!r}; use 30s, 15m, 12h, 7d or 2w")
    return int(match[1]) * _UNITS[match[2]] * 1_000_000


def _seconds(text: str) -> int:
    # Decimal, since a float cannot hold microseconds of today exactly.
    try:
        number = Decimal(text.strip())
    except InvalidOperation as error:
        raise ValueError(f"not a time: {text!r}") from error
    if not number.is_finite():
        raise ValueError(f"not a time: {text!r}")
    if abs(number) > 10**12:
        raise ValueError(f"not a time: {text!r} (epoch times are in seconds)")
    return int((number * 1_000_000).to_integral_value())


def _bounded(at: int) -> int:
    if not MIN_AT <= at <= MAX_AT:
        raise ValueError("a time outside the years 1 to 9999")
    return at
