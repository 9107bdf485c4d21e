"""Unit: JSON text is walked through whatever its pieces, and no more than a value is held."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.strategies import json_values

from eventstore.realtime import json_cursor
from eventstore.realtime.json_cursor import BrokenJsonError, JsonCursor


def cursor(text: str) -> JsonCursor:
    return JsonCursor(io.BytesIO(text.encode("utf-8", "surrogatepass")))


@given(
    values=st.lists(json_values(), max_size=5),
    piece=st.integers(1, 30),
    indent=st.sampled_from([None, 1]),
)
@examples(50)
def test_values_come_out_as_they_stand(values: list[Any], piece: int, indent: int | None) -> None:
    texts = [json.dumps(value, ensure_ascii=False, indent=indent) for value in values]
    before, json_cursor._PIECE = json_cursor._PIECE, piece
    try:
        array, object_ = cursor(f"[{' , '.join(texts)}]"), cursor(json.dumps({"a": 1, "b": values}))
        assert [array.value()[1] for _ in array.items()] == texts
        assert [(name, object_.value()[0]) for name in object_.members()] == [
            ("a", 1),
            ("b", values),
        ]
        assert array.peek() == object_.peek() == ""
    finally:
        json_cursor._PIECE = before


@pytest.mark.parametrize(
    "text",
    ["", "{", "{]", '{"a"}', '{"a":1 "b":2}', "{1:2}", '{"a":1,}x', "x", '{"a":"', '{"a":"\n"}'],
)
def test_what_is_no_object_is_told(text: str) -> None:
    walked = cursor(text)
    with pytest.raises(BrokenJsonError):
        [walked.value() for _ in walked.members()]


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000 + " ", "nul", '"\\u12'])
def test_what_is_no_value_is_told(text: str) -> None:
    with pytest.raises(BrokenJsonError):
        cursor(text).value()


def test_a_value_that_is_too_long_is_told_and_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_cursor, "MAX_LINE", 3_000_000)
    stream = io.BytesIO(b'["' + b"x" * 30_000_000)
    with pytest.raises(BrokenJsonError, match="longer than"):
        JsonCursor(stream).value()
    assert stream.tell() < 10_000_000


def test_broken_text_is_told_before_the_rest_is_read() -> None:
    stream = io.BytesIO(b'{"a": broken' + b" " * 30_000_000)
    with pytest.raises(BrokenJsonError, match="not JSON"):
        JsonCursor(stream).value()
    assert stream.tell() < 3_000_000
