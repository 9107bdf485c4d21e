"""Unit: the memory of any value is measured, each part of it once, and that of the machine."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from hypothesis import given
from support.examples import examples
from support.json_strategies import json_values

from eventstore.common.memory_size import machine_memory, memory_size

MOST = 10**9


@examples(200)
@given(json_values(), json_values())
def test_a_value_has_at_least_what_its_parts_have(one: Any, other: Any) -> None:
    both = [one, other]
    assert memory_size(both, MOST) >= max(memory_size(one, MOST), memory_size(other, MOST))
    assert memory_size(both, MOST) <= (
        sys.getsizeof(both) + memory_size(one, MOST) + memory_size(other, MOST) + 200
    )


@examples(200)
@given(json_values())
def test_it_is_what_a_walk_over_each_part_finds(value: Any) -> None:
    assert memory_size(value, MOST) == sum(map(sys.getsizeof, _parts(value, {}).values()))


def _parts(value: Any, found: dict[int, Any]) -> dict[int, Any]:
    """The parts of a JSON value, by their ids."""
    if id(value) not in found:
        found[id(value)] = value
        children = [*value, *value.values()] if isinstance(value, dict) else value
        for child in children if isinstance(value, dict | list) else ():
            _parts(child, found)
    return found


def test_what_refers_to_itself_is_measured_once() -> None:
    circle: list[Any] = [bytes(1000)]
    circle.append(circle)
    assert 1000 < memory_size(circle, MOST) < 2000


def test_many_parts_are_all_measured() -> None:
    assert memory_size([[bytes(100)] for _ in range(20_000)], MOST) > 20_000 * 100


def test_what_a_program_shares_does_not_count() -> None:
    assert memory_size([logging, logging.getLogger, logging.Logger], MOST) < 200


def test_a_large_value_is_not_measured_to_its_end() -> None:
    pages = [[bytes(1000)] for _ in range(50_000)]
    assert 10**6 < memory_size(pages, 10**6) < 10 * 10**6


def test_a_container_has_as_much_memory_as_its_limit_says(tmp_path: Path) -> None:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    said = {"none": "max\n", "some": "536870912\n", "more": f"{2**63 - 4096}\n"}
    for name, text in said.items():
        (tmp_path / name).write_text(text)
    none, some, more, missing = (str(tmp_path / name) for name in (*said, "missing"))
    assert machine_memory((missing,)) == machine_memory((none, more)) == whole
    assert machine_memory((none, some)) == 536870912
