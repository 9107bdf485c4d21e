"""Times are integers: microseconds since 1970-01-01 UTC.

This module alone knows which times are possible. Whatever reads a time from outside, moves one
or shows one does so by a function of this module.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from eventstore.common.brief import brief

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# What datetime can show; anything outside is no time of a call.
MIN_AT = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
MAX_AT = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
#: Microseconds of a day. A day's number is its first moment's time by these, in UTC.
DAY_US = 86_400_000_000

# Seconds since 1970 that no number of the calendar has more of.
_MOST_SECONDS = 10**12
#: A number of seconds below this one counts from the start of a recording, or of a machine: it is
#: three years of them, and three years after 1970 nobody recorded a call.
RELATIVE_SECONDS = 10**8
_LONGEST_TEXT = 64


class RelativeTimeError(ValueError):
    """A time that is relative to a moment that nobody told."""


def now() -> int:
    """The client's clock, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def is_time(at: object) -> bool:
    """Whether a value is a time that the store can keep, and show."""
    return type(at) is int and MIN_AT <= at <= MAX_AT


def clamp_time(at: int) -> int:
    """The nearest time that can be shown, for sums that may lie outside the years 1 to 9999."""
    return min(max(at, MIN_AT), MAX_AT)


def to_iso(at: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC with six decimals.

    None stays None, and what is no time is None, too: a damaged or foreign store may hold some.
    """
    if at is None or not is_time(at):
        return None
    seconds, micros = divmod(at, 1_000_000)
    return f"{_to_the_second(seconds)}.{micros:06}Z"


@lru_cache(maxsize=1024)
def _to_the_second(seconds: int) -> str:
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def to_datetime(at: int) -> datetime:
    """A time as a `datetime` in UTC, exactly; the nearest one where it is outside the calendar."""
    return EPOCH + timedelta(microseconds=clamp_time(at))


def date_of(day: int) -> str:
    """A day since 1970 as ISO 8601; the nearest one where it is outside the calendar."""
    return to_datetime(day * DAY_US).date().isoformat()


def length_ms(start: int | None, end: int | None, shift_ms: float) -> float | None:
    """Milliseconds that a session took; None where its times are unknown.

    Args:
        start, end: its first and last arrival.
        shift_ms: what is added to arrivals at its end, since the wall clock jumped.
    """
    if not (type(start) is type(end) is int):  # a damaged or foreign store may hold anything
        return None
    return max(0.0, (end - start) / 1000 + shift_ms)


def parse_time(value: Any) -> int | None:
    """Read a time: a `datetime`, a `date`, ISO 8601 text, or seconds since 1970.

    What names no time zone is in UTC, and a date is its first moment.

    Returns:
        Microseconds since 1970 UTC; None for None.

    Raises:
        ValueError: the value is neither, or lies outside the years 1 to 9999.
    """
    if value is None:
        return None
    number = _number(value)
    if number is not None:
        return _at(number, value)
    moment = _moment(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _bounded((moment - EPOCH) // _MICROSECOND)


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError(f"not a time: {brief(value)}")
    return datetime.fromisoformat(value)


def parse_arrival(value: Any) -> int | None:
    """Read the time at which a frame arrived, as `from_value` does, from a recording.

    Raises:
        RelativeTimeError: a number of seconds since something else than 1970.
        ValueError: no time.
    """
    number = _number(value)
    if number is not None and -RELATIVE_SECONDS < number < RELATIVE_SECONDS:
        raise RelativeTimeError(
            "it counts from the start of the recording, not from 1970; add the time at which that"
            " started (seconds since 1970), or leave the times out"
        )
    return parse_time(value)


# Below each of these, a number of this unit is one of the years 1973 to 5138; in the next smaller
# unit, such numbers begin where these end.
_EPOCH_UNITS = ((10**11, 10**6), (10**14, 10**3), (10**17, 1), (10**20, Decimal("0.001")))


def parse_arrival_in_any_unit(value: Any) -> int | None:
    """Read the time at which a frame arrived as other tools than the store write it.

    A number counts seconds, milliseconds, microseconds or nanoseconds from 1970, whichever gives a
    year from 1973 to 5138: only one of them does.

    Args:
        value: a number, its text, or ISO 8601 text with a date and a time.

    Raises:
        ValueError: it is none of these; a time of day without a date, or a count from elsewhere.
    """
    number = _number(value)
    if number is None:
        if isinstance(value, str) and len(value.strip()) <= len("2026-05-28"):
            raise ValueError(f"not a time: {brief(value)}")
        return parse_time(value.strip() if isinstance(value, str) else value)
    for limit, factor in _EPOCH_UNITS:
        if RELATIVE_SECONDS <= number < limit:
            return _bounded(round(number * factor))
    raise ValueError(f"not a time: {brief(value)}")


def relative_count(value: Any) -> Decimal | int | None:
    """Return the number that a time is which does not count from 1970; None where it is no such.

    It is an integer where it was written as one: a float that is whole, 2.0, is none.
    """
    try:
        number = _number(value)
    except ValueError:
        return None
    if number is None or not 0 <= number < RELATIVE_SECONDS:
        return None
    return int(number) if isinstance(value, str) and value.strip().isdecimal() else number


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"([0-9]{1,6})([smhdw])")
_LONGEST_AGE = timedelta(weeks=999_999)


def parse_age(value: Any) -> int:
    """Return the microseconds of an age: `30s`, `15m`, `12h`, `7d`, `2w` or a `timedelta`.

    Raises:
        ValueError: the value is none of these.
    """
    if isinstance(value, timedelta) and timedelta(0) <= value <= _LONGEST_AGE:
        return value // _MICROSECOND
    match = _AGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"not an age: {brief(value)}; use 30s, 15m, 12h, 7d or 2w")
    return int(match[1]) * _UNITS[match[2]] * 1_000_000


def _number(value: Any) -> Decimal | int | None:
    """The number of seconds that a value is, None where it is no number; it is finite."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        value = str(value)
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        return None
    try:
        # Decimal, since a float cannot hold microseconds of today exactly.
        number = Decimal(value.strip())
    except InvalidOperation:
        return None
    if not number.is_finite():
        raise ValueError(f"not a time: {brief(value)}")
    return number


def _at(number: Decimal | int, value: Any) -> int:
    # Compared before it is calculated with: 1e9999999 is a number, and its product is none.
    if not -_MOST_SECONDS <= number <= _MOST_SECONDS:
        raise ValueError(f"not a time: {brief(value)} (epoch times are in seconds)")
    return _bounded(round(number * 1_000_000))


def _bounded(at: int) -> int:
    if not MIN_AT <= at <= MAX_AT:
        raise ValueError("a time outside the years 1 to 9999")
    return at
