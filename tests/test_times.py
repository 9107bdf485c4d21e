"""Times: microseconds, and how they are read and shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.times import MAX_AT, MIN_AT, parse_time, to_iso


@given(st.integers(MIN_AT, MAX_AT) | st.sampled_from([MIN_AT, MAX_AT, -1, 0, 1]))
def test_what_is_shown_is_what_is_read(at: int) -> None:
    shown = to_iso(at)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    assert shown == moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert parse_time(shown) == at


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (None, None),
        (0, 0),
        (1.5, 1_500_000),
        ("1.000001", 1_000_001),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        (1_779_961_453.123456, 1_779_961_453_123_456),
    ],
)
def test_values(value: object, at: int | None) -> None:
    assert parse_time(value) == at


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "not a time"),
        ([], "not a time"),
        ("", "Invalid isoformat"),
        ("yesterday", "Invalid isoformat"),
        (float("nan"), "not a time"),
        (1_779_961_453_123, "epoch times are in seconds"),
        (10**12, "outside the years 1 to 9999"),
        ("0001-01-01T00:00:00+14:00", "outside the years 1 to 9999"),
        ("9999-12-31T23:59:59-14:00", "outside the years 1 to 9999"),
    ],
)
def test_no_times(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_time(value)
