"""Where members stand in the text of an object."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore.realtime.text.object_text import member_spans

_KEYS = st.sampled_from(["a", "metadata", 'me"ta', "m\u00e9", "\\", "{", ","])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | _KEYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@examples(100)
@given(st.dictionaries(_KEYS, _VALUES), _KEYS, st.sampled_from([None, 1]), st.booleans())
def test_a_member_is_where_its_value_is(
    value: dict[str, object], key: str, indent: int | None, ascii_: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_)
    spans = [json.loads(text[start:end]) for start, end in member_spans(text, key)]
    assert spans == ([value[key]] if key in value else [])
    assert all(text[start:end].strip() == text[start:end] for start, end in member_spans(text, key))


def test_each_member_of_a_name_is_told_in_order() -> None:
    text = '{"a": 1, "b": {"a": 2}, "a" : [3, {"a": 4}] }'
    assert [text[start:end] for start, end in member_spans(text, "a")] == ["1", '[3, {"a": 4}]']
