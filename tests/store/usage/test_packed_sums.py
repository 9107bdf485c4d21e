"""Unit: sums by the values of a key, packed and added up."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.errors import EventStoreError
from eventstore.projection.views.usage import Tokens
from eventstore.store.usage.daily.packed import PackedDay, add_up, pack

NUMBERS = st.tuples(*[st.integers(0, 2**50)] * (2 + len(Tokens._fields)))
LINES = st.tuples(
    st.none() | st.sampled_from(("gpt-realtime", "gpt-4o", "\ud800")),
    st.sampled_from(("response", "transcription")),
    st.integers(0, 1),
    st.integers(0, 1),
)
VALUES = st.none() | st.text(max_size=3) | st.integers(0, 40).map(str)
DAYS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.dictionaries(st.tuples(VALUES, LINES), NUMBERS, max_size=40),
    ),
    max_size=6,
)


def packed(days: list[tuple[int, dict[Any, Any]]]) -> list[PackedDay]:
    return [
        PackedDay(
            period, pack([(value, *line, *numbers) for (value, line), numbers in rows.items()])
        )
        for period, rows in days
    ]


@given(DAYS, st.sampled_from((None, "gpt-realtime", "of no line")))
def test_packed_days_add_up_to_what_their_rows_do(
    days: list[tuple[int, dict[Any, Any]]], model: str | None
) -> None:
    last: Counter[Any] = Counter()
    sums: dict[Any, Counter[int]] = {}
    for period, rows in days:
        for (value, (name, kind, reported, unit)), (at, *numbers) in rows.items():
            if model in (None, name):
                group = (value, name, kind, reported, period, unit)
                last[group] = max(last[group], at)
                sums.setdefault(group, Counter()).update(dict(enumerate(numbers)))
    found = add_up(packed(days), model)
    assert sorted(map(repr, found)) == sorted(
        repr((*group, last[group], *(one[n] for n in range(1 + len(Tokens._fields)))))
        for group, one in sums.items()
    )
    assert all(type(number) is int for row in found for number in row[6:])


def test_a_sum_beyond_64_bits_is_no_sum() -> None:
    most = [7, 1, *[2**62] * len(Tokens._fields)]
    day = packed([(0, {("42", ("m", "response", 1, 0)): most})])
    assert add_up(day)[0][-1] == 2**62
    with pytest.raises(EventStoreError, match="64 bits"):
        add_up(day * 2)
