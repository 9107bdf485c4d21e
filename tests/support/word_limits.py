"""Limits of how often a word may be said, by which a search chooses its query."""

from __future__ import annotations

import pytest

#: Gives a test `limits`, the values of names in store/filters/sql_conditions.py: as they are, as if
#: all were said often, as if that were few in a large store, and as if all were said very often.
word_limits = pytest.mark.parametrize(
    "limits",
    [
        {},
        {"MOST_COUNTED": 1},
        {"MOST_COUNTED": 1, "most_few": lambda tx: 1000 if tx.postgresql else 1},
        {"MOST_COUNTED": 1, "_LISTED": 1},
    ],
    ids=["seldom", "often", "often, and few of many", "very often"],
)
