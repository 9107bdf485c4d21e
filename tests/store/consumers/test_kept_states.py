"""Unit: states in memory are measured, and bounded whatever they are."""

from __future__ import annotations

import logging
import sys
from typing import Any

from hypothesis import given
from support.examples import examples
from support.json_strategies import json_values

from eventstore.store.consumers.projections.kept_states import KeptState, KeptStates, size_of

MOST = 10**9


@examples(200)
@given(json_values(), json_values())
def test_a_value_has_at_least_what_its_parts_have(one: Any, other: Any) -> None:
    both = [one, other]
    assert size_of(both, MOST) >= max(size_of(one, MOST), size_of(other, MOST))
    assert size_of(both, MOST) <= (
        sys.getsizeof(both) + size_of(one, MOST) + size_of(other, MOST) + 200
    )


def test_what_refers_to_itself_is_measured_once() -> None:
    circle: list[Any] = [bytes(1000)]
    circle.append(circle)
    assert 1000 < size_of(circle, MOST) < 2000


def test_what_a_program_shares_does_not_count() -> None:
    assert size_of([logging, logging.getLogger, logging.Logger], MOST) < 200


def test_a_large_value_is_not_measured_to_its_end() -> None:
    assert size_of([bytes(100)] + [bytes(10**6) for _ in range(100)], 10**6) < 3 * 10**6


def test_a_state_is_measured_when_its_session_has_doubled() -> None:
    kept = KeptState(4, [])
    kept.measure()
    empty = kept.state_size
    kept.state.append(bytes(1000))
    kept.seq = 7
    kept.measure()
    assert kept.state_size == empty
    kept.seq = 8
    kept.measure()
    assert kept.state_size > 1000


def test_the_latest_used_are_kept() -> None:
    kept = KeptStates()
    for number in range(1_001):
        kept.put("own", f"s{number}", KeptState(1, None, state_size=10))
        if number == 500:
            found = kept.take("own", "s0")
            assert found is not None
            kept.put("own", "s0", found)
    assert (len(kept), kept.size) == (1_000, 10_000)
    assert kept.take("own", "s1") is None and kept.take("own", "s0") is not None
    assert (len(kept), kept.size) == (999, 9_990)
