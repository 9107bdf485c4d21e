"""Unit: JSON of any shape is written, and read again as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from support.examples import examples
from support.strategies import any_text, json_values

from eventstore.realtime.values import dumps, is_storable, loads, storable


@given(json_values(surrogates=True))
@examples(100)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(json_values(surrogates=True))
@examples(50)
def test_any_depth_is_written(value: Any) -> None:
    deep = value
    for level in range(20_000):
        deep = {"a": 1, "in": deep, "b": [None]} if level % 2 else [deep, "\ud83d", level]
    written = dumps(deep)
    assert written.count("[") - dumps(value).count("[") == 20_000
    inner = dumps(value)
    assert inner in written
    # What is read of it is not so deep: its ends show that each level is closed in its order.
    for level in reversed(range(20_000)):
        begin, end = (
            ('{"a":1,"in":', ',"b":[null]}') if level % 2 else ("[", f',"\\ud83d",{level}]')
        )
        assert written.startswith(begin) and written.endswith(end)
        written = written[len(begin) : -len(end)]
        if level == 19_990:
            break


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
