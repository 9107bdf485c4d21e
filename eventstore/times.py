"""Read, check and write times, which are integers in the store: microseconds since 1970 UTC.

All packages call this module to read a time from outside, to calculate with one, and to show one.
It alone knows which times are possible: those of the years 1 to 9999.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from eventstore.brief import brief

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The first and the last microsecond that `datetime` can represent.
MIN_AT = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
MAX_AT = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
#: Microseconds of a day. The number of a day is the time of its midnight in UTC, divided by this.
DAY_US = 86_400_000_000

# More seconds than there are from 1970 to the year 9999.
_MOST_SECONDS = 10**12
#: A number of seconds below this limit does not count from 1970, since it would be a time before
#: March 1973. It counts from the start of a recording or of a machine.
RELATIVE_SECONDS = 10**8
_LONGEST_TEXT = 64


class RelativeTimeError(ValueError):
    """A time counts from a moment that the recording does not tell."""


def now() -> int:
    """Return the time of this machine's wall clock, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def is_time(at: object) -> bool:
    """Return True if a value is a time of the years 1 to 9999, which the store can show."""
    return type(at) is int and MIN_AT <= at <= MAX_AT


def clamp_time(at: int) -> int:
    """Return a time, or the nearest one within the years 1 to 9999, for results of additions."""
    return min(max(at, MIN_AT), MAX_AT)


def to_iso(at: int | None) -> str | None:
    """Return a time as ISO 8601 text in UTC with six decimals, or None if it is none.

    A damaged database may hold values that are no times. They become None, so that a list can
    still be shown.

    Example:
        >>> to_iso(1_777_777_777_000_000)
        '2026-05-03T03:09:37.000000Z'
    """
    if at is None or not is_time(at):
        return None
    seconds, micros = divmod(at, 1_000_000)
    return f"{_to_the_second(seconds)}.{micros:06}Z"


@lru_cache(maxsize=1024)
def _to_the_second(seconds: int) -> str:
    return (EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def to_datetime(at: int) -> datetime:
    """Return a time as a `datetime` in UTC, clamped to the years 1 to 9999."""
    return EPOCH + timedelta(microseconds=clamp_time(at))


def date_of(day: int) -> str:
    """Return the ISO 8601 date of a day.

    Args:
        day: The number of days since 1970-01-01. A day outside the years 1 to 9999 is clamped.
    """
    return to_datetime(day * DAY_US).date().isoformat()


def length_ms(start: int | None, end: int | None, shift_ms: float) -> float | None:
    """Return how long a session took in milliseconds, or None if its times are unknown.

    Args:
        start, end: The session's first and last arrival, in microseconds since 1970 UTC.
        shift_ms: Milliseconds to add to the last arrival, because the wall clock jumped during
            the session (see realtime/session_clock.py).
    """
    if not (type(start) is type(end) is int):  # a damaged database may hold any values
        return None
    return max(0.0, (end - start) / 1000 + shift_ms)


def parse_time(value: Any) -> int | None:
    """Read a time that is a `datetime`, a `date`, ISO 8601 text, or seconds since 1970.

    Args:
        value: The time. If it names no time zone, it is in UTC. A date means its midnight. A number
            of seconds may also be given as text.

    Returns:
        Microseconds since 1970 UTC, or None if the value is None.

    Raises:
        ValueError: The value is no time, or lies outside the years 1 to 9999.
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
    """Read the time at which a frame of a recording arrived, as `parse_time` does.

    Raises:
        RelativeTimeError: The value is a number of seconds that does not count from 1970.
        ValueError: The value is no time.
    """
    number = _number(value)
    if number is not None and -RELATIVE_SECONDS < number < RELATIVE_SECONDS:
        raise RelativeTimeError(
            "it counts from the start of the recording, not from 1970; add the time at which that"
            " started (seconds since 1970), or leave the times out"
        )
    return parse_time(value)


# Limits of numbers, and how many microseconds one unit has. A number below the first limit counts
# seconds, one below the second limit milliseconds, then microseconds, then nanoseconds. Each unit
# covers the years 1973 to 5138.
_EPOCH_UNITS = ((10**11, 10**6), (10**14, 10**3), (10**17, 1), (10**20, Decimal("0.001")))


def parse_arrival_in_any_unit(value: Any) -> int | None:
    """Read the time at which a frame arrived, in any unit that a tool may have written it in.

    A number counts seconds, milliseconds, microseconds or nanoseconds since 1970. Exactly one of
    these units gives a year from 1973 to 5138, and that unit is taken.

    Args:
        value: A number, the text of a number, or ISO 8601 text with a date and a time.

    Raises:
        ValueError: The value is none of these, a date or a time of day alone, or a number that
            does not count from 1970.
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
    """Return a time that does not count from 1970 as a number, or None if the value is no such.

    Returns:
        An integer if the value was written as one. A float such as 2.0 stays a `Decimal`.
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
        ValueError: The value is no age, or a `timedelta` that is negative or too long.
    """
    if isinstance(value, timedelta) and timedelta(0) <= value <= _LONGEST_AGE:
        return value // _MICROSECOND
    match = _AGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"not an age: {brief(value)}; use 30s, 15m, 12h, 7d or 2w")
    return int(match[1]) * _UNITS[match[2]] * 1_000_000


def _number(value: Any) -> Decimal | int | None:
    """Return a value as a finite number, or None if it is no number and no text of a number.

    Raises:
        ValueError: The number is NaN or infinite.
    """
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
    # The comparison comes first, because multiplying 1e9999999 overflows.
    if not -_MOST_SECONDS <= number <= _MOST_SECONDS:
        raise ValueError(f"not a time: {brief(value)} (epoch times are in seconds)")
    return _bounded(round(number * 1_000_000))


def _bounded(at: int) -> int:
    if not MIN_AT <= at <= MAX_AT:
        raise ValueError("a time outside the years 1 to 9999")
    return at
