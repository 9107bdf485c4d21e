"""Hypothesis strategies of JSON: any values, and objects whose values mostly fit."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
Draw = st.DrawFn

MAX_INTEGER = 2**63


def any_text(max_size: int = 300) -> st.SearchStrategy[str]:
    """Text of any characters, NUL and lone surrogates among them."""
    return st.text(st.characters(exclude_categories=()), max_size=max_size)


def json_values(surrogates: bool = False) -> st.SearchStrategy[Any]:
    """Any JSON value; NaN and infinity are none."""
    text = any_text(12) if surrogates else st.text(max_size=12)
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-MAX_INTEGER, MAX_INTEGER),
        st.floats(allow_nan=False, allow_infinity=False),
        text,
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(text, inner, max_size=4)
        ),
        max_leaves=8,
    )


ANY = json_values(surrogates=True)


@st.composite
def mostly(draw: Draw, usual: st.SearchStrategy[Any], one_in: int = 12) -> Any:
    """A usual value, and one time in so many any other."""
    return draw(ANY if draw(st.integers(1, one_in)) == one_in else usual)


@st.composite
def object_of(draw: Draw, fields: dict[str, st.SearchStrategy[Any]], lacks_one_in: int = 4) -> Json:
    """An object with most of these fields, in their order, most of them with a fitting value."""
    return {
        name: draw(mostly(value))
        for name, value in fields.items()
        if draw(st.integers(1, lacks_one_in)) < lacks_one_in
    }


def one(*values: Any) -> st.SearchStrategy[Any]:
    """One of these values."""
    return st.sampled_from(values)
