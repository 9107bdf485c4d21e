"""Unit: JSON of any shape is written, and read again as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from support.examples import examples
from support.strategies import any_text, json_values
from support.terminal import environment

from eventstore.realtime.values import dumps, is_storable, loads, storable


@given(json_values(surrogates=True))
@examples(100)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(json_values(surrogates=True))
@examples(20)
def test_any_depth_is_written(value: Any) -> None:
    deep, levels = value, 10_000
    for level in range(levels):
        deep = {"a": 1, "in": deep, "b": [None]} if level % 2 else [deep, "\ud83d", level]
    written = dumps(deep)
    # No reader goes so deep: each level is taken off by its ends, down to the value.
    start, stop = 0, len(written)
    for level in reversed(range(levels)):
        begin, end = (
            ('{"a":1,"in":', ',"b":[null]}') if level % 2 else ("[", f',"\\ud83d",{level}]')
        )
        assert written.startswith(begin, start, stop)
        assert written.endswith(end, start, stop)
        start, stop = start + len(begin), stop - len(end)
    assert loads(written[start:stop]) == value


#: Lists side by side, each in many levels. Python looks behind the ends of buffers, and ends the
#: process if somebody has written there.
DEEP_ONES = """
from eventstore.realtime.values import dumps
for levels in (60, 253):
    value, deep = None, "[" * levels + "null" + "]" * levels
    for _ in range(levels):
        value = [value]
    for number in (10, 1000):
        assert dumps([value] * number) == "[" + ",".join([deep] * number) + "]", levels
print("written")
"""


def test_deep_lists_beside_one_another_do_not_end_the_process() -> None:
    known = environment() | {"PYTHONMALLOC": "debug"}
    command = [sys.executable, "-c", DEEP_ONES]
    done = subprocess.run(command, env=known, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"written\n"), done.stderr[:300]


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}'])
def test_what_json_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no JSON"):
        loads(text)


@given(any_text())
@examples(100)
def test_text_is_storable_where_it_needs_no_change(text: str) -> None:
    assert is_storable(text) == (storable(text) == text)
    assert is_storable(storable(text))
    json.dumps(storable(text)).encode()
