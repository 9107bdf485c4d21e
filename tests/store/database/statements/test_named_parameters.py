"""Unit: names of parameters are found where they are parameters, and nowhere else."""

from __future__ import annotations

import pytest

from eventstore.store.database.statements.named_parameters import (
    with_percent_names,
    without_semicolon,
)
from eventstore.store.database.statements.statement_rows import unique_names

GIVEN = {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("SELECT :a, :b", "SELECT %(a)s, %(b)s"),
        ("SELECT :a::int", "SELECT %(a)s::int"),
        ("SELECT '1'::a", "SELECT '1'::a"),
        ("SELECT ':a' || :a", "SELECT ':a' || %(a)s"),
        ("SELECT 'it''s :a', :a", "SELECT 'it''s :a', %(a)s"),
        (r"SELECT E'\':a', :a", r"SELECT E'\':a', %(a)s"),
        ('SELECT ":a", :a', 'SELECT ":a", %(a)s'),
        ("SELECT $$ :a $$, $x$ :a $$ $x$, :a", "SELECT $$ :a $$, $x$ :a $$ $x$, %(a)s"),
        ("SELECT :a -- :b\n, :b", "SELECT %(a)s -- :b\n, %(b)s"),
        ("SELECT /* :a */ :a", "SELECT /* :a */ %(a)s"),
        ("SELECT /* /* :a */ :b */ :a", "SELECT /* /* :a */ :b */ %(a)s"),
        ("SELECT x[1:c], :ab, :a", "SELECT x[1:c], :ab, %(a)s"),
        (
            "SELECT 1 WHERE x LIKE '%s' AND y % 2 = :a",
            "SELECT 1 WHERE x LIKE '%%s' AND y %% 2 = %(a)s",
        ),
    ],
)
def test_parameters(statement: str, wanted: str) -> None:
    assert with_percent_names(statement, GIVEN) == wanted


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT ';', \";\" -- ;\n, 2 ; ; -- done", "SELECT ';', \";\" -- ;\n, 2 "),
        ("SELECT $$;$$ /* /* ; */ ; */, 2;", "SELECT $$;$$ /* /* ; */ ; */, 2"),
    ],
)
def test_a_semicolon_ends_a_statement_where_it_is_one(statement: str, wanted: str) -> None:
    assert without_semicolon(statement) == wanted


def test_columns_of_one_name_are_told_apart() -> None:
    assert unique_names(["a", "a", "a_2", "a", ""]) == ["a", "a_2", "a_2_2", "a_3", ""]
