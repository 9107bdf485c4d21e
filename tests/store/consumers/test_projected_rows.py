"""Unit: what projections return becomes rows of their tables, or an error without content."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Float, Integer, SmallInteger, String, Text
from support.examples import examples
from support.own_projections import TYPES, CountTypes, Misbehaving, table

from eventstore import InvalidInputError
from eventstore.store.consumers.projections.projected_rows import RowError, keyed_rows
from eventstore.store.consumers.projections.projection import Projection, check_projection

OWN = Misbehaving(lambda: None)
GOOD = {"type": "a", "number": 1, "last_seq": 2, "odd": True}


def test_rows_by_table_by_name_and_alone() -> None:
    assert keyed_rows(OWN, "s", [{"number": 1}]) == {"own_bad": {("s", 1): ("s", 1)}}
    made = keyed_rows(CountTypes(), "s", {TYPES: [GOOD], "own_said": ({"seq": n} for n in (1, 2))})
    assert made["own_types"] == {("s", "a"): ("s", "a", 1, 2, None, True, None)}
    assert list(made["own_said"]) == [("s", 1), ("s", 2)]
    assert keyed_rows(OWN, "s", [{"number": 1, "session_id": "another"}]) == {
        "own_bad": {("s", 1): ("s", 1)}
    }


@pytest.mark.parametrize(
    "made",
    [
        None,
        3,
        "rows",
        b"rows",
        [None],
        ["row"],
        [{}],
        [{"no_column": 1}],
        [{"number": "one"}],
        [{"number": 1.0}],
        [{"number": True}],
        [{"number": 2**31}],
        [{"number": None}],
        [{"number": 1}, {"number": 1}],
        {"events": [{"seq": 1}]},
        {"own_bad": "rows"},
        {"own_bad": {"number": 1}},
        {5: [{"number": 1}]},
        ({"number": n} for n in range(10**9)),
    ],
    ids=lambda made: type(made).__name__,
)
def test_what_are_no_rows_is_refused(made: Any) -> None:
    with pytest.raises(RowError):
        keyed_rows(OWN, "s", made)


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": 2**40},
        {"last_seq": 2**63},
        {"share": float("nan")},
        {"share": float("inf")},
        {"share": "1"},
        {"share": 2**60},
        {"odd": 1},
        {"data": "text"},
        {"type": "x" * 129},
        {"type": "\0"},
        {"type": "\ud83d"},
        {"type": None},
    ],
    ids=str,
)
def test_what_a_column_cannot_hold_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RowError) as raised:
        keyed_rows(CountTypes(), "s", {TYPES: [{**GOOD, **wrong}]})
    assert "xxx" not in str(raised.value)


def test_a_primary_key_is_measured_in_bytes() -> None:
    own = declared(tables=(table("own_words", Column("word", Text, primary_key=True)),))
    for word in ("x" * 1024, "\u00f8" * 512, "\U0001f6b2" * 256):
        assert keyed_rows(own, "s", [{"word": word}])
        with pytest.raises(RowError, match="too long"):
            keyed_rows(own, "s", [{"word": word + "x"}])


def test_rows_are_measured_in_bytes() -> None:
    rows = [{"seq": n, "words": "\U0001f6b2" * 1_000_000} for n in range(5)]
    with pytest.raises(RowError, match="bytes for one session"):
        keyed_rows(CountTypes(), "s", {"own_said": rows})
    assert keyed_rows(CountTypes(), "s", {"own_said": rows[:4]})


def test_too_many_bytes_are_refused() -> None:
    rows = ({"seq": n, "words": "x" * 1_000_000} for n in range(100))
    with pytest.raises(RowError, match="bytes for one session"):
        keyed_rows(CountTypes(), "s", {"own_said": rows})


@examples(200)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
def test_anything_is_rows_or_an_error(value: Any) -> None:
    for made in (value, [value], [{"number": value}], {"own_bad": value}):
        with suppress(RowError):
            keyed_rows(OWN, "s", made)


def declared(**changed: Any) -> Projection[Any]:
    """A projection with some attributes changed."""
    own = Misbehaving(lambda: None)
    for name, value in changed.items():
        setattr(own, name, value)
    return own


NUMBER = Column("number", Integer, primary_key=True)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "Big"},
        {"name": None},
        {"version": 0},
        {"version": "1"},
        {"version": True},
        {"types": "response.done"},
        {"types": 5},
        {"types": [5]},
        {"tables": ()},
        {"tables": ("own",)},
        {"tables": (TYPES, TYPES)},
        {"tables": (table("events", Column("n", Integer)),)},
        {"tables": (table("alembic_version", Column("n", Integer)),)},
        {"tables": (table('a"b', Column("n", Integer)),)},
        {"tables": (table("own_a", Column('b"c', Integer)),)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_declaration_that_is_wrong_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        check_projection(declared(**changed))


def test_declarations_that_are_right() -> None:
    check_projection(CountTypes())
    kinds = (Integer, BigInteger, SmallInteger, Float, Text, String(9))
    columns = [Column(f"c{n}", kind) for n, kind in enumerate(kinds)]
    check_projection(declared(tables=(table("own_kinds", *columns),)))


def test_a_projection_defines_one_form() -> None:
    class Both(Misbehaving):
        def project(self, session: dict[str, Any]) -> Any:
            return []

    class Half(Projection[int]):
        name, tables = "own_half", (TYPES,)

        def begin(self, session_id: str) -> int:
            return 0

    class WholeInline(Projection[int]):
        name, tables, inline = "own_whole", (TYPES,), True

        def project(self, session: dict[str, Any]) -> Any:
            return []

    for wrong in (Both(lambda: None), Half(), WholeInline(), object(), CountTypes):
        with pytest.raises(InvalidInputError):
            check_projection(wrong)
