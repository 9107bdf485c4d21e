"""Moments that callers write, as the integers that frames have."""

from __future__ import annotations

from eventstore.errors import InvalidInputError
from eventstore.times import parse_time
from eventstore.verbs.filter_params import Moment


def microseconds(moment: Moment) -> int:
    """Return a moment as a `Frame` has it: in microseconds since 1970 UTC.

    Args:
        moment: A `datetime`, a `date` (its first moment), ISO 8601 text, or seconds since 1970.
            What names no time zone is in UTC.

    Raises:
        InvalidInputError: It is none of these, or lies outside of the years 1 to 9999.
    """
    try:
        at = parse_time(moment)
    except ValueError as error:
        raise InvalidInputError(str(error)) from error
    if at is None:
        raise InvalidInputError("None is no moment")
    return at
