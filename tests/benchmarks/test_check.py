"""Unit: `make bench-check` tells a figure that became much worse, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.check import BOUND, kept_of, verdicts


def row(what: str, value: float, at_most: bool = False) -> dict[str, Any]:
    return {"what": what, "value": value, "least": value, "greatest": value, "at_most": at_most}


@pytest.mark.parametrize(
    ("now", "at_most", "is_slower"),
    [
        (0.60, False, False),
        (0.60 * BOUND + 0.01, False, False),
        (0.60 * BOUND - 0.01, False, True),
        (9.0, False, False),
        (0.60 / BOUND - 0.01, True, False),
        (0.60 / BOUND + 0.01, True, True),
        (0.01, True, False),
    ],
)
def test_a_figure_beside_the_kept_one(now: float, at_most: bool, is_slower: bool) -> None:
    (found,) = verdicts([row("append", now, at_most)], {"append": 0.6, "gone": 1.0})
    assert found.is_slower == is_slower and found.kept == 0.6


def test_a_new_figure_has_no_bound() -> None:
    (found,) = verdicts([row("new", 0.1)], {})
    assert (found.kept, found.bound, found.is_slower) == (None, None, False)


def test_what_is_kept_is_what_comes_out_the_same() -> None:
    rows = [row("append", 0.6543), row("start", 1.5, at_most=True)]
    kept = kept_of(rows, {"python": "3.11"})
    assert kept["figures"] == {"append": 0.654, "start": 1.5}
    assert not any(one.is_slower for one in verdicts(rows, kept["figures"]))
