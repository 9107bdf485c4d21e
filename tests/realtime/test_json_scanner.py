"""The scanner of JSON text, held against a parser, and on text that is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore.realtime.json_scanner import NAME, NUMERAL, TEXT, json_tokens, unescape

_TEXTS = st.text(max_size=6) | st.sampled_from(
    ["\\", '"', "\n\t", ",", ":", "{", "]", "\U0001f600"]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=10,
)
_SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:  ")])


def told(value: Any) -> list[Any]:
    """The tokens of a value, as the parser has it; words such as `true` are none."""
    if isinstance(value, dict):
        inner = [one for name, entry in value.items() for one in ((NAME, name), *told(entry))]
        return ["{", *inner, "}"]
    if isinstance(value, list):
        return ["[", *(one for entry in value for one in told(entry)), "]"]
    if isinstance(value, str):
        return [(TEXT, value)]
    return [] if value is None or isinstance(value, bool) else [(NUMERAL, value)]


def scanned(text: str) -> list[Any]:
    """The tokens of a text, with what they say."""
    found: list[Any] = []
    for kind, start, end in json_tokens(text):
        if kind in (NAME, TEXT):
            assert text[start - 1] == '"'
            found.append((kind, json.loads(f'"{text[start:end]}"')))
        elif kind == NUMERAL:
            found.append((kind, json.loads(text[start:end])))
        else:
            assert text[start:end] == kind
            found.append(kind)
    return found


@examples(200)
@given(_VALUES, _SEPARATORS, st.booleans())
def test_a_text_is_read_as_a_parser_reads_it(
    value: Any, separators: tuple[str, str], ascii_: bool
) -> None:
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_)
    assert scanned(text) == told(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a" "b": "c', "{ name:a name:b text:c"),
        ('{"a", "b"', "{ name:a name:b"),
        ('["a": "b", "c"', "[ text:a text:b text:c"),
        ('}]{"a', "} ] { name:a"),
        ('{"a": [1}, "b"', "{ name:a [ numeral:1 } name:b"),
        ('{"a": {} "b"', "{ name:a { } text:b"),
        ('{"a\\', "{ name:a"),
        ("true x 'y' -", ""),
    ],
)
def test_broken_text_is_read_as_far_as_it_goes(text: str, expected: str) -> None:
    found = ((kind, text[start:end]) for kind, start, end in json_tokens(text))
    told = [kind if kind == said else f"{kind}:{said}" for kind, said in found]
    assert " ".join(told) == expected


@pytest.mark.parametrize("piece", ['"', "\\", '"\\', "{", "]", '{"a":', "[[,", '"a" '])
def test_long_hostile_text_is_read_once(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    assert all(start <= end <= len(text) for _, start, end in json_tokens(text))


@examples(100)
@given(st.lists(_TEXTS))
def test_each_character_of_an_escaped_text_has_its_place(pieces: list[str]) -> None:
    said = "".join(pieces)
    raw = json.dumps(said, ensure_ascii=False)[1:-1]
    text, place = unescape(raw)
    assert text == said
    for position, sign in enumerate(text):
        piece = raw[place(position) : place(position + 1)]
        assert json.loads(f'"{piece}"') == sign
